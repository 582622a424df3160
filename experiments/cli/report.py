"""`distilpose report`."""

from pathlib import Path
from typing import Annotated

import typer

from experiments.cli.options import RUNS, Out, Profile, Runs, SweepName, console, launched
from experiments.terminal.output import print_line


def report(
    sweep: SweepName,
    profile: Profile = None,
    runs: Runs = RUNS,
    out: Out = None,
    pictures: Annotated[bool, typer.Option(help="Show the people that runs drew.")] = True,
    watch: Annotated[bool, typer.Option(help="Serve the page on this machine while the sweep runs.")] = False,
    port: Annotated[int, typer.Option(help="Where --watch serves it; 0 takes a free one.", min=0, max=65535)] = 0,
) -> None:
    """Write the tables of a launched sweep: Markdown, one HTML page, LaTeX, CSV and Parquet."""
    name, chosen = launched(sweep, profile)
    if not watch:
        write_and_show(runs, name, chosen, out, pictures=pictures)
        return
    if out is not None:
        raise ValueError("--out: a watched report is served and not written, got both; leave one out")
    _watch(runs, name, chosen, port=port, pictures=pictures)


def _watch(runs: Path, sweep: str, profile: str, *, port: int, pictures: bool) -> None:
    """Serve the report until the user stops it."""
    from experiments.runs.store import Store
    from reports.watch import LiveReport, serve

    store = Store(runs)
    store.load_plan(sweep, profile)  # a sweep that was never launched is said now, not on the page

    def announce(address: str) -> None:
        console.print("The report renews itself while the sweep runs; Ctrl-C ends it.")
        print_line(address)

    serve(LiveReport(store, sweep, profile, pictures=pictures), port=port, announce=announce)


def write_and_show(runs: Path, sweep: str, profile: str, out: Path | None, *, pictures: bool = True) -> None:
    """Write the report of a launched sweep, show its table, and print the files."""
    from rich.markdown import Markdown

    from experiments.runs.store import Store
    from reports.write import write_report

    store = Store(runs)
    folder = out or runs / "reports" / f"{sweep}.{profile}"
    files = write_report(store, store.load_plan(sweep, profile).json(), folder, pictures=pictures)
    console.print(Markdown(files.summary))
    for path in (files.markdown, files.html, files.latex):
        print_line(path)
    console.print("Every table is in tables/ as CSV, LaTeX and Parquet, every drawing in plots/.")
