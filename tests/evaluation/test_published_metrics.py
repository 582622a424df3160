"""The metrics of published sets on people few enough to be counted by hand, and where data lack what they need."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distilpose.data.coco import PoseData, load_pose_data
from distilpose.data.library import find_skeleton
from distilpose.data.skeleton import COCO, category_of
from distilpose.evaluation.average_precision import split_truth
from distilpose.evaluation.boxes import detected_people
from distilpose.evaluation.measure import given_by_data, given_to_metrics, measure
from distilpose.evaluation.metrics import DATA_ASKS, METRICS, lacking, metric_of
from distilpose.evaluation.pckh import pckh
from distilpose.evaluation.pixels import auc, epe

KINDS = {1: "cat", 2: "dog", 3: "nobody"}


@pytest.fixture
def animals(tmp_path: Path) -> PoseData:
    """A cat and three dogs, a picture each: of crowd index 0.1, 0.5 and 0.6, the last without; the cat has no face."""
    people: list[dict[str, Any]] = []
    for number, kind in enumerate((1, 2, 2, 2)):
        points = np.arange(34).reshape(17, 2) * 3.0 + 10
        flags = np.where((np.arange(17) < 5) & (kind == 1), 0, 2)
        flat = np.column_stack([points * (flags[:, None] > 0), flags]).ravel().tolist()
        more = {"head_size": 10.0} if number else {}
        people.append(
            {"id": number, "image_id": number, "category_id": kind, "bbox": [5, 5, 110, 110], "area": 9000.0,
             "iscrowd": 0, "keypoints": flat, "num_keypoints": int((flags > 0).sum()), **more}
        )  # fmt: skip
    images = [{"id": n, "file_name": f"{n}.jpg", "width": 128, "height": 128} for n in range(4)]
    images = [
        {**row, **({"crowdIndex": index} if index else {})}
        for row, index in zip(images, (0.1, 0.5, 0.6, None), strict=True)
    ]
    skeleton = replace(COCO, parts=(("face", (0, 1, 2, 3, 4)), ("legs", (13, 14, 15, 16))))
    categories = [{**category_of(skeleton), "id": n, "name": name} for n, name in KINDS.items()]
    (tmp_path / "annotations").mkdir()
    (tmp_path / "images" / "val").mkdir(parents=True)
    content = {"images": images, "annotations": people, "categories": categories}
    (tmp_path / "annotations" / "val.json").write_text(json.dumps(content))
    return load_pose_data(tmp_path, "val")


def measured(data: PoseData, missed: int, *names: str) -> dict[str, float]:
    """Everybody found but one, who is found far off with the lowest score."""
    keypoints = np.stack([person.keypoints for person in data.people])
    keypoints[..., 2] = np.linspace(1, 0.9, len(keypoints))[:, None]
    keypoints[missed, :, :2] += 500
    keypoints[missed, :, 2] = 0.1
    results = [
        {
            "image_id": one.image_id,
            "category_id": one.category_id,
            "keypoints": found.ravel().tolist(),
            "score": float(found[0, 2]),
        }
        for one, found in zip(data.people, keypoints, strict=True)
    ]
    given = given_to_metrics(data, keypoints=keypoints, results=results, truth=split_truth(data))
    return measure(given, [metric_of(name) for name in names])


def test_a_rare_kind_weighs_as_a_common_one_and_one_of_nobody_does_not_count(animals: PoseData) -> None:
    assert measured(animals, 0)["AP-categories"] == pytest.approx(0.5)
    assert measured(animals, 0)["AP50"] == pytest.approx(0.75, abs=0.05)


def test_a_picture_is_easy_medium_or_hard_and_one_without_an_index_none_of_these(animals: PoseData) -> None:
    last, third = measured(animals, 3), measured(animals, 2)
    assert (last["AP-easy"], last["AP-medium"]) == pytest.approx((1, 1))
    assert (third["AP-easy"], third["AP-medium"]) == pytest.approx((1, 0.505), abs=0.01)
    assert "AP-hard" not in last


def test_a_part_is_scored_by_its_joints_and_whoever_has_none_of_them_labelled_is_ignored(animals: PoseData) -> None:
    missed_cat = measured(animals, 0, "AP-parts")
    assert missed_cat["AP-parts.face"] == pytest.approx(1)
    assert missed_cat["AP-parts.legs"] == missed_cat["AP-parts"] < 1
    assert "AP-parts" not in measured(animals, 0)


def test_whoever_has_no_head_size_does_not_count(animals: PoseData) -> None:
    assert measured(animals, 0)["PCKh@0.5"] == 1
    assert measured(animals, 1)["PCKh@0.5"] == pytest.approx(2 / 3)


def test_pckh_leaves_out_pelvis_and_thorax_and_a_part_is_the_mean_of_its_joints() -> None:
    skeleton = find_skeleton("mpii")
    true, visible = np.zeros((2, 16, 2)), np.ones((2, 16))
    found = true.copy()
    for name in ("pelvis", "thorax"):
        found[:, skeleton.find(name)] = 99
    found[:, skeleton.find("head_top"), 0] = 5, 5.01
    found[0, skeleton.find("left_wrist")] = 99
    visible[1, skeleton.find("left_wrist")] = 0
    shares = pckh(found, true, visible, np.array([10.0, 10.0]), skeleton)
    assert shares["mean"] == pytest.approx(25 / 27)
    assert (shares["head"], shares["wrist"], shares["knee"]) == (0.5, 0.5, 1)
    nobody = pckh(found, true, visible, np.array([np.nan, np.nan]), skeleton)
    assert np.isnan(list(nobody.values())).all()


def test_epe_and_auc_by_hand() -> None:
    true, found = np.zeros((1, 3, 2)), np.array([[[0.0, 0], [6, 8], [900, 0]]])
    visible = np.array([[1.0, 1, 0]])
    assert epe(found, true, visible) == 5
    assert auc(found, true, visible, steps=3) == pytest.approx((2 / 3 + 1 / 3) / 2)
    assert np.isnan([epe(found, true, 0 * visible), auc(found, true, 0 * visible)]).all()


def test_what_data_lack_is_said_in_words(animals: PoseData) -> None:
    assert given_by_data(animals).keys() == DATA_ASKS.keys()
    bare = replace(
        animals,
        people=tuple(replace(person, head_size=None) for person in animals.people),
        images=tuple(image._replace(crowd_index=None) for image in animals.images),
        categories={1: "cat"},
        skeleton=COCO,
    )
    assert given_by_data(bare) == {}
    lacks = {name for name in METRICS if lacking(metric_of(name), given_by_data(bare))}
    assert lacks == {"PCKh@0.5", "PCKh@0.1", "AP-easy", "AP-medium", "AP-hard", "AP-categories", "AP-parts"}
    assert lacking(metric_of("PCKh@0.5"), ()) == "people with head_size"
    assert not lacks & measured(bare, 0).keys()


def test_a_detectors_boxes_of_every_kind_are_kept_with_their_kind(animals: PoseData, tmp_path: Path) -> None:
    rows = [{"image_id": 0, "category_id": kind, "bbox": [1, 1, 9, 9], "score": 0.5} for kind in (1, 2, 9)]
    (tmp_path / "boxes.json").write_text(json.dumps(rows))
    people, _ = detected_people(animals, tmp_path / "boxes.json")
    assert [person.category_id for person in people.people] == [1, 2]
