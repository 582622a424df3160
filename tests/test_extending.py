"""The page on adding things, executed as it stands: its commands are those of the installed wheel."""

import re
import shlex
from pathlib import Path

import pytest
from installed_wheel import Installed

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "extending.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(python|yaml|sh)(?: file=(\S+))?\n(.*?)```", PAGE, re.DOTALL)


def test_every_addition_is_under_50_lines() -> None:
    assert {kind for kind, file, _ in BLOCKS if not file} == {"python", "sh"}
    assert all(block.count("\n") < 50 for _, _, block in BLOCKS)


def test_the_page_runs_as_it_stands(
    installed_distilpose: Installed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    names: dict[str, object] = {"__name__": "extending"}
    for kind, file, block in BLOCKS:
        if file:
            Path(file).write_text(block)
        elif kind == "python":
            exec(compile(block, "extending.md", "exec"), names)
        for line in block.splitlines() if kind == "sh" else ():
            command = shlex.split(line)[1:]  # its trainings in its own process, which saves starting many
            code, _, error = installed_distilpose(*command, *(["--on", "here"] if command[0] == "launch" else []))
            assert code == 0, error
    assert capsys.readouterr().out.count("'PCK@0.2'") == 4
    assert "epe" in Path("runs/reports/pixels.default/report.md").read_text()
    assert "averaged" in Path("runs/reports/ways.default/report.md").read_text()
    assert "limbs squared" in Path("runs/reports/mine.default/report.md").read_text()
    assert "own trunk" in Path("runs/reports/models.default/report.md").read_text()
