"""`distilpose compare`, and how two sweeps are named."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.cli.options import RUNS, Out, Runs, console, launched
from experiments.terminal.output import print_line

if TYPE_CHECKING:
    from experiments.runs.saved_plan import SavedPlan
    from experiments.runs.store import Store

_SIDE = "SWEEP.PROFILE, a sweep file, DIR/SWEEP.PROFILE of another folder of runs, or DIR; @before: by earlier code."


def compare(
    a: Annotated[str, typer.Argument(help=_SIDE)],
    b: Annotated[str, typer.Argument(help="What is held against it, named likewise.")],
    runs: Runs = RUNS,
    metric: Annotated[str | None, typer.Option(help="Compare by this metric; by default A's.")] = None,
    out: Out = None,
) -> None:
    """Hold two sweeps, profiles, versions of code, or folders of runs against each other, row by row, on one page."""
    from rich.markdown import Markdown

    from reports.compare import compare as compare_sides
    from reports.compare import write_comparison

    if a == b:
        raise ValueError(f"compare: must be two, got {a!r:.80} twice")
    sides = (find_side(a, runs, b), find_side(b, runs, a))
    files = write_comparison(
        compare_sides((a, *sides[0]), (b, *sides[1]), metric),
        out or runs / "reports" / "compared" / "-".join(said.replace("/", "_").strip("._") for said in (a, b)),
    )
    console.print(Markdown(files[0].read_text().partition("\n![")[0]))
    for path in files:
        print_line(path)


def find_side(said: str, runs: Path, other: str = "") -> "tuple[Store, SavedPlan]":
    """The store and plan that a user named; a folder alone means the sweep of the `other`, or its only one."""
    from experiments.runs.store import Store
    from reports.compare import before

    name, at, version = said.partition("@")
    if at and version != "before":
        raise ValueError(f"{said}: after @ must be before, got {version!r:.80}")
    path = Path(name)
    store, sweep = Store(runs), name
    if (path / "sweeps").is_dir():
        store = Store(path)
        there = [f"{sweep}.{size}" for sweep, size in store.plans()]
        named = Path(other.partition("@")[0]).name
        if named not in there and len(there) != 1:
            raise ValueError(f"{said}: name one of its sweeps: {', '.join(f'{name}/{one}' for one in there) or 'none'}")
        sweep = named if named in there else there[0]
    elif path.suffix not in (".yaml", ".yml") and (path.parent / "sweeps").is_dir() and "/" in name:
        store, sweep = Store(path.parent), path.name
    plan = store.load_plan(*launched(sweep, None, store))
    return store, before(plan, store) if at else plan
