"""The LaTeX of a report: compiled by a real pdfLaTeX, where the system has one."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from made_up_store import HOSTILE

from experiments.runs.saved_plan import SavedPlan, TableChoices
from experiments.runs.store import Store
from reports.formats.cells import text
from reports.formats.latex import escape_latex, latex_document
from reports.formats.table import Column, Table, fill
from reports.numbers.sweep import aggregate
from reports.sections import make_sections
from reports.sections.comparison import dev_table, val_table
from reports.sections.publication import publication_table
from reports.sections.tests import significance_table

Sweep = tuple[Store, SavedPlan]
PDFLATEX = shutil.which("pdflatex")
needs_pdflatex = pytest.mark.skipif(
    PDFLATEX is None, reason="no pdfLaTeX here: apt-get install texlive-latex-base texlive-latex-recommended"
)


def compiled(folder: Path, tables: list[Table]) -> str:
    """The log of compiling a document of these tables; a warning about boxes that stick out is an error."""
    for table in tables:
        (folder / f"{table.name}.tex").write_text(table.latex(), encoding="utf-8")
    names = [f"{table.name}.tex" for table in tables]
    (folder / "report.tex").write_text(latex_document("Names & <numbers>", names), encoding="utf-8")
    assert PDFLATEX is not None
    done = subprocess.run(
        [PDFLATEX, "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "report.tex"],
        cwd=folder, capture_output=True, text=True, check=False, timeout=120, errors="replace",
    )  # fmt: skip
    log = done.stdout
    assert done.returncode == 0, log[-3000:]
    assert "Missing character" not in log
    assert not [line for line in log.splitlines() if line.startswith("Overfull \\hbox")], log
    return log


@needs_pdflatex
def test_every_table_of_a_report_compiles(hostile: Sweep, tmp_path: Path) -> None:
    store, plan = hostile
    numbers = aggregate(store, plan)
    blocks = [block for section in make_sections(numbers) for block in section.blocks]
    tables = [
        *(block for block in blocks if isinstance(block, Table)),
        significance_table(numbers),
        val_table(numbers),
        dev_table(),
    ]
    assert {"results", "tests", "additions", "paper", "val2017", "test-dev2017"} <= {table.name for table in tables}
    compiled(tmp_path, tables)
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


@needs_pdflatex
def test_the_table_for_a_paper_compiles_with_every_choice_beside_that_of_another_sweep(
    hostile: Sweep, tmp_path: Path
) -> None:
    store, plan = hostile
    chosen = TableChoices(
        columns=("losses", "seeds", "AP", "last epoch", "improvement", "p", "paper", "paper improvement", "params"),
        caption=HOSTILE,
        spread="interval",
    )
    other = replace(publication_table(aggregate(store, replace(plan, profile="lspet")), TableChoices()), name="other")
    log = compiled(tmp_path, [publication_table(aggregate(store, plan), chosen), other])
    assert "multiply defined" not in log


@needs_pdflatex
def test_any_letter_compiles(tmp_path: Path) -> None:
    letters = "".join(map(chr, range(0x20, 0x180))) + "−±×ρ≤≥→✓°“”‘’–—…中\U0001f600"
    cells = [letters[start : start + 40] for start in range(0, len(letters), 40)]
    compiled(tmp_path, [fill([Column(letters[:9], text)], cells, name="letters", caption=letters[:60])])


def test_a_letter_that_pdflatex_does_not_know_becomes_its_number() -> None:
    assert escape_latex("中") == "U+4E2D"
