"""A set of each kind from import to a finished run and its report: 17, 16, 14, 26 and 133 joints, and animals."""

import json
from pathlib import Path

import pytest
from made_up_sources import PEOPLE, SOURCES
from typer.testing import CliRunner

from experiments.cli import launch
from experiments.cli.main import app
from experiments.launch.inline import InlineLauncher
from experiments.launch.protocol import Opened

SETS = {"humanart": 17, "mpii": 16, "crowdpose": 14, "halpe": 26, "wholebody": 133, "ap10k": 17}
SWEEP = """\
sweep: sets
title: One row a set
table: rows
metric: PCK@0.2
evaluate_on:
  crowd: {root: crowdpose}
base:
  student: {model: distilpose_s, width: 4, dim: 16, depth: 1, heads: 2}
  losses: {reg: 1}
  input_size: [48, 64]
  data: {root: mpii}
  augmentation: {flip: 0.5}
  schedule: {epochs: 1, batch_size: 6, warmup_steps: 0, eval_every: 1}
  evaluation: {best_by: PCK@0.2}
rows:
"""


def said(*words: str) -> str:
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, f"{words}: {done.output}{done.exception}"
    return done.stdout


def test_a_set_of_each_kind_goes_from_import_to_the_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(launch, "choose", lambda *_, **__: Opened(launcher=InlineLauncher()))
    for kind in SETS:
        SOURCES[kind](tmp_path / "sources" / kind)
        said("data", "import", kind, f"sources/{kind}", kind, *(["--skeleton", "halpe26"] if kind == "halpe" else []))
    rows = [f"  - {{row: {kind}, set: {{data: {{root: {kind}}}}}}}\n" for kind in SETS]
    rows[1] = "  - {row: mpii, set: {data: {root: mpii, sigmas: 0.1}}}\n"
    Path("sets.yaml").write_text(SWEEP + "".join(rows[:-1]))
    said("launch", "sets.yaml", "--wandb", "disabled")
    plan = json.loads(said("plan", "sets.yaml", "--json"))
    runs = {row["name"]: row["runs"][0]["run_id"] for row in plan["rows"]}
    assert {plan["states"][run] for run in runs.values()} == {"finished"}
    for kind, run in runs.items():
        predictions = json.loads((tmp_path / "runs" / run / "predictions.json").read_text())
        assert {len(row["keypoints"]) for row in predictions} == {3 * SETS[kind]}
        measured = json.loads((tmp_path / "runs" / run / "elsewhere.json").read_text())["sets"]["crowd"]
        assert (measured["people"], measured["joints"]) == (PEOPLE, {"crowdpose": 14, "halpe": 13}.get(kind, 12))
    own = json.loads((tmp_path / "runs" / runs["crowdpose"] / "result.json").read_text())["metrics"]
    there = json.loads((tmp_path / "runs" / runs["crowdpose"] / "elsewhere.json").read_text())["sets"]["crowd"]
    assert own == pytest.approx(there["metrics"])
    said("report", "sets.yaml")
    assert "PCK@0.2 on crowd" in (tmp_path / "runs/reports/sets.default/report.md").read_text()

    # A set that is named later is measured on what is finished; animals share no joint with these people.
    Path("sets.yaml").write_text(SWEEP.replace("crowd:", "posed:").replace("crowdpose}", "mpii}") + "".join(rows[:2]))
    assert said("launch", "sets.yaml", "--wandb", "disabled") is not None
    sets = json.loads((tmp_path / "runs" / runs["mpii"] / "elsewhere.json").read_text())["sets"]
    assert sets.keys() == {"crowd", "posed"}
    Path("sets.yaml").write_text(SWEEP.replace("crowdpose}", "mpii}") + rows[-1])
    refused = CliRunner().invoke(app, ["launch", "sets.yaml", "--wandb", "disabled"])
    assert "keypoints: none is one of L_Eye" in str(refused.exception)
    Path("sets.yaml").write_text(SWEEP.replace("  crowd: {root: crowdpose}", "  animals: {root: ap10k}") + rows[-1])
    said("launch", "sets.yaml", "--wandb", "disabled")
