"""`distilpose report`."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from experiments.cli.options import RUNS, Out, Profile, Runs, console, launched, split_names
from experiments.terminal.output import print_line

if TYPE_CHECKING:
    from experiments.runs.saved_plan import SavedPlan
    from experiments.runs.store import Store
    from reports.sections import SectionMaker

Mark = Literal["bold", "underline", "no"]  # as in experiments.sweep.table_choices, which is imported late
SpreadKind = Literal["no", "std", "interval"]


def report(
    sweeps: Annotated[list[str], typer.Argument(help="Sweep files or names.", metavar="SWEEP...")],
    profile: Profile = None,
    runs: Runs = RUNS,
    out: Out = None,
    together: Annotated[bool, typer.Option("--together", help="One report of several sweeps.")] = False,
    pictures: Annotated[bool, typer.Option(help="Show the people that runs drew.")] = True,
    watch: Annotated[bool, typer.Option(help="Serve the page on this machine while the sweep runs.")] = False,
    port: Annotated[int, typer.Option(help="Where --watch serves it; 0 takes a free one.", min=0, max=65535)] = 0,
    section: Annotated[
        list[str] | None, typer.Option(help="A section of your own, FILE.py:NAME, after the others; may be repeated.")
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(help="Of the table for a paper, such as losses,PCK@0.1,improvement.", metavar="COLUMN,COLUMN"),
    ] = None,
    rows: Annotated[list[str] | None, typer.Option(help="Its rows, in this order.", metavar="ROW,ROW")] = None,
    digits: Annotated[int | None, typer.Option(help="Its decimals.", min=0, max=6)] = None,
    caption: Annotated[str | None, typer.Option(help="Its caption.")] = None,
    label: Annotated[str | None, typer.Option(help="Its LaTeX label, such as tab:main.")] = None,
    best: Annotated[Mark | None, typer.Option(help="How the best value of a metric is set.")] = None,
    second: Annotated[Mark | None, typer.Option(help="How the second best is.")] = None,
    spread: Annotated[SpreadKind | None, typer.Option(help="What stands beside a mean.")] = None,
) -> None:
    """Write the tables of a launched sweep: Markdown, one HTML page, LaTeX, CSV and Parquet.

    The options from --columns on are for the table for a paper, tables/publication.tex; those of the sweep file's
    `report` hold where they are left out.
    """
    from experiments.runs.store import Store

    if together != (len(sweeps) > 1):
        raise ValueError(f"--together: is for several sweeps, and several need it; got {len(sweeps)}")
    store = Store(runs)
    own = [own_section(reference) for reference in section or ()]
    others: list[Store] = []
    if together:
        if watch or profile is not None:
            raise ValueError("--together: a report of several sweeps is not watched, and each is named SWEEP.PROFILE")
        plan, others = _together(sweeps, runs)
    else:
        (sweep,) = sweeps
        name, chosen = launched(sweep, profile, store)
    if watch:
        if out is not None:
            raise ValueError("--out: a watched report is served and not written, got both; leave one out")
        _watch(store, name, chosen, port=port, pictures=pictures, own=own)
        return
    if not together:
        plan = _as_edited(store.load_plan(name, chosen), sweep, store)
    given = {
        "columns": split_names(columns), "rows": split_names(rows), "digits": digits,
        "caption": caption, "label": label, "best": best, "second": second, "spread": spread,
    }  # fmt: skip
    write_and_show(store, _choosing(plan, given), out, pictures=pictures, own=own, others=others)


def _together(sweeps: Sequence[str], runs: Path) -> "tuple[SavedPlan, list[Store]]":
    """One plan of several sweeps, and the stores of their runs."""
    from experiments.cli.compare import find_side
    from reports.together import together

    if len(set(sweeps)) < len(sweeps):
        raise ValueError(f"--together: must be different sweeps, got {', '.join(sweeps)}")
    sides = {sweep: find_side(sweep, runs) for sweep in sweeps}
    return together({sweep: plan for sweep, (_, plan) in sides.items()}), [store for store, _ in sides.values()]


def _as_edited(plan: "SavedPlan", sweep: str, store: "Store") -> "SavedPlan":
    """The plan with the names, the paper's values and the layout that its sweep file has by now."""
    from experiments.plan.edited import as_edited
    from experiments.sweep.sweep_file import find_sweep, read_sweep

    if plan.settings.get("changed"):  # made by --set: its file says another sweep
        return plan
    file = sweep if Path(sweep).is_file() else plan.source
    try:
        now = read_sweep(find_sweep(file), source=file).profile(plan.profile)
    except ValueError as error:
        if file == sweep:
            said = f"{error}\nThe report is of the launch, since {sweep} has mistakes by now."
            console.print(said, markup=False, highlight=False, soft_wrap=True)
        return plan
    edited, said = as_edited(plan, now, store)
    if said:
        console.print(said, markup=False, highlight=False, soft_wrap=True)
    return edited


def _choosing(plan: "SavedPlan", given: Mapping[str, Any]) -> "SavedPlan":
    """The plan with the choices of the command line over those of its file."""
    from pydantic import TypeAdapter, ValidationError

    from experiments.runs.atomic import first_fault
    from experiments.runs.saved_plan import TableChoices

    said = {name: value for name, value in given.items() if value not in (None, ())}
    if not said:
        return plan
    try:
        chosen = TypeAdapter(TableChoices).validate_python({**(asdict(plan.report) if plan.report else {}), **said})
    except ValidationError as error:
        raise ValueError(f"--{first_fault(error)}") from error
    return replace(plan, report=chosen)


def own_section(reference: str) -> "SectionMaker":
    """The section that `FILE.py:NAME` or `package.module:NAME` means."""
    from distilpose.parts.load import load_part
    from distilpose.parts.reference import find_part
    from distilpose.parts.signature import PartError
    from reports.formats.page import Section
    from reports.numbers.sweep import SweepNumbers

    try:
        place = find_part(reference, Path.cwd())
        maker = load_part(place.root, place.module, place.name)
    except PartError as error:
        raise ValueError(f"--section: {error}") from error

    def checked(numbers: SweepNumbers) -> Section | None:
        try:
            section = maker(numbers)
        except Exception as error:
            raise ValueError(f"--section: {reference} failed: {type(error).__name__}: {error}") from error
        if section is not None and not isinstance(section, Section):
            got = type(section).__name__
            raise ValueError(f"--section: {reference} must return a reports.formats.page.Section or None, got {got}")
        return section

    return checked


def _watch(
    store: "Store", sweep: str, profile: str, *, port: int, pictures: bool, own: "Sequence[SectionMaker]"
) -> None:
    """Serve the report until the user stops it."""
    from reports.sections import SECTIONS
    from reports.watch import LiveReport, serve

    store.load_plan(sweep, profile)  # fails here, not on the page, where nothing was launched

    def announce(address: str) -> None:
        console.print("The report renews itself while the sweep runs; Ctrl-C ends it.")
        print_line(address)

    report = LiveReport(store, sweep, profile, pictures=pictures, sections=(*SECTIONS, *own))
    serve(report, port=port, announce=announce)


@contextmanager
def page_while(runs: Path, sweep: str, profile: str) -> Iterator[None]:
    """Serve a sweep's page, on this machine alone, while something is done; the page is made when it is looked at."""
    from experiments.runs.store import Store
    from reports.watch import LiveReport, LiveServer

    with LiveServer(LiveReport(Store(runs), sweep, profile)) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        console.print(f"The page fills while this trains: {server.address}", highlight=False)
        try:
            yield
        finally:
            server.shutdown()


def write_and_show(
    store: "Store",
    plan: "SavedPlan",
    out: Path | None,
    *,
    pictures: bool = True,
    own: "Sequence[SectionMaker]" = (),
    others: "Sequence[Store]" = (),
) -> None:
    """Write the report of a launched sweep, show its table, and print the files. Runs may be in other stores too."""
    from rich.markdown import Markdown

    from reports.read.reader import RunReader
    from reports.sections import SECTIONS
    from reports.write import write_report

    folder = out or store.root / "reports" / plan.name
    reader = RunReader(*others) if others else None
    files = write_report(store, plan, folder, pictures=pictures, sections=(*SECTIONS, *own), reader=reader)
    console.print(Markdown(files.summary))
    for path in (files.markdown, files.html, files.latex, files.paper):
        print_line(path)
    console.print("Every table is in tables/ as CSV, LaTeX and Parquet, every drawing in plots/.")
