"""Calibration and joints: against pycocotools' OKS, and by hand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pycocotools.cocoeval import COCOeval
from scipy import stats

from distilpose.evaluation.average_precision import KeypointTruth, read_truth
from distilpose.evaluation.diagnosis import calibration_bins, diagnose, oks_table

JOINTS = ("head", "hand", "foot")
SIGMAS = (0.03, 0.06, 0.09)


def annotation(number: int, image: int, points: list[float], **more: Any) -> dict[str, Any]:
    box = [0.0, 0.0, 100.0, 200.0]
    return {"id": number, "image_id": image, "category_id": 1, "keypoints": points, "bbox": box, "area": 9000.0, **more}


def truth_of(folder: Path, annotations: list[dict[str, Any]]) -> KeypointTruth:
    images = [{"id": image, "file_name": f"{image}.jpg", "width": 300, "height": 300} for image in (1, 2, 3)]
    person = {"id": 1, "name": "person", "keypoints": list(JOINTS), "skeleton": [], "keypoint_sigmas": list(SIGMAS)}
    file = folder / "truth.json"
    file.write_text(json.dumps({"images": images, "annotations": annotations, "categories": [person]}))
    return read_truth(file, SIGMAS)


def row(image: int, points: list[float], score: float) -> dict[str, Any]:
    return {"image_id": image, "category_id": 1, "keypoints": points, "score": score}


@pytest.fixture
def truth(tmp_path: Path) -> KeypointTruth:
    return truth_of(
        tmp_path,
        [
            annotation(1, 1, [10, 10, 2, 50, 50, 1, 90, 150, 2]),
            annotation(2, 1, [20, 15, 2, 0, 0, 0, 80, 140, 2]),
            annotation(3, 2, [30, 30, 2, 60, 60, 2, 0, 0, 0]),
            annotation(4, 3, [0, 0, 0, 0, 0, 0, 0, 0, 0]),
            annotation(5, 2, [30, 30, 2, 60, 60, 2, 90, 90, 2], iscrowd=1),
        ],
    )


def test_oks_is_cocos(truth: KeypointTruth) -> None:
    rng = np.random.default_rng(0)
    results = [row(1, rng.uniform(0, 160, 9).tolist(), score) for score in (0.9, 0.5, 0.2)]
    evaluation = COCOeval(truth.coco, truth.coco.loadRes([dict(one) for one in results]), "keypoints")
    evaluation.params.kpt_oks_sigmas = np.array(SIGMAS)
    evaluation._prepare()
    oracle = evaluation.computeOks(1, 1)
    people = [one for one in truth.coco.dataset["annotations"] if one["image_id"] == 1]
    ours = oks_table(
        np.array([one["keypoints"] for one in results]).reshape(3, 3, 3)[..., :2],
        np.array([one["keypoints"] for one in people], dtype=np.float64).reshape(2, 3, 3),
        np.array([one["area"] for one in people]),
        SIGMAS,
    )
    assert ours == pytest.approx(oracle, rel=1e-9)


def test_predictions_on_people_count_and_those_on_unlabelled_images_do_not(truth: KeypointTruth) -> None:
    exact = [10, 10, 1, 50, 50, 1, 90, 150, 1]
    found = diagnose([row(1, exact, 0.97), row(2, [9e3] * 9, 0.12), row(3, exact, 0.5)], truth, JOINTS).calibration
    assert found.people == (0, 0, 1, *([0] * 16), 1)
    assert found.oks[19] == pytest.approx(1.0)
    assert found.oks[2] == pytest.approx(0.0)
    assert (found.score[2], found.score[3]) == (0.12, None)
    assert found.spearman is None  # of two predictions


def test_a_joint_is_found_within_a_tenth_of_the_box(truth: KeypointTruth) -> None:
    # The longer side is 200: the head of person 1 is 19 pixels off, its hand 21; person 3 has no prediction.
    found = diagnose([row(1, [10, 29, 1, 50, 71, 1, 90, 150, 1], 0.9)], truth, JOINTS).joints
    assert found.seen == (3, 2, 2)
    assert found.found == pytest.approx((2 / 3, 0.0, 1.0))


def test_no_prediction_at_all_finds_nothing(truth: KeypointTruth) -> None:
    found = diagnose([], truth, JOINTS)
    assert found.calibration.people == (0,) * 20
    assert found.joints.found == (0.0, 0.0, 0.0)


def test_a_joint_that_is_never_labelled_has_no_share(tmp_path: Path) -> None:
    truth = truth_of(tmp_path, [annotation(1, 1, [10, 10, 2, 0, 0, 0, 90, 150, 2])])
    assert diagnose([], truth, JOINTS).joints.found == (0.0, None, 0.0)


def test_scores_beyond_one_fall_into_the_last_bin() -> None:
    found = calibration_bins(np.array([-0.2, 0.5, 1.0, 1.3]), np.array([0.0, 0.4, 0.8, 1.0]), bins=2)
    assert found.people == (1, 3)
    assert found.score == pytest.approx((-0.2, 2.8 / 3))


def test_the_rank_correlation_is_scipys() -> None:
    rng = np.random.default_rng(1)
    scores, oks = rng.integers(0, 6, 50) / 10, rng.uniform(0, 1, 50)
    assert calibration_bins(scores, oks).spearman == pytest.approx(stats.spearmanr(scores, oks).statistic)
    assert calibration_bins(np.ones(50), oks).spearman is None
