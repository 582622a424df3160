"""The LaTeX of a report: compiled by a real pdfLaTeX, where the system has one."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from experiments.runs.store import Store
from reports.formats.latex import escape_latex, latex_document, latex_table
from reports.formats.tables import Column, Table, Text
from reports.numbers.aggregate import aggregate
from reports.sections import SECTIONS, comparison, make_sections, tables_of

Sweep = tuple[Store, dict[str, Any]]
PDFLATEX = shutil.which("pdflatex")
needs_pdflatex = pytest.mark.skipif(
    PDFLATEX is None, reason="no pdfLaTeX here: apt-get install texlive-latex-base texlive-latex-recommended"
)


def compiled(folder: Path, tables: list[Table]) -> str:
    """The log of compiling a document of these tables; a warning about boxes that stick out is an error."""
    for table in tables:
        (folder / f"{table.name}.tex").write_text(latex_table(table), encoding="utf-8")
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
    tables = list(tables_of(make_sections(aggregate(store, plan), (*SECTIONS, comparison_anyway))))
    assert {"results", "tests", "additions", "paper", "val2017", "test-dev2017"} <= {table.name for table in tables}
    compiled(tmp_path, tables)
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


def comparison_anyway(numbers: Any) -> Any:
    """The published comparison, whatever data the sweep has."""
    from dataclasses import replace

    return comparison(replace(numbers, as_published=True))


@needs_pdflatex
def test_any_letter_compiles(tmp_path: Path) -> None:
    letters = "".join(map(chr, range(0x20, 0x180))) + "−±×ρ≤≥→✓°“”‘’–—…中\U0001f600"
    cells = [letters[start : start + 40] for start in range(0, len(letters), 40)]
    rows = tuple((Text(cell),) for cell in cells)
    table = Table(name="letters", caption=letters[:60], columns=(Column(title=letters[:9]),), rows=rows)
    compiled(tmp_path, [table])


def test_a_letter_that_pdflatex_does_not_know_becomes_its_number() -> None:
    assert escape_latex("中") == "U+4E2D"
