"""The `distilpose` command. Heavy imports wait inside the commands, so that help and mistakes come at once."""

import json
import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

if TYPE_CHECKING:
    from experiments.plan import Plan
    from experiments.spec import Sweep

app = typer.Typer(
    name="distilpose",
    help="Ablation studies of heatmap-to-regression pose distillation: plan, run, watch and publish them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
data_app = typer.Typer(help="Check data sets, and draw synthetic people.", no_args_is_help=True)
app.add_typer(data_app, name="data")

# People read stderr; stdout is for results and --json. No emoji: `sweep.yaml:100:5` is a place.
console = Console(stderr=True, emoji=False)

USER_ERROR, INCOMPLETE, INTERRUPTED = 2, 1, 130
SHOWN_FAULTS = 4  # keys of a checkpoint that do not fit, in one line

SweepName = Annotated[str, typer.Argument(help="A sweep file, or the name of a shipped one.", metavar="SWEEP")]
Profile = Annotated[str | None, typer.Option(help="Which size of the table; the file's first by default.")]
DataRoot = Annotated[Path | None, typer.Option("--data", help="Folder of the data, instead of the sweep's.")]
Runs = Annotated[Path, typer.Option(help="Folder of run directories.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs: JSON on standard output.")]
Jobs = Annotated[int, typer.Option(help="Processes at a time; 0: one per GPU, or one per CPU core up to 2.", min=0)]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, or one such as cuda:1.")]
Wandb = Annotated[str, typer.Option(help="W&B mirror: auto (offline without a key), online, offline or disabled.")]
Out = Annotated[Path | None, typer.Option(help="Folder of the report; by default below the run directories.")]
RUNS = Path("runs")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a command works: whose data, and which run directories."""

    data: Path | None
    runs: Path


@app.command()
def demo(
    runs: Runs = RUNS,
    jobs: Jobs = 0,
    device: Device = "auto",
    wandb: Wandb = "auto",
    out: Out = None,
) -> None:
    """The loss ablation on synthetic people, from nothing to a report, in minutes on two CPU cores."""
    place = Place(data=None, runs=runs)
    sweep = _sweep("losses", "tiny")
    complete = _launch(sweep, place, jobs=jobs, device=device, wandb=wandb, workers=0, retry_failed=False)
    _report(place, sweep.sweep, sweep.profile, out)
    if not complete:
        raise typer.Exit(INCOMPLETE)


@app.command()
def plan(
    sweep: SweepName, profile: Profile = None, data: DataRoot = None, runs: Runs = RUNS, as_json: AsJson = False
) -> None:
    """Show rows, run ids, cohorts, what is done, and the cost of the rest. Starts nothing."""
    from experiments.display import plan_tables
    from experiments.estimate import estimate
    from experiments.store import Store

    place = Place(data=data, runs=runs)
    planned = _plan(_sweep(sweep, profile), place)
    store = Store(runs)
    costs = estimate(planned, store)
    if as_json:
        states = {run_id: store.run(run_id).state() for run_id in planned.runs}
        _print_json({**planned.json(), "states": states, "problems": list(planned.problems), "cost": costs.json()})
    else:
        for part in plan_tables(planned, store, costs):
            Console().print(part)
    _show_problems(planned.problems)


@app.command()
def launch(
    sweep: SweepName,
    profile: Profile = None,
    data: DataRoot = None,
    runs: Runs = RUNS,
    jobs: Jobs = 0,
    device: Device = "auto",
    wandb: Wandb = "auto",
    workers: Annotated[int, typer.Option(help="Threads that prepare batches, per process.", min=0)] = 0,
    retry_failed: Annotated[bool, typer.Option(help="Try runs again that failed for good.")] = False,
) -> None:
    """Train what a sweep still lacks. Finished runs are skipped, interrupted ones go on where they were."""
    chosen = _sweep(sweep, profile)
    place = Place(data=data, runs=runs)
    complete = _launch(chosen, place, jobs=jobs, device=device, wandb=wandb, workers=workers, retry_failed=retry_failed)
    console.print(f"Report: distilpose report {sweep} --profile {chosen.profile} --runs {runs}", soft_wrap=True)
    if not complete:
        raise typer.Exit(INCOMPLETE)


@app.command()
def status(
    sweep: SweepName, profile: Profile = None, data: DataRoot = None, runs: Runs = RUNS, as_json: AsJson = False
) -> None:
    """Where every run of a launched sweep stands."""
    from collections import Counter

    from experiments.display import saved_status_rows, status_table
    from experiments.store import Store

    store = Store(runs)
    name, chosen = _saved(store, sweep, profile)
    rows = saved_status_rows(store, store.load_plan(name, chosen))
    counts = Counter(row["state"] for row in rows)
    if as_json:
        _print_json({"sweep": name, "profile": chosen, "counts": dict(counts), "runs": rows})
        return
    Console().print(status_table(rows))
    Console().print(", ".join(f"{count} {state}" for state, count in sorted(counts.items())))


@app.command()
def report(
    sweep: SweepName,
    profile: Profile = None,
    runs: Runs = RUNS,
    out: Out = None,
    pictures: Annotated[bool, typer.Option(help="Show the people that runs drew.")] = True,
) -> None:
    """Write the table of a launched sweep: Markdown, one HTML page, LaTeX and CSV."""
    from experiments.store import Store

    name, chosen = _saved(Store(runs), sweep, profile)
    _report(Place(data=None, runs=runs), name, chosen, out, pictures=pictures)


@app.command()
def models(
    as_json: AsJson = False,
    fps: Annotated[bool, typer.Option(help="Measure images per second here, one at a time.")] = False,
) -> None:
    """Every model: parameters, cost and, on request, speed, beside the published figures."""
    from experiments.model_table import model_rows, model_table

    rows = model_rows(fps=fps)
    if as_json:
        _print_json(rows)
    else:
        Console().print(model_table(rows))


@app.command()
def convert(
    official: Annotated[Path, typer.Argument(help="The authors' checkpoint.", metavar="OFFICIAL.pth")],
    out: Annotated[Path, typer.Argument(help="File to write.", metavar="OUT.safetensors")],
    model: Annotated[str, typer.Option(help="The model it is of; `distilpose models` lists them.")],
) -> None:
    """Turn a checkpoint of the authors' code into weights of a model here. Nothing in the file is run."""
    from distilpose.models import build_model, convert_official
    from distilpose.models.official import OfficialWeightsError

    try:
        convert_official(official, out, build_model(model), name=model)
    except OfficialWeightsError as error:
        _, *faults = map(str.strip, str(error).splitlines())
        more = f"; and {len(faults) - SHOWN_FAULTS} more" if len(faults) > SHOWN_FAULTS else ""
        some = "; ".join(faults[:SHOWN_FAULTS])
        raise ValueError(f"{official}: is no checkpoint of {model}, {len(faults)} keys differ: {some}{more}") from error
    print(out)


@data_app.command("check")
def data_check(
    path: Annotated[Path, typer.Argument(help="Folder of a COCO-format data set.")],
    split: Annotated[list[str] | None, typer.Option(help="Only this split; may be repeated.")] = None,
    shallow: Annotated[bool, typer.Option(help="Do not decode the pictures.")] = False,
    as_json: AsJson = False,
) -> None:
    """Everything wrong with a data set, all of it listed."""
    from distilpose.data.check import check_data

    reports = check_data(path, tuple(split) if split else None, deep=not shallow)
    if as_json:
        _print_json([found.to_json() for found in reports])
    else:
        for found in reports:
            for line in found.lines():
                print(line)
    if not all(found.ok for found in reports):
        raise typer.Exit(USER_ERROR)


@data_app.command("synthetic")
def data_synthetic(
    out: Annotated[Path, typer.Argument(help="Folder to make.")],
    train: Annotated[int, typer.Option(help="Pictures to train on.")] = 1200,
    val: Annotated[int, typer.Option(help="Pictures to validate on.")] = 300,
    seed: Annotated[int, typer.Option(help="What they are drawn from.")] = 0,
) -> None:
    """Draw synthetic people as a COCO-format data set."""
    from distilpose.data.synthetic import SyntheticSpec, write_synthetic
    from experiments.display import counting

    with counting(console, "drawing people") as on_progress:
        folder = write_synthetic(SyntheticSpec(train=train, val=val, seed=seed), out, on_progress=on_progress)
    print(folder)


def _sweep(name: str, profile: str | None) -> "Sweep":
    from experiments.spec import find_sweep, read_sweep

    path = find_sweep(name)
    shown = name if path == Path(name) else f"sweeps/{path.name}"
    return read_sweep(path, source=shown).profile(profile)


def _saved(store: Any, sweep: str, profile: str | None) -> tuple[str, str]:
    """The name and profile of a launched sweep, whether named by its file or by its name."""
    if Path(sweep).suffix in (".yaml", ".yml") or profile is None:
        chosen = _sweep(sweep, profile)
        return chosen.sweep, chosen.profile
    return sweep, profile


def _plan(sweep: "Sweep", place: Place) -> "Plan":
    from experiments.datasets import data_facts
    from experiments.plan import make_plan

    return make_plan(sweep, lambda data, boxes: data_facts(data, boxes, root=place.data, runs=place.runs))


def _launch(
    sweep: "Sweep", place: Place, *, jobs: int, device: str, wandb: str, workers: int, retry_failed: bool
) -> bool:
    from experiments.build import data_root
    from experiments.datasets import prepare
    from experiments.devices import slots_for
    from experiments.display import LaunchDisplay, counting, launch_summary
    from experiments.estimate import estimate
    from experiments.launch.local import LocalLauncher
    from experiments.launch.scheduler import LaunchSettings, launch_plan
    from experiments.store import Store

    slots = slots_for(device, jobs)
    if any(row.recipe.given_teacher is not None and row.recipe.uses_teacher for row in sweep.rows):
        from distilpose.integrations.mmpose import check_installed

        check_installed()
    for data in dict.fromkeys(row.recipe.data for row in sweep.rows):
        with counting(console, "drawing people" if data.synthetic else "checking data") as on_progress:
            problems = prepare(data, root=place.data, runs=place.runs, on_progress=on_progress)
        _show_problems([str(problem) for problem in problems])
    planned = _plan(sweep, place)
    _show_problems(planned.problems)
    store = Store(place.runs)
    console.print(launch_summary(planned, store, estimate(planned, store), slots))
    settings = LaunchSettings(
        data_root=lambda data: data_root(data, root=place.data, runs=place.runs).resolve(),
        workers=workers,
        wandb={"mode": wandb},
        retry_failed=retry_failed,
    )
    with LaunchDisplay(planned, console) as display:
        outcome = launch_plan(planned, store, LocalLauncher(slots), settings, on_progress=display.update)
    for run_id, why in outcome.failed.items():
        console.print(f"run {run_id} failed: {why}", markup=False, style="bold red")
    if outcome.interrupted:
        console.print("Interrupted; every run has its checkpoint, and the same command goes on from there.")
        raise typer.Exit(INTERRUPTED)
    return outcome.complete


def _report(place: Place, sweep: str, profile: str, out: Path | None, *, pictures: bool = True) -> None:
    from rich.markdown import Markdown

    from experiments.store import Store
    from reports.write import write_report

    store = Store(place.runs)
    folder = out or place.runs / "reports" / f"{sweep}.{profile}"
    files = write_report(store, store.load_plan(sweep, profile), folder, pictures=pictures)
    console.print(Markdown(files.summary))
    for path in (files.markdown, files.html, files.latex, files.csv):
        print(path)


def _show_problems(problems: Any) -> None:
    """Show what is wrong and end, if anything is."""
    for problem in problems:
        console.print(f"error: {problem}", markup=False, highlight=False, soft_wrap=True)
    if problems:
        raise typer.Exit(USER_ERROR)


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=1, default=str))


def main() -> None:
    """Run the command. A user's mistake is one message and exit code 2; DISTILPOSE_DEBUG=1 adds the traceback."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    try:
        app()
    except (ValueError, OSError) as error:
        if os.environ.get("DISTILPOSE_DEBUG"):
            raise
        console.print(f"error: {error}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(USER_ERROR)


if __name__ == "__main__":
    main()
