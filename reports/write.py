"""Files of a report, all from one set of numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.runs.atomic import write_whole
from experiments.runs.saved_plan import SavedPlan, TableChoices
from experiments.runs.store import Store
from reports.formats.latex import latex_document
from reports.formats.page import markdown_report, page_html
from reports.numbers.sweep import aggregate
from reports.read.reader import RunReader
from reports.sections import SECTIONS, SectionMaker, make_sections
from reports.sections.publication import publication_table
from reports.sections.verdict import opening


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportFiles:
    """Where the parts of a report lie, and its summary: one sentence and the table for a paper, in Markdown.

    `parts` are the files of every table (CSV, LaTeX, Parquet) and drawing (SVG).
    """

    summary: str
    markdown: Path
    html: Path
    latex: Path
    paper: Path
    parts: tuple[Path, ...]


def write_report(
    store: Store,
    plan: SavedPlan,
    out_dir: Path | str,
    *,
    pictures: bool = True,
    sections: Sequence[SectionMaker] = SECTIONS,
    reader: RunReader | None = None,
) -> ReportFiles:
    """Write the report of a planned sweep: report.md, report.html, report.tex, and a folder each of tables and plots.

    The same store gives the same bytes. Files of an earlier report in the folder are replaced.

    Args:
        store: the run directories.
        plan: the saved plan of the sweep.
        out_dir: the folder, made where it is missing.
        pictures: show what runs drew of people; without, the page can be passed on where the people's pictures may not.
        sections: of the report.
        reader: of the runs, where they are in other stores too.
    """
    folder = Path(out_dir)
    numbers = aggregate(store, plan, reader)
    first, made = opening(numbers), make_sections(numbers, sections, people=pictures)
    blocks = [block for section in made for block in section.blocks]
    chosen = publication_table(numbers, plan.report or TableChoices())
    parts = {name: content for block in (chosen, *blocks) for name, content in block.files().items()}
    whole = {
        "report.md": markdown_report(first, made),
        "report.html": page_html(first, made),
        "report.tex": latex_document(first.title, [name for name in parts if name.endswith(".tex")]),
    }
    for name, content in {**whole, **parts}.items():
        write_whole(folder / name, content)
    return ReportFiles(
        summary=f"{first.headline}\n\n{chosen.markdown(captioned=False)}",
        markdown=folder / "report.md",
        html=folder / "report.html",
        latex=folder / "report.tex",
        paper=folder / "tables" / "publication.tex",
        parts=tuple(folder / name for name in parts),
    )
