"""`distilpose report`."""

from pathlib import Path
from typing import Annotated

import typer

from experiments.commands.options import RUNS, Out, Profile, Runs, SweepName, console, launched


def report(
    sweep: SweepName,
    profile: Profile = None,
    runs: Runs = RUNS,
    out: Out = None,
    pictures: Annotated[bool, typer.Option(help="Show the people that runs drew.")] = True,
) -> None:
    """Write the table of a launched sweep: Markdown, one HTML page, LaTeX and CSV."""
    name, chosen = launched(sweep, profile)
    write_and_show(runs, name, chosen, out, pictures=pictures)


def write_and_show(runs: Path, sweep: str, profile: str, out: Path | None, *, pictures: bool = True) -> None:
    """Write the report of a launched sweep, show its table, and print the files."""
    from rich.markdown import Markdown

    from experiments.store import Store
    from reports.write import write_report

    store = Store(runs)
    folder = out or runs / "reports" / f"{sweep}.{profile}"
    files = write_report(store, store.load_plan(sweep, profile), folder, pictures=pictures)
    console.print(Markdown(files.summary))
    for path in (files.markdown, files.html, files.latex, files.csv):
        print(path)
