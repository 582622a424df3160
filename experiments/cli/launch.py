"""`distilpose launch` and `distilpose demo`: train what a sweep lacks."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.cli.options import (
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
    Track,
    console,
    end_on,
    plan_sweep,
    read_profile,
    say_changes,
    searcher_of,
)
from experiments.cli.report import write_and_show
from experiments.launch.choose import Chosen, choose
from experiments.launch.local import LocalLauncher
from experiments.track.trackers import open_service, read_trackers

if TYPE_CHECKING:
    from experiments.sweep.sweep_file import Sweep

DEFAULT_TRACKERS = ("wandb",)
_BEGUN = ("running", "failed", "interrupted", "pruned")


def demo(
    runs: Runs = RUNS,
    jobs: Jobs = 0,
    device: Device = "auto",
    track: Track = None,
    out: Out = None,
) -> None:
    """The loss ablation on synthetic people, from nothing to a report, in minutes on two CPU cores."""
    place = Place(data=None, runs=runs)
    sweep = read_profile("losses", "tiny")
    where = choose(device=device, jobs=jobs)
    complete = _train(sweep, place, where, track=track, workers=None, cache=None, retry_failed=False)
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
    track: Track = None,
    workers: Annotated[
        int | None,
        typer.Option(help="Threads that prepare batches, per process; by default its cores on a GPU, up to 8.", min=0),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Folder to keep decoded pictures in, for all processes; its size is told first.")
    ] = None,
    retry_failed: Annotated[bool, typer.Option(help="Try runs again that failed for good.")] = False,
    gpus_per_run: Annotated[
        int, typer.Option(help="GPUs that train one cohort together; on a CPU, processes.", min=1)
    ] = 1,
    on: Annotated[str, typer.Option(help="Where to train: local, slurm or ray.")] = "local",
    slurm: Annotated[
        list[str] | None,
        typer.Option(help="A job's needs on Slurm, such as partition=gpu; may be given often.", metavar="KEY=VALUE"),
    ] = None,
    ray_address: Annotated[str | None, typer.Option(help="The Ray cluster, such as auto; none: this machine.")] = None,
) -> None:
    """Train what a sweep still lacks. Finished runs are skipped, interrupted ones go on where they were."""
    chosen = read_profile(sweep, profile, data)
    place = Place(data=data, runs=runs)
    where = choose(on, device=device, jobs=jobs, gpus_per_run=gpus_per_run, slurm=slurm or (), ray_address=ray_address)
    complete = _train(chosen, place, where, track=track, workers=workers, cache=cache, retry_failed=retry_failed)
    words = ["distilpose", "report", sweep, "--profile", chosen.profile, "--runs", str(runs)]
    console.print(f"Report: {shlex.join(words)}", soft_wrap=True)
    if not complete:
        raise typer.Exit(INCOMPLETE)


def _train(
    sweep: "Sweep",
    place: Place,
    where: Chosen,
    *,
    track: list[str] | None,
    workers: int | None,
    cache: Path | None,
    retry_failed: bool,
) -> bool:
    from experiments.build.data import data_root, prepare
    from experiments.launch.records import LaunchSettings
    from experiments.launch.scheduler import launch_plan
    from experiments.plan.estimate import estimate
    from experiments.runs.store import Store
    from experiments.terminal.launch_view import LaunchDisplay, counting, launch_summary
    from experiments.train.try_teacher import given_teacher_faults

    trackers = read_trackers(DEFAULT_TRACKERS if track is None else track)
    for tracker in trackers:
        open_service(tracker).check(reach=False)
    for data in dict.fromkeys(row.recipe.data for row in sweep.rows):
        with counting(console, "drawing people" if data.synthetic else "checking data") as on_progress:
            problems = prepare(data, root=place.data, runs=place.runs, on_progress=on_progress)
        end_on(map(str, problems))
    if cache is not None:
        _say_cache(sweep, place, where, cache)
    searcher = searcher_of(sweep, place)
    planned = plan_sweep(sweep, place) if searcher is None else searcher.begin()
    end_on([*planned.problems, *where.faults(planned)])
    end_on(given_teacher_faults((row.recipe for row in sweep.rows), root=place.data, runs=place.runs))
    store = Store(place.runs)
    states = store.states(planned.runs)
    console.print(launch_summary(planned, states, estimate(planned, store), where.launcher.slots))
    say_changes(store, planned, "are")
    settings = LaunchSettings(
        data_root=lambda data: data_root(data, root=place.data, runs=place.runs).resolve(),
        workers=workers,
        cache=None if cache is None else cache.resolve(),
        track=trackers,
        retry_failed=retry_failed,
        poll_seconds=where.poll_seconds,
        rooms=where.rooms,
    )
    begun = {run_id: store.run(run_id).progress() for run_id, state in states.items() if state in _BEGUN}
    steps = {run_id: progress.step for run_id, progress in begun.items() if progress is not None}
    with LaunchDisplay(planned, console, steps) as display:
        outcome = launch_plan(
            planned,
            store,
            where.launcher,
            settings,
            on_progress=display.update,
            grow=None if searcher is None else lambda settled: display.lengthened(searcher.grow(settled)),
        )
    for run_id, why in outcome.failed.items():
        console.print(f"run {run_id} failed: {why}", style="bold red")
    if outcome.interrupted:
        console.print(f"Interrupted; {where.farewell}")
        raise typer.Exit(INTERRUPTED)
    return outcome.complete


def _say_cache(sweep: "Sweep", place: Place, where: Chosen, cache: Path) -> None:
    """Tell how much of the disk decoded pictures will take; end where there is not so much."""
    from experiments.build.data import cache_size
    from experiments.machine.quantities import data_size

    size = cache_size([row.recipe.data for row in sweep.rows], root=place.data, runs=place.runs, cache=cache)
    said = f"{cache}: decoded pictures come to {data_size(size.whole)}, of which {data_size(size.written)} are there"
    console.print(f"{said}; {data_size(size.free)} of the disk are free", soft_wrap=True)
    # elsewhere it is another machine's disk, whose processes look for themselves
    if isinstance(where.launcher, LocalLauncher) and not size.fits:
        end_on([f"--cache {cache}: does not fit on its disk with a reserve left; free some of it, or name another"])
