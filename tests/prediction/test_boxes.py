"""Boxes of people out of COCO files."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from distilpose.prediction.boxes import Frame, read_boxes, whole_picture

PICTURE = np.zeros((80, 60, 3), np.uint8)


def _row(image_id: int, box: tuple[float, ...] = (5, 5, 20, 40), **more: Any) -> dict[str, Any]:
    return {"image_id": image_id, "category_id": 1, "bbox": list(box), "score": 0.9, **more}


def _file(folder: Path, content: Any) -> Path:
    file = folder / "boxes.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def test_without_boxes_the_person_is_the_picture() -> None:
    assert whole_picture(Frame("a.png", 1, PICTURE)).boxes.tolist() == [[0, 0, 60, 80]]


def test_results_are_found_by_number_and_only_people_sure_enough(tmp_path: Path) -> None:
    rows = [
        _row(7),
        _row(7, score=0.2),
        _row(7, category_id=2),
        _row(7, (30, 10, 0, 5)),
        _row(8, (50, 70, 100, 100)),
    ]
    source = read_boxes(_file(tmp_path, rows), at_least=0.5)
    found = source(Frame("7.png", 7, PICTURE))
    assert found.scores.tolist() == [0.9]
    assert found.boxes.shape == (1, 4)
    # As evaluation takes a detector's box: as it is.
    assert source(Frame("8.png", 8, PICTURE)).boxes.tolist() == [[50, 70, 100, 100]]
    assert source(Frame("9.png", 9, PICTURE)).boxes.shape == (0, 4)
    with pytest.raises(ValueError, match=r"dog\.png: .*boxes\.json has no boxes of it"):
        source(Frame("dog.png", 7, PICTURE, numbered=False))


def test_annotations_are_found_by_file_name_and_give_their_ids(tmp_path: Path) -> None:
    content = {
        "images": [{"id": 40, "file_name": "val/dog.png"}, {"id": 41, "file_name": "empty.png"}],
        "categories": [{"id": 3, "name": "person"}],
        "annotations": [
            _row(40, (50, 70, 100, 100), category_id=3),
            _row(40, category_id=3, iscrowd=1),
            _row(40, (70, 10, 5, 5), category_id=3),
            _row(40),
        ],
    }
    source = read_boxes(_file(tmp_path, content), at_least=0.5)
    assert source.ids == {"dog.png": 40, "empty.png": 41}
    # As evaluation takes an annotated box: clipped to its picture, far edge as officially.
    assert source(Frame("dog.png", 40, PICTURE)).boxes.tolist() == [[50, 70, 9, 9]]
    assert len(source(Frame("empty.png", 41, PICTURE)).boxes) == 0
    with pytest.raises(ValueError, match=r"cat\.png"):
        source(Frame("cat.png", 40, PICTURE))


def test_results_may_name_their_files(tmp_path: Path) -> None:
    source = read_boxes(_file(tmp_path, [_row(5, file_name="a/dog.png")]), at_least=0)
    assert source.ids == {"dog.png": 5}
    assert len(source(Frame("dog.png", 5, PICTURE, numbered=False)).boxes) == 1


@pytest.mark.parametrize(
    ("content", "rule"),
    [
        ("{", "must be JSON"),
        ("[" * 200_000, "must be JSON, is nested too deeply"),
        ("[" + "9" * 5000 + "]", "must be JSON: Exceeds the limit"),
        ({"images": []}, "must be COCO's results"),
        ({"annotations": []}, "annotations must have images, a list, got null"),
        ({"annotations": [], "images": [7]}, r"images\[0\]: must be an object whose id"),
        ({"annotations": [], "images": [{"id": True}]}, r"images\[0\]: must be an object whose id"),
        ({"annotations": [], "images": [{"id": 1}]}, r"images\[0\]: file_name must be text"),
        ({"annotations": [], "images": [], "categories": [{"id": []}]}, r"categories\[0\]: must be an object whose id"),
        ([_row(1), 3], r"\[1\]: must be an object with image_id and bbox, got 3"),
        ([{"image_id": 1}], r"\[0\]: bbox must be given"),
        ([_row(1, (1, 2, 3))], r"\[0\]: bbox must be x, y, width and height"),
        ([_row(1, (10**400, 2, 3, 4))], r"\[0\]: bbox must be x, y, width and height"),
        ([_row(1, iscrowd="0")], r"\[0\]: iscrowd must be 0 or 1"),
        ([_row(1, category_id=None)], r"\[0\]: category_id must be a whole number"),
        ([_row(1, file_name="\x1b[2J")], r'\[0\]: file_name must be text without control characters, got "\\u001b'),
        ([_row(1, score=None)], r"\[0\]: score must be a finite number, got null"),
        ([_row(1, score=float("nan"))], r"\[0\]: score must be a finite number"),
        ([_row(1) | {"image_id": "1"}], r"\[0\]: image_id must be a whole number"),
    ],
)
def test_a_malformed_file_is_refused_by_its_name(tmp_path: Path, content: Any, rule: str) -> None:
    with pytest.raises(ValueError, match=rf"^\S*boxes\.json: {rule}"):
        read_boxes(_file(tmp_path, content), at_least=0)
