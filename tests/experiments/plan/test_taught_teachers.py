"""A teacher with losses of its own teaches by what its head gives."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Said

SWEEP = """\
sweep: taught
title: A teacher of another head
table: rows
base:
  student: {model: distilpose_s, width: 4, dim: 16, depth: 1, heads: 2, patch: [4, 4], head: simcc}
  teacher: {model: tokenpose_s, width: 4, dim: 16, depth: 1, heads: 2, patch: [4, 4], head: simcc, losses: {SimCC: 1}}
  losses: {SimCC: 1}
  input_size: [64, 64]
  data: {synthetic: {train: 8, val: 4}}
  augmentation: {}
  schedule: {epochs: 1, batch_size: 8, warmup_steps: 0, milestones: [], eval_every: 1}
  evaluation: {best_by: PCK@0.2}
rows:
  - {row: SimCC}
  - {row: DWPose, set: {losses: {DWPose: 1}}}
"""


def test_a_simcc_teacher_is_trained_and_teaches(distilpose: Callable[..., Said], tmp_path: Path) -> None:
    (tmp_path / "taught.yaml").write_text(SWEEP)
    code, out, error = distilpose("launch", tmp_path / "taught.yaml", "--runs", tmp_path / "runs", "--track", "none")
    assert code == 0, error + out
    runs = [json.loads(file.read_text()) for file in tmp_path.glob("runs/*/run.json")]
    trained = sorted((run["role"], *sorted(run["recipe"]["losses"])) for run in runs)
    assert trained == [("student", "DWPose", "SimCC"), ("student", "SimCC"), ("teacher", "SimCC")]
    (journal,) = [
        file.with_name("journal.jsonl").read_text()
        for file in tmp_path.glob("runs/*/run.json")
        if "DWPose" in file.read_text()
    ]
    assert "train/loss_DWPose" in journal


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (", losses: {SimCC: 1}}", "}", "teacher.head: must be heatmap, for a teacher without losses learns heatmaps"),
        (
            "head: simcc, losses: {SimCC: 1}}",
            "head: simcc, losses: {reg: 1}}",
            "teacher.losses.reg: asks for keypoints",
        ),
        ("{SimCC: 1}}", "{SimCC: 1, DWPose: 1}}", "teacher.losses.DWPose: needs a teacher, and a teacher has none"),
        ("{SimCC: 1}}", "{SimCCs: 1}}", "taught.yaml:6:117: teacher.losses.SimCCs: "),
        ("losses: {DWPose: 1}", "losses: {FPD: 1}", "losses.FPD: asks for "),
    ],
)
def test_what_is_wrong_with_its_losses_is_told(
    distilpose: Callable[..., Said], tmp_path: Path, old: str, new: str, told: str
) -> None:
    (tmp_path / "taught.yaml").write_text(SWEEP.replace(old, new))
    code, out, error = distilpose("plan", tmp_path / "taught.yaml", "--runs", tmp_path / "runs")
    assert (code, told in error) == (2, True), error + out
