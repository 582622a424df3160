"""Splits are found in either layout, and become the people that the official loader trains on."""

import json
import shutil

import pytest

from distilpose.data.coco import clean_box, data_fingerprint, find_split, find_splits, load_pose_data
from distilpose.data.errors import DataError


def test_official_and_plain_layouts_are_found(coco_mini_dir, people):
    assert find_split(coco_mini_dir, "val2017") == (
        coco_mini_dir / "annotations" / "person_keypoints_val2017.json",
        coco_mini_dir / "val2017",
    )
    assert find_split(people, "train") == (people / "annotations" / "train.json", people / "images" / "train")
    assert find_splits(coco_mini_dir) == ("train2017", "val2017")


def test_a_split_that_is_not_there_is_an_error_that_names_those_that_are(people):
    with pytest.raises(DataError, match=r"'val'.*annotations/val\.json.*splits there: train"):
        find_split(people, "val")
    shutil.rmtree(people / "images")
    with pytest.raises(DataError, match="no picture directory"):
        find_split(people, "train")


def test_genuine_coco_gives_its_labelled_people(coco_mini_dir):
    data = load_pose_data(coco_mini_dir, "val2017")
    assert len(data.people) == 80
    assert len(data.images) == 36
    person = next(p for p in data.people if p.image_id == 785)
    # the official loader's box, not the file's 218.7 x 346.68
    assert person.bbox == pytest.approx((280.79, 44.73, 217.7, 345.68))
    assert person.image_size == (640, 425)
    assert person.image.is_file()
    assert person.keypoints.shape == (17, 3)
    assert not person.keypoints.flags.writeable


def test_lspet_gives_people_of_14_joints(lspet_dir):
    data = load_pose_data(lspet_dir, "val")
    assert len(data.people) == 800
    assert data.people[0].keypoints.shape == (14, 3)


def test_crowds_unlabelled_people_and_empty_boxes_are_left_out(people, edit):
    def change(parsed):
        rows = parsed["annotations"]
        rows[0]["iscrowd"] = 1
        rows[1]["num_keypoints"] = 0
        rows[2]["keypoints"] = [0] * 51
        rows[3]["area"] = 0
        rows[4]["bbox"] = [70, 10, 20, 20]

    edit(change)
    data = load_pose_data(people, "train")
    assert [p.annotation_id for p in data.people] == [106, 107]
    assert len(data.images) == 7


def test_boxes_are_clipped_as_officially():
    assert clean_box((-5.0, 10.0, 50.0, 100.0), (40, 60)) == (0.0, 10.0, 39.0, 49.0)
    assert clean_box((41.0, 0.0, 5.0, 5.0), (40, 60)) is None
    assert clean_box((5.0, 5.0, 1.0, 9.0), (40, 60)) is None


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (
            lambda p: p["annotations"][2]["keypoints"].pop(),
            r"annotations\[2\] \(id 103\)\.keypoints: 17 joints need 51 numbers",
        ),
        (lambda p: p["annotations"][2]["keypoints"].__setitem__(0, float("nan")), "finite numbers"),
        (lambda p: p["annotations"][1].pop("bbox"), r"annotations\[1\] \(id 102\)\.bbox: x, y, width and height"),
        (
            lambda p: p["annotations"][1].update(image_id=99),
            r"annotations\[1\] \(id 102\)\.image_id: must be an image's id.*got 99",
        ),
        (lambda p: p["images"][3].pop("width"), r"images\[3\]\.width, height: whole numbers"),
        (lambda p: p.update(annotations=[]), "at least one person"),
        (lambda p: p.update(categories=[]), "one category with `keypoints`"),
    ],
)
def test_unusable_records_are_refused_where_they_stand(people, edit, change, rule):
    edit(change)
    with pytest.raises(DataError, match=rule):
        load_pose_data(people, "train")


def test_the_category_named_person_is_taken_among_several(people, edit):
    edit(lambda p: p["categories"].append({"id": 2, "name": "dog", "keypoints": ["nose", "tail"]}))
    assert len(load_pose_data(people, "train").people) == 7


def test_the_fingerprint_knows_content_and_not_place(people, tmp_path, edit):
    before = data_fingerprint(people, "train")
    assert load_pose_data(people, "train").fingerprint == before
    shutil.copytree(people, tmp_path / "elsewhere")
    assert data_fingerprint(tmp_path / "elsewhere", "train") == before
    picture = people / "images" / "train" / "003.jpg"
    original = picture.read_bytes()
    picture.write_bytes(original + b"\0")
    assert data_fingerprint(people, "train") != before
    picture.unlink()
    assert data_fingerprint(people, "train") != before
    picture.write_bytes(original)
    assert data_fingerprint(people, "train") == before
    edit(lambda p: p["annotations"][0].update(area=1201.0))
    assert data_fingerprint(people, "train") != before


def test_an_annotation_file_that_is_not_json_is_refused(people):
    file = people / "annotations" / "train.json"
    file.write_text(file.read_text()[:100])
    with pytest.raises(DataError, match=r"train\.json: must be JSON"):
        load_pose_data(people, "train")
    file.write_text(json.dumps([1]))
    with pytest.raises(DataError, match="got a list"):
        load_pose_data(people, "train")
