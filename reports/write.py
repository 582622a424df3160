"""Files of a report, all from one set of numbers."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from experiments.store import Store
from reports import plots
from reports.aggregate import aggregate
from reports.markdown import markdown_report
from reports.page import page_html
from reports.records import SweepNumbers
from reports.renderers import csv_table, latex_table, markdown_table
from reports.tables import runs_table, sweep_table
from reports.vector import svg_file
from reports.verdict import verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFiles:
    """Where the parts of a report lie, and what it says in short: one sentence and the table, in Markdown."""

    summary: str
    markdown: Path
    html: Path
    csv: Path
    runs_csv: Path
    latex: Path
    drawings: tuple[Path, ...]


def _drawings(numbers: SweepNumbers) -> dict[str, tuple[str, str]]:
    """For each file name its SVG and its caption."""
    found = {}
    figure = plots.effect_figure(numbers)
    if figure is not None:
        found["effects.svg"] = (svg_file(figure, "effects"), plots.effect_caption(numbers))
    for name in plots.curve_names(numbers):
        figure = plots.curves_figure(numbers, name)
        assert figure is not None, "curve_names gives only metrics that some row has"
        short = "".join(letter if letter.isalnum() else "-" for letter in name.partition("/")[2].lower())
        found[f"curves-{short}.svg"] = (svg_file(figure, name), plots.curves_caption(numbers, name))
    return found


def without_pictures(numbers: SweepNumbers) -> SweepNumbers:
    """The same numbers with nothing that was drawn of people."""
    return replace(
        numbers,
        rows=tuple(replace(row, pictures=()) for row in numbers.rows),
        teachers=tuple(replace(teacher, pictures=()) for teacher in numbers.teachers),
    )


def write_report(store: Store, plan: Mapping[str, Any], out_dir: Path | str, *, pictures: bool = True) -> ReportFiles:
    """Write the report of a planned sweep: report.md, report.html, table.csv, runs.csv, table.tex and drawings.

    The same store gives the same bytes. Files of an earlier report in the folder are replaced.

    Args:
        store: the run directories.
        plan: the saved plan of the sweep, as JSON.
        out_dir: the folder, made where it is missing.
        pictures: show what runs drew of people; without, the page can be passed on where the people's pictures may not.
    """
    folder = Path(out_dir)
    folder.mkdir(parents=True, exist_ok=True)
    numbers = aggregate(store, plan)
    if not pictures:
        numbers = without_pictures(numbers)
    drawings = _drawings(numbers)
    table, runs = sweep_table(numbers), runs_table(numbers)
    files = ReportFiles(
        summary=f"{verdict(numbers).headline}\n\n{markdown_table(table)}",
        markdown=folder / "report.md",
        html=folder / "report.html",
        csv=folder / "table.csv",
        runs_csv=folder / "runs.csv",
        latex=folder / "table.tex",
        drawings=tuple(folder / name for name in drawings),
    )
    captions = {name: caption for name, (_, caption) in drawings.items()}
    texts = {
        files.markdown: markdown_report(numbers, captions),
        files.html: page_html(numbers),
        files.csv: csv_table(table),
        files.runs_csv: csv_table(runs),
        files.latex: latex_table(table),
        **{folder / name: svg for name, (svg, _) in drawings.items()},
    }
    for path, text in texts.items():
        path.write_text(text, encoding="utf-8")
    return files
