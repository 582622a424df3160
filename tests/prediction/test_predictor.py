"""Poses of one picture's people."""

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from distilpose.data.coco import load_pose_data
from distilpose.data.skeleton import COCO
from distilpose.data.transforms import read_rgb
from distilpose.evaluation.evaluate import evaluate
from distilpose.evaluation.flip import FlipTest
from distilpose.evaluation.protocol import Protocol
from distilpose.models import build_model
from distilpose.models.description import Description
from distilpose.prediction import Boxes, Predictor
from distilpose.prediction.boxes import Frame
from distilpose.prediction.predictor import result_rows
from distilpose.synthetic.dataset import SyntheticSpec, write_synthetic
from distilpose.training.checkpoint import save_weights

SIZE = (96, 64)
SHAPE = {"input_size": SIZE, "width": 4}
TOKENS = {"dim": 16, "depth": 1, "heads": 2}
MODELS = {
    "distilpose_s": {**SHAPE, **TOKENS},
    "base_stemnet": {**SHAPE, **TOKENS},
    "sdpose_t": {**SHAPE, **TOKENS},
    "deeppose_r50": SHAPE,
    "simplebaseline_r50": SHAPE,
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("flip_test", [False, True])
def test_predictions_are_what_evaluation_says_of_the_same_boxes(tmp_path: Path, name: str, flip_test: bool) -> None:
    write_synthetic(SyntheticSpec(train=1, val=2, seed=0), tmp_path / "people")
    data = load_pose_data(tmp_path / "people", "val")
    model = build_model(name, **MODELS[name]).eval()
    expected = evaluate(model, data, input_size=SIZE, protocol=Protocol(flip_test=FlipTest() if flip_test else None))
    predictor = Predictor(model, data.skeleton, SIZE, torch.device("cpu"), flip_test)
    rows = []
    for person in data.people:
        found = predictor.predict(read_rgb(str(person.image)), Boxes(np.array([person.bbox]), np.ones(1)))
        assert found.has_scores == (name not in ("base_stemnet", "deeppose_r50"))
        rows += result_rows(Frame(person.image.name, person.image_id, np.zeros((1, 1, 3), np.uint8)), found)
    for row, known in zip(rows, expected.results, strict=True):
        assert row["image_id"] == known["image_id"]
        np.testing.assert_allclose(row["keypoints"], known["keypoints"], atol=0.02)
        assert row["score"] == pytest.approx(known["score"], abs=1e-5)


def test_of_two_boxes_of_one_person_the_surer_stays() -> None:
    model = build_model("base_stemnet", **MODELS["base_stemnet"]).eval()
    boxes = Boxes(np.array([[5.0, 5, 30, 40], [5.5, 5, 30, 40], [80, 5, 30, 40]]), np.array([0.5, 0.8, 0.3]))
    picture = np.full((60, 120, 3), 90, np.uint8)
    people = Predictor(model, COCO, SIZE, torch.device("cpu")).predict(picture, boxes)
    assert people.scores.tolist() == [0.8, 0.3]


def test_nobody_is_nobody() -> None:
    model = build_model("base_stemnet", **MODELS["base_stemnet"]).eval()
    nobody = Boxes(np.zeros((0, 4)), np.zeros(0))
    people = Predictor(model, COCO, SIZE, torch.device("cpu")).predict(np.zeros((60, 120, 3), np.uint8), nobody)
    assert people.keypoints.shape == (0, 17, 3)


def test_boxes_may_be_lists_and_must_be_four_numbers_and_a_score_each() -> None:
    model = build_model("base_stemnet", **MODELS["base_stemnet"]).eval()
    predictor = Predictor(model, COCO, SIZE, torch.device("cpu"))
    picture = np.full((60, 120, 3), 90, np.uint8)
    assert predictor.predict(picture, Boxes([[5, 5, 30, 40]], [1])).scores.shape == (1,)
    assert predictor.predict(picture, Boxes([], [])).scores.shape == (0,)
    for boxes, scores in (([[5, 5, 30, 40]], []), ([[5, 5, 30, float("nan")]], [1]), ([5, 5, 30], [1])):
        with pytest.raises(ValueError, match=r"box|reshape"):
            predictor.predict(picture, Boxes(boxes, scores))


PAGE = (Path(__file__).resolve().parents[2] / "docs" / "pictures.md").read_text(encoding="utf-8")


def test_the_python_lines_of_the_page_on_pictures_run_as_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    options = {**SHAPE, **TOKENS}
    described = Description(model="distilpose_s", options=options, skeleton=COCO)
    save_weights(tmp_path / "weights.safetensors", described.build(), described.to_metadata())
    cv2.imwrite("picture.jpg", np.full((80, 60, 3), 128, np.uint8))
    (block,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(block, "pictures.md", "exec"), {"__name__": "pictures"})
    assert capsys.readouterr().out.count("[") == 18


def test_a_joint_that_is_no_number_is_far_away_and_scores_nothing() -> None:
    model = build_model("distilpose_s", **MODELS["distilpose_s"]).eval()
    with torch.no_grad():
        model.head.linear.bias[0] = torch.nan
    one = Boxes(np.array([[5.0, 5, 30, 40]]), np.ones(1))
    people = Predictor(model, COCO, SIZE, torch.device("cpu")).predict(np.zeros((60, 120, 3), np.uint8), one)
    assert (people.keypoints == np.array([-1e5, -1e5, 0], np.float32)).all()
    assert people.scores.tolist() == [0]
