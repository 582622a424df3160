"""A check lists every fault of a data set, and finds none in sound ones."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from distilpose.data.check import CheckReport, check_data, check_split
from distilpose.data.pictures import picture_defect

NAN = float("nan")


def kinds(report: CheckReport) -> list[str]:
    return sorted(problem.kind for problem in report.problems)


def test_a_sound_split_has_no_problems_and_says_what_it_holds(people):
    report = check_split(people, "train")
    assert report.ok
    assert report.stats is not None
    assert (report.stats.images, report.stats.people) == (7, 7)
    assert report.stats.joints["nose"] == 7
    assert report.fingerprint is not None
    assert report.lines() == ["train: sound: 7 people in 7 pictures, 119 labelled joints"]
    json.dumps(report.to_json())


def test_genuine_coco_is_sound(coco_mini_dir):
    assert [report.ok for report in check_data(coco_mini_dir)] == [True, True]


def test_lspet_is_sound(lspet_dir):
    assert check_split(lspet_dir, "val").ok


RECORD_FAULTS: list[tuple[str, str, Callable]] = [
    ("box_outside_image", "bbox", lambda p: p["annotations"][0].update(bbox=[40, 10, 40, 20])),
    ("box_outside_image", "bbox", lambda p: p["annotations"][0].update(bbox=[-300, 10, 40, 20])),
    ("empty_box", "bbox", lambda p: p["annotations"][0].update(bbox=[10, 10, 0, 20])),
    ("empty_box", "area", lambda p: p["annotations"][0].update(area=0)),
    ("nan", "bbox", lambda p: p["annotations"][0].update(bbox=[NAN, 10, 40, 20])),
    ("nan", "area", lambda p: p["annotations"][0].update(area=NAN)),
    ("nan", "keypoints", lambda p: p["annotations"][0]["keypoints"].__setitem__(4, NAN)),
    ("nan", "keypoints", lambda p: p["annotations"][0]["keypoints"].__setitem__(3, float("inf"))),
    ("joint_count", "keypoints", lambda p: p["annotations"][0].update(keypoints=[1.0, 2.0, 2] * 16)),
    ("visibility", "keypoints", lambda p: p["annotations"][0]["keypoints"].__setitem__(2, 3)),
    ("num_keypoints", "num_keypoints", lambda p: p["annotations"][0].update(num_keypoints=0)),
    ("malformed", "keypoints", lambda p: p["annotations"][0].update(keypoints="none")),
    ("malformed", "keypoints", lambda p: p["annotations"][0].pop("keypoints")),
    ("malformed", "bbox", lambda p: p["annotations"][0].pop("bbox")),
    ("malformed", "annotations[7]", lambda p: p["annotations"].append(3)),
    ("malformed", "id", lambda p: p["annotations"][0].pop("id")),
    ("malformed", "images[7]", lambda p: p["images"].append("x")),
    ("malformed", "file_name", lambda p: p["images"].append({"id": 50, "width": 3, "height": 3})),
    ("duplicate_id", "annotations[1].id", lambda p: p["annotations"][1].update(id=101)),
    ("duplicate_file", "file_name", lambda p: p["images"].append({**p["images"][0], "id": 50})),
    ("unsafe_name", "file_name", lambda p: p["images"].append({**p["images"][0], "id": 50, "file_name": "../x.jpg"})),
    ("unsafe_name", "file_name", lambda p: p["images"].append({**p["images"][0], "id": 50, "file_name": "/etc/x.jpg"})),
    ("dangling_image_id", "image_id", lambda p: p["annotations"][0].update(image_id=77)),
    ("unknown_category", "category_id", lambda p: p["annotations"][0].update(category_id=9)),
    ("category", "categories", lambda p: p["categories"][0].update(keypoint_sigmas=[1])),
    ("empty_split", "annotations", lambda p: [a.update(iscrowd=1) for a in p["annotations"]]),
]


@pytest.mark.parametrize(("kind", "field", "change"), RECORD_FAULTS)
def test_each_fault_of_a_record_is_found_once(people, edit, kind, field, change):
    edit(change)
    report = check_split(people, "train", deep=False)
    assert kinds(report) == [kind]
    (problem,) = report.problems
    assert field in problem.field
    assert problem.file.endswith("train.json")
    assert kind in str(problem)


def test_a_duplicate_image_id_is_found(people, edit):
    edit(lambda p: p["images"][1].update(id=1))
    assert kinds(check_split(people, "train", deep=False)) == ["dangling_image_id", "duplicate_id"]


def test_an_empty_split_is_found(people, edit):
    edit(lambda p: p.update(images=[], annotations=[]))
    report = check_split(people, "train")
    assert kinds(report) == ["empty_split"]
    assert report.stats is None
    assert report.lines()[0].startswith("train: 1 problem (1 empty_split): cannot be used")


def test_absent_lists_are_found(people, edit):
    edit(lambda p: [p.pop("images"), p.update(annotations={})])
    assert kinds(check_split(people, "train")) == ["malformed", "malformed"]


def test_every_fault_is_listed_not_the_first(people, edit):
    pictures = people / "images" / "train"
    (pictures / "001.jpg").unlink()
    raw = (pictures / "002.jpg").read_bytes()
    (pictures / "002.jpg").write_bytes(raw[: len(raw) // 2])
    (pictures / "003.jpg").write_bytes(b"")
    (pictures / "004.jpg").write_text("not a picture")
    cv2.imwrite(str(pictures / "005.jpg"), np.zeros((60, 80, 3), np.uint8))

    def change(parsed):
        parsed["annotations"][5]["bbox"] = [500, 500, 10, 10]
        parsed["annotations"][6]["keypoints"][0] = NAN
        parsed["annotations"][6]["id"] = 101

    edit(change)
    report = check_split(people, "train")
    assert kinds(report) == [
        "box_outside_image",
        "duplicate_id",
        "image_size",
        "missing_image",
        "nan",
        "truncated_image",
        "truncated_image",
        "unreadable_image",
    ]
    assert len(report.lines()) == 8  # two pictures are cut short
    assert "80x60" in next(p for p in report.problems if p.kind == "image_size").message


def test_a_fault_of_many_records_is_one_line_with_their_number(people, edit):
    edit(lambda p: [annotation.pop("bbox") for annotation in p["annotations"]])
    for name in ("001.jpg", "002.jpg"):
        (people / "images" / "train" / name).unlink()
    report = check_split(people, "train")
    assert len(report.problems) == 9
    _, boxes, pictures = report.lines()
    assert "annotations[0] (id 101).bbox: x, y, width and height in pixels are needed, got null" in boxes
    assert boxes.endswith("; and 6 more like it: annotations[1] (id 102).bbox, annotations[2] (id 103).bbox, "
                          "annotations[3] (id 104).bbox, ...")  # fmt: skip
    assert "001.jpg: picture: is not there" in pictures
    assert pictures.endswith("; and 1 more like it: 002.jpg")


def test_what_the_joints_lack_is_named_field_by_field_without_the_path_twice(people, edit):
    names = ["head", *(f"joint {number}" for number in range(16))]
    edit(lambda p: p.update(categories=[{"id": 1, "name": "person", "keypoints": names}]))
    report = check_split(people, "train", deep=False)
    assert [one.field for one in report.problems] == ["categories[0].skeleton", "categories[0].keypoint_sigmas"]
    assert [line.count("train.json") for line in report.lines()[1:]] == [1, 1]


def test_a_shallow_check_does_not_decode(people):
    (people / "images" / "train" / "004.jpg").write_text("not a picture")
    (people / "images" / "train" / "005.jpg").unlink()
    assert kinds(check_split(people, "train", deep=False)) == ["missing_image"]
    assert kinds(check_split(people, "train", deep=True)) == ["missing_image", "unreadable_image"]


def test_bad_places_are_problems_not_exceptions(tmp_path, people):
    (report,) = check_data(tmp_path / "nowhere")
    assert kinds(report) == ["missing_split"]
    (people / "annotations" / "train.json").write_text("{")
    assert kinds(check_split(people, "train")) == ["unreadable_annotations"]


def test_truncation_is_seen_past_a_thumbnails_end_marker(tmp_path):
    ok, encoded = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8))
    assert ok
    raw = encoded.tobytes()
    thumbnail = b"\xff\xe1" + (6).to_bytes(2, "big") + b"\xff\xd9ab"
    whole = raw[:2] + thumbnail + raw[2:]
    file = Path(tmp_path) / "a.jpg"
    file.write_bytes(whole + b"trailing bytes are harmless")
    assert picture_defect(file, (40, 40)) is None
    for length in (len(whole) - 2, len(whole) // 2, 30, 3):
        file.write_bytes(whole[:length])
        assert picture_defect(file, (40, 40)).kind == "truncated_image"


def test_a_truncated_png_is_seen(tmp_path):
    file = tmp_path / "a.png"
    cv2.imwrite(str(file), np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8))
    assert picture_defect(file, (40, 40)) is None
    file.write_bytes(file.read_bytes()[:3000])
    assert picture_defect(file, (40, 40)).kind == "truncated_image"
