"""`distilpose replay` and `distilpose show`."""

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from experiments.cli.options import INCOMPLETE, INTERRUPTED, RUNS, AsJson, DataRoot, Runs, console, print_json
from experiments.terminal.output import terminal

if TYPE_CHECKING:
    from experiments.trained.replay import Comparison, Rerun

RunId = Annotated[str, typer.Argument(help="A run's id, as plan and status show it.", metavar="RUN_ID")]
_POLL_SECONDS = 0.2


def replay(
    run_id: RunId,
    runs: Runs = RUNS,
    data: DataRoot = None,
    device: Annotated[str | None, typer.Option(help="Another device than the run was trained on.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to train in; by default a new one below replays.")] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(help="How far a metric in [0, 1] may be off: 0 on an equal machine, else 0.02.", min=0.0),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Train a finished run again, alone, and compare the results. Ends with 1 if they differ."""
    from experiments.runs.store import Store
    from experiments.trained.replay import compare, make_ready

    ready = make_ready(Store(runs), _plain_id(run_id), out, data=data, device=device)
    console.print(f"Training run {run_id} again on {ready.device}, in {ready.again.path}", soft_wrap=True)
    _train(ready)
    failure = ready.again.failure
    if not ready.again.finished:
        why = "its process ended without a word" if failure is None else failure.message
        console.print(f"run {run_id} failed: {why}; see {ready.job.with_suffix('.log')}", soft_wrap=True)
        raise typer.Exit(INCOMPLETE)
    found = compare(ready.original, ready.again, tolerance=tolerance)
    if as_json:
        print_json({**asdict(found), "equal": found.equal, "agrees": found.agrees})
    else:
        _print_comparison(found)
    if not found.agrees:
        raise typer.Exit(INCOMPLETE)


def show(run_id: RunId, runs: Runs = RUNS, as_json: AsJson = False) -> None:
    """What a run is, what it came to, and where that came from."""
    from experiments.runs.provenance import kept_file
    from experiments.runs.store import Store

    run = Store(runs).run(_plain_id(run_id))
    spec, result = run.spec(), run.result()
    if as_json:
        print_json({"state": run.state(), "spec": spec, "result": None if result is None else result.json()})
        return
    origin: Mapping[str, Any] = {} if result is None else dict(result.provenance)
    out = terminal(soft_wrap=True)
    out.print(f"{run_id}  {spec['row'] or 'teacher'}, seed {spec['seed']}: {run.state()}")
    for fault in filter(None, (run.damage(), run.journal_fault(result))):
        out.print(fault)
    _print_values(out, "recipe", spec["recipe"])
    if result is not None:
        _print_values(out, "result", {name: value for name, value in result.json().items() if name != "provenance"})
        _print_values(out, "provenance", origin)
    for name, suffix in (("diff", ".diff"), ("environment", ".txt")):
        if origin.get(name):
            out.print(f"{name}: {kept_file(runs, origin[name], suffix)}")


def _plain_id(run_id: str) -> str:
    """A run's id, which becomes part of a path; raises ValueError for what cannot be one."""
    if not run_id.isalnum():
        raise ValueError(f"RUN_ID: must be letters and digits, got {run_id!r}; plan and status show the ids")
    return run_id


def _train(ready: "Rerun") -> None:
    """Train, with a bar; Ctrl-C stops the process and ends the command."""
    from experiments.launch.devices import slots_for
    from experiments.launch.local import LocalLauncher
    from experiments.launch.protocol import Slot
    from experiments.terminal.launch_view import counting

    slots_for(ready.device, 1)  # says so where the device is not here
    slot = Slot(device=ready.device, threads=ready.threads)
    handle = LocalLauncher([slot]).start(ready.job, slot)
    try:
        with counting(console, "steps") as on_progress:
            while handle.poll() is None:
                progress = ready.again.progress()
                if progress is not None and progress.total_steps:
                    on_progress(progress.step, progress.total_steps)
                time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        handle.kill()
        console.print(f"Interrupted; {ready.again.path.parent} may be removed.", soft_wrap=True)
        raise typer.Exit(INTERRUPTED) from None


def _print_comparison(found: "Comparison") -> None:
    from experiments.terminal.tables import plain_table

    out = terminal(soft_wrap=True)
    rows = [
        (name, f"{recorded:.6f}", f"{again:.6f}", "0" if recorded == again else f"{again - recorded:+.2g}")
        for name, (recorded, again) in found.metrics.items()
    ]
    out.print(plain_table(("metric", "recorded", "again", "difference"), rows))
    if found.parted is not None:
        step, name, recorded, again = found.parted
        out.print(f"The two first part at step {step}: {name} was {recorded:.9g} and is {again:.9g}.")
    for name, (recorded, again) in sorted(found.environment.items()):
        out.print(f"differs: {name} was {recorded}, is {again}")
    weights = {True: "the weights too", False: "the weights not", None: "the recorded weights are gone"}
    if found.equal:
        out.print(f"Every metric is equal to the last bit; {weights[found.weights_equal]}.")
    else:
        verdict = "within" if found.agrees else "NOT within"
        out.print(f"The metrics are {verdict} the tolerance of {found.tolerance:g}.")


def _print_values(out: Console, title: str, values: Mapping[str, Any]) -> None:
    out.print(f"{title}:")
    for name, value in values.items():
        if isinstance(value, dict):
            value = ", ".join(f"{key} {item}" for key, item in value.items())
        out.print(f"  {name}: {value}")
