"""Files of a report, all from one set of numbers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from experiments.runs.atomic import write_whole
from experiments.runs.store import Store
from reports.formats.cell_text import markdown_table
from reports.formats.columnar import csv_table, parquet_table
from reports.formats.latex import latex_document, latex_table
from reports.formats.markdown import markdown_report
from reports.formats.page import page_html
from reports.formats.svg import svg_file
from reports.layouts.results import sweep_table
from reports.numbers.aggregate import aggregate
from reports.numbers.sweep_numbers import SweepNumbers
from reports.numbers.verdict import verdict
from reports.sections import SECTIONS, SectionMaker, drawings_of, make_sections, tables_of

TABLES, PLOTS = "tables", "plots"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFiles:
    """Where the parts of a report lie, and what it says in short: one sentence and the table, in Markdown.

    `tables` are the CSV, LaTeX and Parquet files of every table, `drawings` the SVG files.
    """

    summary: str
    markdown: Path
    html: Path
    latex: Path
    tables: tuple[Path, ...]
    drawings: tuple[Path, ...]


def without_pictures(numbers: SweepNumbers) -> SweepNumbers:
    """The same numbers with nothing that was drawn of people."""
    return replace(
        numbers,
        rows=tuple(replace(row, pictures=()) for row in numbers.rows),
        teachers=tuple(replace(teacher, pictures=()) for teacher in numbers.teachers),
    )


def write_report(
    store: Store,
    plan: Mapping[str, Any],
    out_dir: Path | str,
    *,
    pictures: bool = True,
    sections: Sequence[SectionMaker] = SECTIONS,
) -> ReportFiles:
    """Write the report of a planned sweep: report.md, report.html, report.tex, and a folder each of tables and plots.

    The same store gives the same bytes. Files of an earlier report in the folder are replaced.

    Args:
        store: the run directories.
        plan: the saved plan of the sweep, as JSON.
        out_dir: the folder, made where it is missing.
        pictures: show what runs drew of people; without, the page can be passed on where the people's pictures may not.
        sections: what the report is made of.
    """
    folder = Path(out_dir)
    numbers = aggregate(store, plan)
    if not pictures:
        numbers = without_pictures(numbers)
    parts = make_sections(numbers, sections)
    tables = {f"{TABLES}/{table.name}": table for table in tables_of(parts)}
    drawings = {f"{PLOTS}/{drawing.name}.svg": drawing for drawing in drawings_of(parts)}
    texts = {
        "report.md": markdown_report(numbers, parts, drawings=PLOTS),
        "report.html": page_html(numbers, parts),
        "report.tex": latex_document(numbers.title, [f"{stem}.tex" for stem in tables]),
        **{f"{stem}.csv": csv_table(table) for stem, table in tables.items()},
        **{f"{stem}.tex": latex_table(table) for stem, table in tables.items()},
        **{name: svg_file(drawing.svg) for name, drawing in drawings.items()},
    }
    for name, text in texts.items():
        write_whole(folder / name, text)
    for stem, table in tables.items():
        write_whole(folder / f"{stem}.parquet", parquet_table(table))
    return ReportFiles(
        summary=f"{verdict(numbers).headline}\n\n{markdown_table(sweep_table(numbers))}",
        markdown=folder / "report.md",
        html=folder / "report.html",
        latex=folder / "report.tex",
        tables=tuple(folder / f"{stem}.{kind}" for stem in tables for kind in ("csv", "tex", "parquet")),
        drawings=tuple(folder / name for name in drawings),
    )
