"""What each head's run can be used for, as a user types it."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from command_line import Said

SIZES = "width: 4, dim: 16, depth: 2, heads: 2, patch: [4, 4]"
ROWS = {
    "regression": "{student: {head: regression}, losses: {reg: 1}}",
    "heatmap": "{student: {head: heatmap}, losses: {heatmap: 1}}",
    "rle": "{student: {head: rle}, losses: {RLE: 1}}",
    "cycles": f"{{student: {{model: sdpose_s_v1, {SIZES}, head: rle}}, losses: {{RLE: 1}}, circulation: {{KT: 1}}}}",
    "simcc": "{student: {head: simcc}, losses: {SimCC: 1}}",
    "dsnt": "{student: {head: ipr}, losses: {reg: 1, JS: 1}}",
    "ipr": "{student: {head: ipr, beta: 10, debias: true}, losses: {reg: 1, JS: 1}}",
    "prtr": "{student: {model: prtr_r50, width: 4, d_model: 8, layers: 2, nhead: 2, queries: 20}, losses: {PRTR: 1}}",
    "transpose": "{student: {model: transpose_r_a3, width: 4, d_model: 8, layers: 1, nhead: 2}, losses: {heatmap: 1}}",
}
SWEEP = f"""\
sweep: heads
title: Every head
table: rows
metric: PCK@0.2
base:
  student: {{model: distilpose_s, {SIZES}}}
  losses: {{}}
  input_size: [64, 64]
  data: {{synthetic: {{train: 8, val: 4}}}}
  augmentation: {{}}
  schedule: {{epochs: 1, batch_size: 8, warmup_steps: 0, milestones: [], eval_every: 1}}
  evaluation: {{best_by: PCK@0.2}}
rows:
"""


@pytest.fixture
def heads(distilpose: Callable[..., Said], tmp_path: Path) -> dict[str, str]:
    """The run of each row, trained for a step."""
    rows = (f"  - {{row: {name}, set: {recipe}}}\n" for name, recipe in ROWS.items())
    (tmp_path / "heads.yaml").write_text(SWEEP + "".join(rows))
    said = ("launch", tmp_path / "heads.yaml", "--runs", tmp_path / "runs", "--track", "none", "--on", "here")
    code, out, error = distilpose(*said)
    assert code == 0, error + out
    return {json.loads(file.read_text())["row"]: file.parent.name for file in tmp_path.glob("runs/*/run.json")}


def test_it_is_evaluated_predicted_with_exported_and_explained(
    distilpose: Callable[..., Said], heads: dict[str, str], tmp_path: Path
) -> None:
    assert set(heads) == set(ROWS)
    runs = ("--runs", tmp_path / "runs")
    picture = tmp_path / "person.png"
    cv2.imwrite(str(picture), np.random.default_rng(0).integers(0, 255, (90, 60, 3), np.uint8))
    for row, run_id in heads.items():
        recorded = json.loads((tmp_path / "runs" / run_id / "result.json").read_text())["metrics"]
        code, out, error = distilpose("eval", run_id, *runs, "--json")
        assert code == 0, (row, error)
        assert json.loads(out)[0]["metrics"]["PCK@0.2"] == pytest.approx(recorded["PCK@0.2"], abs=1e-6), row

        code, out, error = distilpose("predict", picture, "--weights", run_id, *runs, "--out", tmp_path / row)
        assert code == 0, (row, error)
        (pose,) = json.loads((tmp_path / row / "results.json").read_text())
        assert len(pose["keypoints"]) == 51, row
        assert cv2.imread(str(next((tmp_path / row / "pictures").iterdir()))).std() > 20, row

        if row not in ("cycles", "prtr", "transpose"):  # tests/heads writes every head's files, on tokens where it can
            continue
        code, out, error = distilpose("export", run_id, *runs, "--format", "torch", "--out", tmp_path, "--json")
        assert code == 0, (row, error)
        (exported,) = json.loads(out)["files"]
        assert Path(exported["file"]).is_file(), row
    code, out, error = distilpose("explain", "--sweep", tmp_path / "heads.yaml", *runs)
    assert code == 0, error
    page = Path(out.split()[-1]).read_text()
    assert all(row in page for row in heads)
