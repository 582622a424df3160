"""From COCO's own files to a submission and an exported model, on genuine pictures, by the commands alone."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Said
from small_sweeps import MINI

SWEEP = MINI.replace(
    "data: {synthetic: {train: 16, val: 6, seed: 0}}", "data: {root: data/coco, train: train2017, val: val2017}"
).replace("epochs: 2, batch_size: 8", "epochs: 1, batch_size: 32")
BOXES = "person_detection_results/COCO_val2017_detections_AP_H_56_person.json"


def test_the_whole_path_from_coco_to_a_submission(
    distilpose: Callable[..., Said], tmp_path: Path, coco_mini_dir: Path
) -> None:
    pytest.importorskip("onnx", reason="needs the extra export")
    sweep, runs, place = tmp_path / "mini.yaml", tmp_path / "runs", ("--runs", tmp_path / "runs")
    sweep.write_text(SWEEP)

    code, said, told = distilpose("data", "check", coco_mini_dir, "--json")
    assert code == 0, told
    people = {report["split"]: report["stats"]["people"] for report in json.loads(said)}
    assert people == {"train2017": 86, "val2017": 80}

    on = ("--data", coco_mini_dir, "--track", "none", "--device", "cpu")
    code, _, told = distilpose("launch", sweep, *place, *on, "--on", "here")
    assert code == 0, told
    code, said, _ = distilpose("plan", sweep, *place, "--data", coco_mini_dir, "--json")
    plan = json.loads(said)
    assert set(plan["states"].values()) == {"finished"}
    student = next(row["runs"][0]["run_id"] for row in plan["rows"] if row["name"] == "all")
    teacher = plan["teachers"][0]["run_id"]

    for run_id, boxes, poses in ((student, "gt", 80), (student, coco_mini_dir / BOXES, 278), (teacher, "gt", 80)):
        out = tmp_path / f"{run_id}-{poses}"
        code, said, told = distilpose(
            "eval", run_id, *place, "--boxes", boxes, "--device", "cpu", "--no-suppress", "--out", out, "--json"
        )
        assert code == 0, told
        (record,) = json.loads(said)
        assert (record["people"], record["poses"]) == (poses, poses)
        assert record["metrics"].keys() >= {"AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL"}
        assert ("PCK@0.1" in record["metrics"]) == (boxes == "gt")
        with zipfile.ZipFile(record["files"]["submission"]) as archive:
            (name,) = archive.namelist()
            rows = json.loads(archive.read(name))
        assert name.startswith("person_keypoints_val2017_")
        assert len(rows) == poses
        assert {len(row["keypoints"]) for row in rows} == {51}
    assert json.loads((runs / student / "result.json").read_text())["metrics"].keys() >= {"AP", "PCK@0.1"}

    picture = sorted((coco_mini_dir / "val2017").iterdir())[0]
    code, _, told = distilpose(
        "predict", picture, "--weights", student, *place, "--device", "cpu", "--out", tmp_path / "predicted"
    )
    assert code == 0, told
    kinds = {file.suffix for file in (tmp_path / "predicted").rglob("*") if file.is_file()}
    assert {".json", ".png"} <= kinds

    code, said, told = distilpose("export", student, *place, "--out", tmp_path / "files")
    assert code == 0, told
    assert Path(said.strip()) == tmp_path / "files" / f"{student}.onnx"
