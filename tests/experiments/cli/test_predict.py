"""`distilpose predict` as a user types it, on weights that nobody trained."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from distilpose.data.coco import PoseData
from distilpose.models.description import Description
from distilpose.prediction.video import VideoWriter, read_frames
from distilpose.training.checkpoint import save_weights
from experiments.cli.main import main
from experiments.plan.plan import Plan
from experiments.runs.store import Store

Said = tuple[int, str, str]


@pytest.fixture
def plan(runs: tuple[Store, Plan]) -> Plan:
    return runs[1]


@pytest.fixture
def predict(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Callable[..., Said]:
    """The command in this process: its exit code, what it prints, and what it tells the user."""

    def run(*arguments: object) -> Said:
        places = ("--runs", tmp_path / "runs", "--out", tmp_path / "out", "--device", "cpu")
        monkeypatch.setattr(sys, "argv", ["distilpose", "predict", *map(str, (*arguments, *places))])
        with pytest.raises(SystemExit) as ending:
            main()
        said, err = capfd.readouterr()
        return int(ending.value.code or 0), said, " ".join(err.split())

    return run


def _student(plan: Plan, row: str = "all") -> str:
    return next(found for found in plan.rows if found.name == row).runs[0].run_id


def test_pictures_become_results_and_drawings(
    predict: Callable[..., Said], plan: Plan, people: PoseData, tmp_path: Path
) -> None:
    code, said, err = predict(
        people.image_dir,
        *("--weights", _student(plan), "--teacher", plan.teachers[0].run_id, "--attention", "Left Wrist"),
        *("--boxes", people.annotation_file),
    )
    assert (code, said.split()) == (0, [str(tmp_path / "out" / "results.json"), str(tmp_path / "out" / "pictures")])
    rows = json.loads((tmp_path / "out" / "results.json").read_text())
    assert {row["image_id"] for row in rows} == {image.image_id for image in people.images}
    assert all(len(row["keypoints"]) == 51 for row in rows)
    assert "ms a person on cpu" in err
    names = sorted(path.name for path in (tmp_path / "out" / "pictures").iterdir())
    assert [name for name in names if "000001" in name] == [
        "0001-000001.attention-1.png",
        "0001-000001.heatmaps.png",
        "0001-000001.png",
    ]
    for path in (tmp_path / "out" / "pictures").iterdir():
        assert cv2.imread(str(path)).std() > 20


def test_a_video_becomes_a_video_and_rows_by_frame(predict: Callable[..., Said], plan: Plan, tmp_path: Path) -> None:
    video = tmp_path / "my clip.mp4"
    with VideoWriter(video, size=(64, 48), fps=10) as writer:
        for level in (40, 90, 140):
            writer.add(np.full((48, 64, 3), level, np.uint8))
    (tmp_path / "boxes.json").write_text(
        json.dumps([{"image_id": 1, "category_id": 1, "bbox": [4, 4, 30, 40], "score": 0.7}])
    )
    code, said, _ = predict(video, "--weights", _student(plan, "none"), "--boxes", tmp_path / "boxes.json")
    assert code == 0
    drawn, rows = (Path(line) for line in said.split())
    assert drawn.name == "0001-my_clip.mp4"
    assert [row["image_id"] for row in json.loads(rows.read_text())] == [1]
    frames = list(read_frames(drawn))
    assert len(frames) == 3
    assert [frame.std() > 8 for frame in frames] == [False, True, False]  # somebody is drawn on the second alone


def test_broken_files_are_listed_and_the_others_are_done(
    predict: Callable[..., Said], plan: Plan, people: PoseData, tmp_path: Path
) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    whole = people.people[0].image.read_bytes()
    (folder / "whole.jpg").write_bytes(whole)
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.png").touch()
    (folder / "no.mp4").write_bytes(b"no video")
    code, _, err = predict(folder, "--weights", _student(plan))
    assert code == 1
    for name in ("cut.jpg: ends before", "empty.png: is empty", "no.mp4: is no video"):
        assert name in err
    assert [row["file_name"] for row in json.loads((tmp_path / "out" / "results.json").read_text())] == ["whole.jpg"]
    left = {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert left == {"results.json", "0004-whole.png", "0004-whole.heatmaps.png"}


def test_a_bare_file_and_a_model_without_tokens_are_enough(
    predict: Callable[..., Said], people: PoseData, tmp_path: Path
) -> None:
    description = Description(
        model="deeppose_r50", options={"width": 4, "input_size": (64, 64)}, skeleton=people.skeleton
    )
    save_weights(tmp_path / "mine.safetensors", description.build(), description.to_metadata())
    picture = people.people[0].image
    code, _, err = predict(picture, "--weights", tmp_path / "mine.safetensors", "--flip-test")
    assert code == 0
    assert "whole picture is taken for one person" in err
    assert [path.suffixes for path in (tmp_path / "out" / "pictures").iterdir()] == [[".png"]]
    code, _, err = predict(picture, "--weights", tmp_path / "mine.safetensors", "--attention", "nose")
    assert code == 2
    assert "deeppose_r50 has no tokens" in err


@pytest.mark.parametrize("shape", [(1, 3000, 3), (3000, 1, 3), (1, 1, 3)])
def test_a_picture_of_any_shape_is_drawn_in_little_time(
    predict: Callable[..., Said], plan: Plan, tmp_path: Path, shape: tuple[int, int, int]
) -> None:
    cv2.imwrite(str(tmp_path / "thin.png"), np.full(shape, 128, np.uint8))
    began = time.process_time()
    code, _, err = predict(tmp_path / "thin.png", "--weights", _student(plan, "none"))
    assert code == 0, err
    assert time.process_time() - began < 10
    drawn = cv2.imread(str(tmp_path / "out" / "pictures" / "0001-thin.png"))
    assert drawn.size < 10_000_000


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (("--boxes", "b.json", "--detector", "torchvision"), "give one of them"),
        (("--detector", "yolo"), "must be one of torchvision, torchvision:fasterrcnn"),
        (("--attention", "left_wrst"), "did you mean left_wrist?"),
        (("--teacher", "STUDENT"), "must return heatmaps"),
        (("--boxes", "gone.json"), "gone.json: cannot be read: No such file"),
        (("--skeleton", "gone.json"), "gone.json"),
        (("--weights", "0123456789ab"), "there is no such run"),
    ],
)
def test_a_mistake_is_one_message_and_nothing_is_written(
    predict: Callable[..., Said],
    plan: Plan,
    people: PoseData,
    tmp_path: Path,
    arguments: tuple[str, ...],
    rule: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    given = tuple(_student(plan) if value == "STUDENT" else value for value in arguments)
    weights = () if "--weights" in given else ("--weights", _student(plan))
    code, _, err = predict(people.people[0].image, *weights, *given)
    assert code == 2
    assert rule in err
    assert "Traceback" not in err
    assert not (tmp_path / "out").exists()
