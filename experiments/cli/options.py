"""The options, output and endings that commands share. Imports nothing heavy."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from experiments.terminal.output import terminal
from experiments.track.trackers import TRACKERS

if TYPE_CHECKING:
    from experiments.plan.plan import FactsLookup, Plan
    from experiments.runs.selection import Selection
    from experiments.runs.store import Store
    from experiments.search.more_seeds import Undecided
    from experiments.search.searcher import Searcher
    from experiments.sweep.recipe import RunRecipe
    from experiments.sweep.sweep_file import Sweep

# People read stderr; stdout is for results and --json.
console = terminal(stderr=True)

USER_ERROR, INCOMPLETE, INTERRUPTED = 2, 1, 130
RUNS = Path("runs")

SweepName = Annotated[str, typer.Argument(help="A sweep file, or the name of a shipped one.", metavar="SWEEP")]
Profile = Annotated[str | None, typer.Option(help="Which size of the table; the file's first by default.")]
DataRoot = Annotated[Path | None, typer.Option("--data", help="Folder of the data, instead of the sweep's.")]
SkeletonName = Annotated[
    str | None,
    typer.Option("--skeleton", help="Joints that stand in for the file's: of the library, or of a YAML file."),
]
Runs = Annotated[Path, typer.Option(help="Folder of run directories.")]
All = Annotated[bool, typer.Option("--all", help="Show every run, a line each.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs: JSON on standard output.")]
Jobs = Annotated[int, typer.Option(help="Processes at a time; 0: one per GPU, or one per CPU core up to 2.", min=0)]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, or one such as cuda:1.")]
Track = Annotated[
    list[str] | None,
    typer.Option(
        help=f"Where runs are shown: {', '.join(TRACKERS)}, with :OPTIONS, or none; may be given often. "
        "By default wandb, which without a key writes files alone.",
        metavar="TRACKER",
    ),
]
More = Annotated[int, typer.Option("--more-seeds", help="So many seeds beyond the sweep's own.", min=0, max=1000)]
Rows = Annotated[
    list[str] | None,
    typer.Option(
        "--rows",
        help="Only these rows, by name or pattern, such as none,'all lr=*'; a comma in a name is written \\,.",
        metavar="ROW,ROW",
    ),
]
Seeds = Annotated[str, typer.Option("--seeds", help="Only these seeds.", metavar="SEED,SEED")]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Change a field of the base, as in schedule.lr=1e-3; may be repeated. Makes a sweep of another name.",
        metavar="FIELD=VALUE",
    ),
]
NewName = Annotated[
    str | None, typer.Option("--name", help="The name of the sweep that --set makes; by default made of what is set.")
]
Out = Annotated[Path | None, typer.Option(help="Folder of the report; by default below the run directories.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a command works: whose data, and which run directories."""

    data: Path | None
    runs: Path


def selection_of(rows: Sequence[str] | None, seeds: str) -> "Selection":
    """The part of a sweep that `--rows` and `--seeds` name."""
    from experiments.runs.selection import Selection

    numbers = [number.strip() for number in seeds.split(",")] if seeds else []
    for number in numbers:
        if not (number.isascii() and number.isdigit()):
            raise ValueError(f"--seeds: must be whole numbers with commas between them, got {seeds!r:.80}")
    return Selection(rows=split_names(rows), seeds=tuple(map(int, numbers)))


def read_profile(
    name: str,
    profile: str | None,
    data: Path | None = None,
    changes: Sequence[str] | None = None,
    new_name: str | None = None,
) -> "Sweep":
    """One profile of a sweep file or shipped sweep, or the sweep of another name that `changes` make of it.

    Raises ValueError for a folder of `data` that none of its rows reads.
    """
    from experiments.sweep.sweep_file import find_sweep, read_sweep
    from experiments.sweep.variant import changed_sweep

    path = find_sweep(name)
    shown = name if path == Path(name) else f"sweeps/{path.name}"
    if changes:
        sweep = changed_sweep(path, profile, changes, new_name, source=shown)
    elif new_name is not None:
        raise ValueError(f"--name {new_name}: names the sweep that --set makes; give --set too")
    else:
        sweep = read_sweep(path, source=shown).profile(profile)
    if data is not None and all(row.recipe.data.synthetic for row in sweep.rows):
        raise ValueError(f"--data {data}: means nothing for {sweep.sweep} ({sweep.profile}): its people are synthetic")
    return sweep


def launched(sweep: str, profile: str | None, store: "Store") -> tuple[str, str]:
    """The name and profile of a launched sweep, called by its file, its name, or SWEEP.PROFILE.

    A file need not be there: what a store holds is known by name.
    """
    from experiments.sweep.sweep_file import find_sweep, read_names

    if Path(sweep).suffix in (".yaml", ".yml"):
        return read_names(find_sweep(sweep), profile, source=sweep)
    if profile is not None:
        return sweep, profile
    there = store.plans()
    name, _, size = sweep.partition(".")
    if (name, size) in there:
        return name, size
    own = [one for one in there if one[0] == sweep]
    if len(own) == 1:
        return own[0]
    if own:
        said = " or ".join(f"--profile {size}" for _, size in own)
        raise ValueError(f"sweep: {sweep} was launched at several sizes; say {said}")
    try:
        return read_names(find_sweep(sweep), None, source=sweep)
    except ValueError as error:
        said = ", ".join(f"{name} ({size})" for name, size in there) or "none"
        raise ValueError(f"{error}; launched in {store.root}: {said}") from error


def split_names(given: Iterable[str] | None) -> tuple[str, ...]:
    """Names from the command line, between commas; a comma in a name is written `\\,`."""
    names = [name.replace("\\,", ",").strip() for one in given or () for name in re.split(r"(?<!\\),", one)]
    return tuple(filter(None, names))


def plan_sweep(
    sweep: "Sweep",
    place: Place,
    selection: "Selection | None" = None,
    *,
    more_seeds: int = 0,
    max_cohort: int | None = None,
) -> "Plan":
    """The plan of a whole sweep on the data of a place, of one that grows what was asked so far; the selected rows with
    so many seeds more.
    """
    from experiments.plan.plan import make_plan

    if more_seeds:
        from experiments.search.more_seeds import with_more_seeds

        return with_more_seeds(sweep, facts_of(place), more_seeds, selection or selection_of(None, ""))
    grower = grower_of(sweep, place)
    return make_plan(sweep, facts_of(place), max_cohort=max_cohort) if grower is None else grower.plan()


def facts_of(place: Place) -> "FactsLookup":
    """What tells a plan about the data of a place."""
    from experiments.build.data import data_facts

    return lambda data, boxes: data_facts(data, boxes, root=place.data, runs=place.runs)


def grower_of(sweep: "Sweep", place: Place) -> "Searcher | Undecided | None":
    """What asks for the trials of a search, or for more seeds of undecided rows; None for any other sweep."""
    from experiments.runs.store import Store

    if sweep.until is not None:
        from experiments.search.more_seeds import Undecided

        return Undecided(sweep, Store(place.runs), facts_of(place))
    if sweep.search is None:
        return None
    from experiments.search.searcher import Searcher

    def costs(recipe: "RunRecipe", wanted: Sequence[str]) -> Mapping[str, float]:
        from distilpose.models.use import places_of_model
        from experiments.plan.model_costs import kept_parts
        from experiments.search.costs import student_costs

        places = places_of_model(recipe.model, sweep.folder)
        with kept_parts(Store(place.runs).parts, places, list(places)) as parts:
            return student_costs(recipe, wanted, parts)

    return Searcher(sweep, Store(place.runs), facts_of(place), costs)


def refuse_taken_name(store: "Store", planned: "Plan") -> None:
    """Raise ValueError where the saved plan of this name is that of another sweep: --set makes one, or made it."""
    from experiments.runs.atomic import DamagedError

    try:
        saved = store.load_plan(planned.sweep, planned.profile)
    except (DamagedError, FileNotFoundError):
        return
    if (was := saved.settings.get("changed")) != planned.settings.get("changed"):
        what = f"of {was}" if was else "a sweep file's"
        raise ValueError(f"--name: {planned.sweep} is the name of another sweep, {what}; choose another")


def say_changes(store: "Store", planned: "Plan", verb: str) -> None:
    """Name what changed since the last launch: code of finished runs, and begun runs that are no longer wanted."""
    from experiments.plan.code_changes import code_changes
    from experiments.runs.status import left_behind
    from experiments.terminal.tables import some_of

    for sentence in code_changes(planned, store):
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)
    left = left_behind(store, planned.sweep, planned.profile, planned.runs)
    if left:
        console.print(
            f"Of the last launch, no plan {verb} these runs any more: {some_of(left)}; distilpose gc frees such runs"
        )


def end_on(problems: Iterable[str]) -> None:
    """Show what is wrong and end, if anything is."""
    shown = list(problems)
    for problem in shown:
        console.print(f"error: {problem}", soft_wrap=True)
    if shown:
        raise typer.Exit(USER_ERROR)


def print_json(value: Any) -> None:
    """A result for programs, on standard output."""
    print(json.dumps(value, indent=1, default=str))
