"""`distilpose report`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Annotated

import typer

from experiments.cli.options import RUNS, Out, Profile, Runs, SweepName, console, launched
from experiments.terminal.output import print_line

if TYPE_CHECKING:
    from reports.sections import SectionMaker


def report(
    sweep: SweepName,
    profile: Profile = None,
    runs: Runs = RUNS,
    out: Out = None,
    pictures: Annotated[bool, typer.Option(help="Show the people that runs drew.")] = True,
    watch: Annotated[bool, typer.Option(help="Serve the page on this machine while the sweep runs.")] = False,
    port: Annotated[int, typer.Option(help="Where --watch serves it; 0 takes a free one.", min=0, max=65535)] = 0,
    section: Annotated[
        list[str] | None, typer.Option(help="A section of your own, FILE.py:NAME, after the others; may be repeated.")
    ] = None,
) -> None:
    """Write the tables of a launched sweep: Markdown, one HTML page, LaTeX, CSV and Parquet."""
    name, chosen = launched(sweep, profile, runs)
    own = [own_section(reference) for reference in section or ()]
    if not watch:
        write_and_show(runs, name, chosen, out, pictures=pictures, own=own)
        return
    if out is not None:
        raise ValueError("--out: a watched report is served and not written, got both; leave one out")
    _watch(runs, name, chosen, port=port, pictures=pictures, own=own)


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


def _watch(runs: Path, sweep: str, profile: str, *, port: int, pictures: bool, own: "Sequence[SectionMaker]") -> None:
    """Serve the report until the user stops it."""
    from experiments.runs.store import Store
    from reports.sections import SECTIONS
    from reports.watch import LiveReport, serve

    store = Store(runs)
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
    runs: Path, sweep: str, profile: str, out: Path | None, *, pictures: bool = True, own: "Sequence[SectionMaker]" = ()
) -> None:
    """Write the report of a launched sweep, show its table, and print the files."""
    from rich.markdown import Markdown

    from experiments.runs.store import Store
    from reports.sections import SECTIONS
    from reports.write import write_report

    store = Store(runs)
    folder = out or runs / "reports" / f"{sweep}.{profile}"
    files = write_report(store, store.load_plan(sweep, profile), folder, pictures=pictures, sections=(*SECTIONS, *own))
    console.print(Markdown(files.summary))
    for path in (files.markdown, files.html, files.latex):
        print_line(path)
    console.print("Every table is in tables/ as CSV, LaTeX and Parquet, every drawing in plots/.")
