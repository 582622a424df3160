"""The page on adding things, executed as it stands."""

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "extending.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_every_addition_is_under_50_lines() -> None:
    assert len(BLOCKS) == 5  # what all share, and a loss, a student, a teacher, a data set
    assert all(block.count("\n") < 50 for block in BLOCKS)


def test_the_page_runs_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": "extending"}
    for block in BLOCKS:
        exec(compile(block, "extending.md", "exec"), names)
    assert capsys.readouterr().out.count("'PCK@0.2'") == 5
