"""Models of mmpose's configurations as rows, students and a teacher, from the plan to the report."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Said
from installed_wheel import Installed
from small_mmpose import write_students

pytest.importorskip("mmpose", reason="the extra mmpose is not installed")

SWEEP = """\
sweep: foreign
title: mmpose's heads
table: rows
metric: PCK@0.2
base:
  student: {model: "mmpose:simcc.py"}
  teacher: {model: "mmpose:heatmap.py"}
  losses: {own: 1}
  input_size: [64, 64]
  data: {synthetic: {train: 16, val: 6, seed: 0}}
  augmentation: {}
  schedule: {epochs: 1, batch_size: 8, warmup_steps: 0, eval_every: 1}
  evaluation: {best_by: PCK@0.2}
rows:
  - {row: simcc}
  - {row: rle, set: {student: {model: "mmpose:rle.py"}}}
  - {row: heatmap, set: {student: {model: "mmpose:heatmap.py"}}}
  - {row: regression, set: {student: {model: "mmpose:regression.py"}, losses: {reg: 1, own: 0}}}
  - {row: taught, set: {student: {model: "timm:mobilenetv3_small_050"}, losses: {reg: 1, SH: 1, own: 0}}}
"""


def test_rows_of_mmpose_from_plan_to_report(
    installed_distilpose: Installed, distilpose: Callable[..., Said], tmp_path: Path
) -> None:
    folder = tmp_path
    write_students(folder)
    (folder / "foreign.yaml").write_text(SWEEP)
    runs = folder / "runs"
    code, out, error = distilpose("plan", folder / "foreign.yaml", "--runs", runs, "--json")
    assert code == 0, error
    ids = {row["name"]: row["runs"][0]["run_id"] for row in json.loads(out)["rows"]}
    place = ("--runs", runs, "--track", "none", "--on", "here")
    code, out, error = installed_distilpose("launch", folder / "foreign.yaml", *place)
    assert code == 0, error + out
    assert distilpose("report", folder / "foreign.yaml", "--runs", runs)[0] == 0
    for run_id in ids.values():
        assert "PCK@0.2" in json.loads((runs / run_id / "result.json").read_text())["metrics"]
    for name in ("simcc", "rle"):
        assert distilpose("eval", ids[name], "--runs", runs)[0] == 0
        code, out, error = distilpose("export", ids[name], "--runs", runs, "--out", tmp_path)
        assert code == 0, error
        onnx = tmp_path / f"{ids[name]}.onnx"
        data = next(folder for folder in (runs / "data").iterdir() if folder.is_dir())
        code, out, error = distilpose("eval", "--weights", onnx, "--data", data, "--runs", runs, "--no-flip")
        assert code == 0, error

    wrong = SWEEP.replace("losses: {own: 1}", "losses: {reg: 1}")
    (folder / "foreign.yaml").write_text(wrong)
    code, out, error = distilpose("plan", folder / "foreign.yaml", "--runs", runs)
    assert (code, "losses.reg: asks for keypoints, which mmpose:simcc.py does not give" in out + error) == (2, True)
