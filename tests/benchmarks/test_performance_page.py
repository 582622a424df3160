"""The page of figures, and what is kept beside it."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks.measure import Figure
from benchmarks.page import keep, section_of

FACTS: dict[str, Any] = {
    "date": "2030-01-02", "device": "cpu", "cpu": "a CPU", "gpu": None, "threads": 2, "packages": {"torch": "9.9"},
    "python": "3.11", "commit": "0123456789", "dirty": False,
}  # fmt: skip


def section(*figures: Figure, **facts: Any) -> dict[str, Any]:
    return section_of(figures, FACTS | facts)


def test_a_section_takes_the_place_of_its_last_one_and_the_others_stay(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    keep(page, "students", section(Figure(what="earlier", against="it", ratios=(1.0,))))
    keep(page, "step", section(Figure(what="beside", against="it", ratios=(1.0,))))
    keep(page, "students", section(Figure(what="later", against="it", ratios=(1.0,))))
    text = page.read_text()
    assert "earlier" not in text
    assert text.index("## step") < text.index("beside") < text.index("## students") < text.index("later")


def test_a_row_has_its_spread_its_n_and_whether_the_aim_was_missed(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    figures = [Figure(what="a|b", against="c", ratios=(1.0, 2.0, 4.0), aim=aim, note="1 s") for aim in (1.5, 3.0)]
    keep(page, "step", section(*figures))
    rows = [line for line in page.read_text().splitlines() if line.startswith("| a/b")]
    assert rows == ["| a/b | c | 2 | 1 to 4 | 3 | 1.5 | 1 s |", "| a/b | c | 2 | 1 to 4 | 3 | 3, missed | 1 s |"]


def test_the_machine_and_the_code_are_named(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    keep(page, "step", section())
    keep(page, "cohort", section(device="cuda:0", gpu="a GPU", dirty=True))
    text = page.read_text()
    assert "2030-01-02, a CPU, 2 threads, torch 9.9, Python 3.11, commit 0123456." in text
    assert "2030-01-02, a GPU, torch 9.9, Python 3.11, commit 0123456, changed." in text


@pytest.mark.parametrize("content", ["{", "[]", '{"step": {"facts": {}}}'])
def test_what_is_not_kept_figures_is_left_alone_with_one_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "performance.json").write_text(content)
    with pytest.raises(ValueError, match=r"performance\.json: must be figures kept by"):
        keep(tmp_path / "performance.md", "step", section())
    assert (tmp_path / "performance.json").read_text() == content
    assert not (tmp_path / "performance.md").exists()
