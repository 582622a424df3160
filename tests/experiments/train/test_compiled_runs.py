"""A row trains by `torch.compile` where its recipe says so."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from command_line import Said
from small_sweeps import MINI

from distilpose.training import compiled

ROWS = """\
  - {row: all, paper: {AP: 71.6}}
  - {row: all compiled, set: {compile: true}}
  - {row: none compiled, set: {compile: true, losses: {KT: 0, VT: 0, SH: 0, CS: 0}}}
"""


def test_compiled_rows_are_runs_and_a_cohort_of_their_own(
    distilpose: Callable[..., Said], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch._dynamo.reset()
    monkeypatch.setattr(compiled, "BACKEND", "aot_eager")
    text = MINI.replace("  - {row: all, paper: {AP: 71.6}}\n", ROWS)
    assert text.count("teacher: {") == 1
    (tmp_path / "mini.yaml").write_text(text.replace("teacher: {", "teacher: {compile: false, "))
    runs = tmp_path / "runs"
    said = ("launch", tmp_path / "mini.yaml", "--runs", runs, "--track", "none", "--on", "here")
    code, out, error = distilpose(*said)
    assert code == 0, error + out
    assert "5 runs in 3 cohorts" in error + out
    specs = [json.loads(file.read_text()) for file in runs.glob("*/run.json")]
    assert {spec["row"]: spec["identity"].get("compile") for spec in specs} == {
        None: None, "none": None, "all": None, "all compiled": True, "none compiled": True
    }  # fmt: skip
    assert all((runs / spec["run_id"] / "result.json").exists() for spec in specs)
    torch._dynamo.reset()
