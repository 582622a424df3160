"""The page on adding things, executed as it stands."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "extending.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(python|yaml|sh)(?: file=(\S+))?\n(.*?)```", PAGE, re.DOTALL)
COMMAND = (sys.executable, "-P", "-m", "experiments.cli.main")


def test_every_addition_is_under_50_lines() -> None:
    assert {kind for kind, file, _ in BLOCKS if not file} == {"python", "sh"}
    assert all(block.count("\n") < 50 for _, _, block in BLOCKS)


def test_the_page_runs_as_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
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
            done = subprocess.run([*COMMAND, *shlex.split(line)[1:]], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
    assert capsys.readouterr().out.count("'PCK@0.2'") == 4
    assert "averaged" in Path("runs/reports/ways.default/report.md").read_text()
    assert "limbs squared" in Path("runs/reports/mine.default/report.md").read_text()
    assert "own trunk" in Path("runs/reports/models.default/report.md").read_text()
