import json

import pytest

from distilpose.data.coco import find_splits
from distilpose.data.errors import DataError
from distilpose.data.skeleton import COCO
from distilpose.data.unlabelled import load_pictures

LISTED = {"images": [{"id": 3, "file_name": "3.jpg", "width": 40, "height": 30}], "categories": []}


def listed(root, content=LISTED):
    (root / "annotations").mkdir()
    (root / "annotations" / "image_info_test-dev2017.json").write_text(json.dumps(content))


def test_test_dev_is_found_among_the_pictures_of_test2017(tmp_path):
    listed(tmp_path)
    (tmp_path / "test2017").mkdir()
    data = load_pictures(tmp_path, "test-dev2017")
    assert [(image.image_id, image.path, image.size) for image in data.images] == [
        (3, tmp_path / "test2017" / "3.jpg", (40, 30))
    ]
    assert (data.people, data.skeleton, data.category_id) == ((), COCO, 1)


def test_lists_of_pictures_are_no_splits_to_train_on(tmp_path):
    listed(tmp_path)
    for name in ("captions_val2017", "instances_val2017", "person_keypoints_val2017"):
        (tmp_path / "annotations" / f"{name}.json").write_text("{}")
    assert find_splits(tmp_path) == ("val2017",)


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(DataError, match=r"looked for annotations/image_info_test-dev2017\.json"):
        load_pictures(tmp_path, "test-dev2017")
    listed(tmp_path)
    with pytest.raises(DataError, match="no picture directory"):
        load_pictures(tmp_path, "test-dev2017")


def test_a_malformed_list_is_told(tmp_path):
    listed(tmp_path, {"images": [{"id": 3, "file_name": "3.jpg"}]})
    (tmp_path / "test2017").mkdir()
    with pytest.raises(DataError, match=r"image_info_test-dev2017\.json: images\[0\]\.width, height: whole numbers"):
        load_pictures(tmp_path, "test-dev2017")
