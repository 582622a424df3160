"""`distilpose launch` and `distilpose demo`: train what a sweep lacks."""

import shlex
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.cli.options import (
    INCOMPLETE,
    INTERRUPTED,
    RUNS,
    Changes,
    DataRoot,
    Device,
    Jobs,
    More,
    NewName,
    Out,
    Place,
    Profile,
    Rows,
    Runs,
    Seeds,
    SweepName,
    Track,
    console,
    end_on,
    grower_of,
    plan_sweep,
    read_profile,
    refuse_taken_name,
    say_changes,
    selection_of,
)
from experiments.cli.report import page_while, write_and_show
from experiments.launch.choose import PLACES, choose, sharing_faults
from experiments.launch.protocol import Opened, Wish
from experiments.track.trackers import open_service, read_trackers

if TYPE_CHECKING:
    from distilpose.evaluation.metrics import MetricUse
    from experiments.launch.records import LaunchProgress
    from experiments.plan.plan import Plan
    from experiments.runs.selection import Selection
    from experiments.runs.store import RunDir
    from experiments.sweep.choices import DataChoice
    from experiments.sweep.sweep_file import Sweep
    from experiments.train.elsewhere import OtherSets

DEFAULT_TRACKERS = ("wandb",)
Workers = Annotated[
    int | None,
    typer.Option(help="Threads that prepare batches, per process; by default its cores on a GPU, up to 8.", min=0),
]
Cache = Annotated[
    Path | None, typer.Option(help="Folder to keep decoded pictures in, for all processes; prints its size first.")
]
RetryFailed = Annotated[bool, typer.Option(help="Try runs again that failed for good.")]
_BEGUN = ("running", "failed", "interrupted", "pruned", "stopped")


def demo(
    runs: Runs = RUNS,
    jobs: Jobs = 0,
    device: Device = "auto",
    track: Track = None,
    out: Out = None,
) -> None:
    """The loss ablation on easy synthetic people, from nothing to a report, in minutes on two CPU cores.

    The page fills while it trains, at an address that is printed.
    """
    from experiments.runs.store import Store

    place = Place(data=None, runs=runs)
    sweep = read_profile("losses", "tiny")
    wish = Wish(device=device, jobs=jobs)
    where = choose(wish=wish)
    # The first seed's rows on all processes at once: half of the runs make a table, the others its second seed.
    max_cohort = -(-len(sweep.rows) // len(where.launcher.slots))
    with page_while(runs, sweep.sweep, sweep.profile):
        complete = train(
            sweep, place, wish, where,
            track=track, workers=None, cache=None, retry_failed=False, max_cohort=max_cohort,
            selection=selection_of(None, ""),
        )  # fmt: skip
    store = Store(runs)
    write_and_show(store, store.load_plan(sweep.sweep, sweep.profile), out)
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
    workers: Workers = None,
    cache: Cache = None,
    retry_failed: RetryFailed = False,
    gpus_per_run: Annotated[
        int, typer.Option(help="GPUs that train one cohort together; on a CPU, processes.", min=1)
    ] = 1,
    on: Annotated[str, typer.Option(help=f"Where to train: {', '.join(PLACES)}.")] = "local",
    options: Annotated[
        list[str] | None,
        typer.Option("--with", help="An option of that place, such as partition=gpu.", metavar="KEY=VALUE"),
    ] = None,
    hours: Annotated[
        float | None,
        typer.Option(help="Stop after so long, with checkpoints; each row's first seed is trained first.", min=0),
    ] = None,
    rows: Rows = None,
    seeds: Seeds = "",
    more_seeds: More = 0,
    changes: Changes = None,
    name: NewName = None,
    notify: Annotated[
        list[str] | None,
        typer.Option(
            help="Address (a JSON POST) or command to tell when the sweep ends, a run fails or a row is decided; "
            "may be repeated.",
            metavar="URL|COMMAND",
        ),
    ] = None,
) -> None:
    """Train what a sweep, or the rows and seeds named, still lacks. Interrupted runs go on where they were."""
    chosen = read_profile(sweep, profile, data, changes, name)
    place = Place(data=data, runs=runs)
    wish = Wish(device=device, jobs=jobs, processes=gpus_per_run)
    where = choose(on, wish, options or ())
    complete = train(
        chosen,
        place,
        wish,
        where,
        track=track,
        workers=workers,
        cache=cache,
        retry_failed=retry_failed,
        selection=selection_of(rows, seeds),
        more_seeds=more_seeds,
        hours=hours,
        notify=notify or (),
        words=worker_words(
            sweep, profile, data, runs,
            device=device, track=track, workers=workers, cache=cache, retry_failed=retry_failed,
            rows=rows, seeds=seeds, changes=changes, name=name,
        ),
    )  # fmt: skip
    words = [
        "distilpose",
        "report",
        chosen.sweep if changes else sweep,
        "--profile",
        chosen.profile,
        "--runs",
        str(runs),
    ]
    console.print(f"Report: {shlex.join(words)}", soft_wrap=True)
    if not complete:
        raise typer.Exit(INCOMPLETE)


def train(
    sweep: "Sweep",
    place: Place,
    wish: Wish,
    where: Opened,
    *,
    track: list[str] | None,
    workers: int | None,
    cache: Path | None,
    retry_failed: bool,
    selection: "Selection",
    more_seeds: int = 0,
    hours: float | None = None,
    max_cohort: int | None = None,
    notify: Sequence[str] = (),
    stay: bool = True,
    words: Sequence[str] = (),
) -> bool:
    """Train what the sweep lacks, or have workers do it by these `words`; whether it is complete then."""
    from distilpose.data.problem import problem_lines
    from experiments.build.data import data_root, prepare
    from experiments.launch.input_need import input_need
    from experiments.launch.neighbours import Neighbours
    from experiments.launch.notify import Notifier, check_target
    from experiments.launch.records import LaunchSettings
    from experiments.launch.scheduler import launch_plan
    from experiments.plan.estimate import estimate
    from experiments.runs.store import Store
    from experiments.terminal.launch_view import LaunchDisplay, counting, launch_summary, measuring
    from experiments.terminal.tables import some_of
    from experiments.train.measure import measure_finished
    from experiments.train.try_models import model_faults

    if selection and (sweep.search is not None or sweep.until is not None):
        raise ValueError(f"--rows, --seeds: {sweep.sweep} chooses what to train by itself; launch it without")
    names = selection.names([row.name for row in sweep.rows])  # fails here, not once data are drawn
    for target in notify:
        check_target(target)
    trackers = read_trackers(DEFAULT_TRACKERS if track is None else track)
    for tracker in trackers:
        open_service(tracker).check(reach=False)
    for data in dict.fromkeys(row.recipe.data for row in sweep.rows):
        with counting(console, "drawing people" if data.synthetic else "checking data") as on_progress:
            problems = prepare(data, root=place.data, runs=place.runs, on_progress=on_progress)
        end_on(problem_lines(problems))
    for other in sweep.evaluate_on.values():
        end_on(problem_lines(prepare(other.data, root=None, runs=place.runs)))
    elsewhere = {
        name: {"root": str(Path(one.root).resolve()), "split": one.split, "given": one.given}
        for name, one in sweep.evaluate_on.items()
    }
    for data in dict.fromkeys(row.recipe.data for row in sweep.rows):
        _say_shared(data, place, elsewhere, sweep.metric)
    if cache is not None:
        _say_cache(sweep, place, where, cache)
    grower = None if more_seeds else grower_of(sweep, place)
    if grower is None:
        whole = plan_sweep(sweep, place, selection, more_seeds=more_seeds, max_cohort=max_cohort)
    else:
        whole = grower.begin()
    planned = whole.part(selection)
    end_on([*planned.problems, *sharing_faults(planned, wish.processes)])
    store = Store(place.runs)
    refuse_taken_name(store, whole)
    planned.keep_parts(store)
    end_on(model_faults([row.recipe for row in sweep.rows if row.name in names], root=place.data, store=store))
    states = store.states(planned.runs)
    with measuring(console) as say:
        costs = estimate(planned, store, say)
    need = input_need(planned, costs)
    if need is not None and where.ask_for_cores is not None:
        where.ask_for_cores(need.cores(cached=cache is not None))
    console.print(launch_summary(planned, states, costs, where.launcher.slots))
    say_changes(store, whole, "wants")
    if where.by_workers:
        store.save_plan(whole.saved())
        return _work_elsewhere(where, place, words, planned)
    settings = LaunchSettings(
        data_root=lambda data: data_root(data, root=place.data, runs=place.runs).resolve(),
        workers=workers,
        cache=None if cache is None else cache.resolve(),
        evaluate_on=elsewhere,
        track=trackers,
        retry_failed=retry_failed,
        hours=hours,
        stay=stay,
        poll_seconds=where.poll_seconds,
        rooms=where.rooms,
        neighbours=Neighbours() if where.is_here else None,
    )
    begun = {run_id: store.run(run_id).progress() for run_id, state in states.items() if state in _BEGUN}
    steps = {run_id: progress.step for run_id, progress in begun.items() if progress is not None}
    slots = len(where.launcher.slots)
    with Notifier(notify, planned) as notifier, LaunchDisplay(planned, console, steps, slots=slots) as display:

        def show(progress: "LaunchProgress") -> None:
            display.update(progress)
            notifier.progress(progress)

        def lengthened(settled: Set[str]) -> "Plan | None":
            assert grower is not None
            longer = display.lengthened(grower.grow(settled))
            if longer is not None:
                notifier.grown(longer)
            return longer

        outcome = launch_plan(
            whole,
            store,
            where.launcher,
            settings,
            part=planned,
            on_progress=show,
            grow=None if grower is None else lengthened,
        )
        plan = planned
        if grower is not None:
            plan = grower.plan()
            store.save_plan(plan.saved())  # with what the last runs decided
            notifier.grown(plan)
        notifier.ended(outcome)
    if measured := measure_finished(store, plan.measured, plan.runs, settings.data_root):
        console.print(f"{measured} finished runs were measured by {plan.metric}; none was trained for it")
    for run_id, why in outcome.failed.items():
        console.print(f"run {run_id} failed: {why}", style="bold red")
    if outcome.stopped:
        console.print(
            f"stopped before, and left so: {some_of(sorted(outcome.stopped))}; distilpose retry tries them again"
        )
    if outcome.interrupted:
        console.print(f"Interrupted; {where.farewell}")
        raise typer.Exit(INTERRUPTED)
    if outcome.over:
        left = len(outcome.unfinished)
        console.print(f"{hours:g} hours are over, {left} of {outcome.total} runs are left; {where.farewell}")
    if elsewhere or any(row.recipe.data.test is not None for row in sweep.rows):
        _measure_lacking(plan, place, elsewhere)
    return outcome.complete


def worker_words(
    sweep: str,
    profile: str | None,
    data: Path | None,
    runs: Path,
    *,
    device: str,
    track: Sequence[str] | None,
    workers: int | None,
    cache: Path | None,
    retry_failed: bool,
    rows: Sequence[str] | None,
    seeds: str,
    changes: Sequence[str] | None,
    name: str | None,
) -> list[str]:
    """The words of `distilpose work` that do what `launch` was asked for, from any folder."""
    file = Path(sweep)
    paths = {"--data": data, "--runs": runs, "--cache": cache}
    given: list[tuple[str, str | None]] = [
        ("--profile", profile),
        *((option, None if path is None else str(path.resolve())) for option, path in paths.items()),
        ("--device", device),
        ("--workers", None if workers is None else str(workers)),
        ("--seeds", seeds or None),
        ("--name", name),
        *(("--track", one) for one in track or ()),
        *(("--rows", one) for one in rows or ()),
        *(("--set", one) for one in changes or ()),
    ]
    options = [word for option, value in given if value is not None for word in (option, value)]
    return [str(file.resolve()) if file.exists() else sweep, *options, *(["--retry-failed"] if retry_failed else [])]


def _work_elsewhere(where: Opened, place: Place, words: Sequence[str], plan: "Plan") -> bool:
    """Whether workers completed the plan while somebody looked."""
    from experiments.launch.signals import interruptible
    from experiments.launch.workers import start_workers
    from experiments.runs.store import Store

    count = len(where.launcher.slots)
    console.print(f"{count} worker{'s' * (count != 1)} do the rest; distilpose status says what they have done")
    try:
        with interruptible():
            start_workers(where.launcher, place.runs, words, poll_seconds=where.poll_seconds)
    except KeyboardInterrupt:
        console.print(f"Interrupted; {where.farewell}")
        raise typer.Exit(INTERRUPTED) from None
    return set(Store(place.runs).states(plan.runs).values()) == {"finished"}


def _say_shared(
    data: "DataChoice", place: Place, elsewhere: Mapping[str, Mapping[str, Any]], metric: "MetricUse"
) -> None:
    """Tell on how many people, and by how many joints, runs are measured on other sets. Raises DataError for none."""
    from distilpose.evaluation.measure import given_by_data
    from distilpose.evaluation.metrics import lacking

    sets = _other_sets(data, place, elsewhere)
    if sets is None:
        return
    for name in sets.names:
        people, _, joints = sets.read(name)
        said = f"{len(people.people):,} people, by {joints} of {people.skeleton.num_joints} joints"
        if lacks := lacking(metric, given_by_data(people)):
            said += f"; not by {metric.title}, which needs {lacks}: reports show AP there"
        console.print(f"Runs are measured on {name} at their end: {said}", markup=False, highlight=False)


def _measure_lacking(plan: "Plan", place: Place, elsewhere: Mapping[str, Mapping[str, Any]]) -> None:
    """Measure here the runs that were finished before the sweep named a set."""
    from experiments.runs.store import Store
    from experiments.sweep.recipe_json import run_recipe_from_json
    from experiments.train.elsewhere import measure_lacking

    store = Store(place.runs)
    by_data: dict[DataChoice, list[RunDir]] = {}
    for run_id, planned in plan.runs.items():
        if (run := store.run(run_id)).state() == "finished":
            by_data.setdefault(run_recipe_from_json(planned.recipe).data, []).append(run)
    for data, runs in by_data.items():
        sets = _other_sets(data, place, elsewhere, plan.measured)
        if sets is not None and (count := measure_lacking(runs, sets)):
            console.print(f"{count} runs finished earlier are now measured on {', '.join(sets.names)} too")


def _other_sets(
    data: "DataChoice",
    place: Place,
    elsewhere: Mapping[str, Mapping[str, Any]],
    metric: str | Mapping[str, Any] | None = None,
) -> "OtherSets | None":
    """What runs of this data are measured on at their end, the test split included."""
    from distilpose.data.coco import load_pose_data
    from experiments.build.data import data_root
    from experiments.train.elsewhere import OtherSets

    folder = data_root(data, root=place.data, runs=place.runs)
    sets = {**elsewhere, **data.test_set(folder)}
    if not sets:
        return None
    return OtherSets(sets, load_pose_data(folder, data.train, data.given).skeleton, metric=metric)


def _say_cache(sweep: "Sweep", place: Place, where: Opened, cache: Path) -> None:
    """Tell how much of the disk decoded pictures will take; end where there is not so much."""
    from experiments.build.data import cache_size
    from experiments.machine.quantities import data_size

    size = cache_size([row.recipe.data for row in sweep.rows], root=place.data, runs=place.runs, cache=cache)
    said = f"{cache}: decoded pictures come to {data_size(size.whole)}, of which {data_size(size.written)} are there"
    console.print(f"{said}; {data_size(size.free)} of the disk are free", soft_wrap=True)
    # elsewhere it is another machine's disk, whose processes look for themselves
    if where.is_here and not size.fits:
        end_on([f"--cache {cache}: does not fit on its disk with a reserve left; free some of it, or name another"])
