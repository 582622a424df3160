"""`distilpose launch` and `distilpose demo`: train what a sweep lacks."""

from typing import TYPE_CHECKING, Annotated

import typer

from experiments.commands.options import (
    INCOMPLETE,
    INTERRUPTED,
    RUNS,
    DataRoot,
    Device,
    Jobs,
    Out,
    Place,
    Profile,
    Runs,
    SweepName,
    Wandb,
    console,
    end_on,
    plan_sweep,
    read_profile,
)
from experiments.commands.report import write_and_show

if TYPE_CHECKING:
    from experiments.spec import Sweep


def demo(
    runs: Runs = RUNS,
    jobs: Jobs = 0,
    device: Device = "auto",
    wandb: Wandb = "auto",
    out: Out = None,
) -> None:
    """The loss ablation on synthetic people, from nothing to a report, in minutes on two CPU cores."""
    place = Place(data=None, runs=runs)
    sweep = read_profile("losses", "tiny")
    complete = _train(sweep, place, jobs=jobs, device=device, wandb=wandb, workers=0, retry_failed=False)
    write_and_show(runs, sweep.sweep, sweep.profile, out)
    if not complete:
        raise typer.Exit(INCOMPLETE)


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
    chosen = read_profile(sweep, profile)
    place = Place(data=data, runs=runs)
    complete = _train(chosen, place, jobs=jobs, device=device, wandb=wandb, workers=workers, retry_failed=retry_failed)
    console.print(f"Report: distilpose report {sweep} --profile {chosen.profile} --runs {runs}", soft_wrap=True)
    if not complete:
        raise typer.Exit(INCOMPLETE)


def _train(
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
    from experiments.teachers import given_teacher_faults

    slots = slots_for(device, jobs)
    for data in dict.fromkeys(row.recipe.data for row in sweep.rows):
        with counting(console, "drawing people" if data.synthetic else "checking data") as on_progress:
            problems = prepare(data, root=place.data, runs=place.runs, on_progress=on_progress)
        end_on(map(str, problems))
    planned = plan_sweep(sweep, place)
    end_on(planned.problems)
    end_on(given_teacher_faults((row.recipe for row in sweep.rows), root=place.data, runs=place.runs))
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
