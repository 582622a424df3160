"""A user's own section, and the example of the documentation."""

import re
from pathlib import Path

import pytest

from experiments.cli.report import own_section
from experiments.runs.saved_plan import SavedPlan
from experiments.runs.store import Store
from reports.sections import SECTIONS, make_sections
from reports.sections.results import results
from reports.write import write_report

Sweep = tuple[Store, SavedPlan]
DOCS = Path(__file__).resolve().parents[2] / "docs" / "reports.md"


def test_the_documented_section_is_in_every_format(
    own_store: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    (tmp_path / "mine.py").write_text(example)
    monkeypatch.chdir(tmp_path)
    files = write_report(*own_store, tmp_path / "report", sections=(*SECTIONS[:1], own_section("mine.py:gaps")))
    assert "## Gaps between seeds" in files.markdown.read_text()
    assert 'id="table-gaps"' in files.html.read_text()
    assert "tables/gaps.tex" in files.latex.read_text()
    assert (tmp_path / "report/tables/gaps.csv").read_text().splitlines()[0] == "row,seeds: gap"


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        ("", "must define 'mine'"),
        ("def mine(numbers): return 1 / 0", "failed: ZeroDivisionError: division by zero"),
        ("def mine(numbers): return 'words'", "must return a reports.formats.page.Section or None, got str"),
        ("mine = 3", "failed: TypeError"),
    ],
)
def test_a_section_that_is_none_is_refused_by_name(
    own_store: Sweep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, fault: str
) -> None:
    (tmp_path / "mine.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=f"--section: .*{fault}"):
        write_report(*own_store, tmp_path / "report", sections=[own_section("mine.py:mine")])


def test_two_sections_of_one_name_are_refused(complete_numbers: object) -> None:
    with pytest.raises(ValueError, match="two sections have the key 'results'"):
        make_sections(complete_numbers, [results, results])  # type: ignore[arg-type]
