"""Whatever an annotation file holds, a check lists its faults and the loader refuses it by name."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from distilpose.data.check import check_split
from distilpose.data.coco import load_pose_data
from distilpose.data.errors import DataError
from distilpose.data.records import file_skeleton, read_records
from distilpose.data.skeleton import COCO
from distilpose.evaluation.average_precision import read_truth

HUGE = int("9" * 400)
INFINITE = float("inf")
NAMES = (None, 5, ["a.jpg"], {}, True, "", "a\0.jpg", "\ud800.jpg", "\x1b[2J.jpg", "a" * 1001)
SIZES = (None, INFINITE, HUGE, 0, 1.5, "60", True, 2**20 + 1)


def image(**fields: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda p: p["images"][0].update(fields)


def person(**fields: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda p: p["annotations"][0].update(fields)


def category(**fields: Any) -> Callable[[dict[str, Any]], Any]:
    return lambda p: p["categories"][0].update(fields)


@pytest.mark.parametrize(
    ("field", "change"),
    [
        *(("images[0].file_name", image(file_name=name)) for name in NAMES),
        *(("images[0].width, height", image(width=size)) for size in SIZES),
        *(("images[0].id", image(id=number)) for number in (None, "1", 1.0, True, HUGE, [1], 2**53 + 1)),
        *(("annotations[0].id", person(id=number)) for number in (None, True, HUGE, {})),
        *(("category_id", person(category_id=number)) for number in (True, 1.0, None, "1", [1])),
        *(("image_id", person(image_id=number)) for number in (True, None, "1", [1], {}, 1.5)),
        *(("bbox", person(bbox=box)) for box in (None, 5, "box", [1, 2, 3], [1, 2, 3, "4"], [True, 2, 3, 4])),
        *(("bbox", person(bbox=[number, 2, 30, 40])) for number in (HUGE, INFINITE, float("nan"), 1e300)),
        *(("area", person(area=area)) for area in (None, HUGE, "9", True, 1e13)),
        *(("iscrowd", person(iscrowd=crowd)) for crowd in ("0", None, 2, 0.0, [])),
        *(("num_keypoints", person(num_keypoints=count)) for count in ("17", True, -1, 17.0, HUGE)),
        *(("keypoints", person(keypoints=flat)) for flat in ([HUGE] * 51, [True] * 51, [[]] * 51, ["1"] * 51, {}, 5)),
        *(("categories[0].id", category(id=number)) for number in (None, [1], {"a": 1}, "one", True, 1.0, HUGE)),
        *(("categories[0].keypoints", category(keypoints=names)) for names in (5, "nose", [1] * 17, ["\x1b[2J"] * 17)),
        ("categories[0].keypoint_sigmas", category(keypoint_sigmas=[HUGE] * 17)),
        ("categories[0].flip_pairs", category(flip_pairs=[[HUGE, 1]])),
        ("categories[1]", lambda p: p["categories"].append(7)),
        ("categories", lambda p: p.update(categories=[])),
        ("images", lambda p: p.update(images="none", annotations=[])),
    ],
)  # fmt: skip
def test_a_malformed_field_is_one_problem_for_the_check_and_the_loader(people, edit, field, change):
    edit(change)
    report = check_split(people, "train", deep=False)
    problem, *others = report.problems
    assert {one.kind for one in others} <= {"dangling_image_id"}  # of an image without an id
    assert problem.file.endswith("train.json")
    assert problem.field.endswith(field)
    assert len(problem.value) <= 80
    assert report.stats is None
    assert all(line.isprintable() for line in report.lines())
    json.dumps(report.to_json())
    with pytest.raises(DataError) as error:
        load_pose_data(people, "train")
    assert str(error.value).startswith(f"{problem}; ")
    assert "`distilpose data check` lists every problem" in str(error.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"images": ' + b"[" * 200_000, "nested too deeply"),
        (b'{"images": ' + b'{"a":' * 200_000, "nested too deeply"),
        (b"\xff\xfe\x00", "must be JSON"),
        (b'{"images": [' + b"9" * 5000 + b"]}", "must be JSON: Exceeds the limit"),
        (b"", "must be JSON"),
        (b"7", "must be a JSON object"),
        (b"null", "must be a JSON object"),
    ],
)
def test_a_file_that_is_no_object_is_refused_by_its_name(people, content, said):
    (people / "annotations" / "train.json").write_bytes(content)
    (problem,) = check_split(people, "train").problems
    assert problem.kind == "unreadable_annotations"
    assert said in problem.message
    with pytest.raises(DataError, match=rf"^\S*train\.json: .*{said}"):
        load_pose_data(people, "train")


def test_a_deep_value_is_shown_short(people, edit):
    deep: list[Any] = []
    for _ in range(900):
        deep = [deep]
    edit(image(file_name=deep))
    (problem,) = check_split(people, "train").problems
    assert problem.value == '[[[["..."]]]]'


def test_nothing_else_is_said_of_what_names_a_malformed_record(people, edit):
    edit(lambda p: (p["images"][0].update(width=None), p["categories"][0].update(id="one")))
    assert sorted(one.field for one in check_split(people, "train", deep=False).problems) == [
        "categories[0].id",
        "images[0].width, height",
    ]


def test_other_categories_are_not_looked_into(people, edit):
    def change(parsed):
        parsed["categories"].append({"id": 2, "name": "dog"})
        parsed["annotations"].append({"id": 500, "image_id": 1, "category_id": 2})

    edit(change)
    assert check_split(people, "train").ok
    assert len(load_pose_data(people, "train").people) == 7


def test_a_person_whose_joints_are_null_is_unlabelled_also_to_the_evaluation(people, edit):
    edit(person(keypoints=None, num_keypoints=None))
    assert check_split(people, "train").ok
    assert len(load_pose_data(people, "train").people) == 6
    truth = read_truth(people / "annotations" / "train.json", COCO.sigmas)
    assert [one["num_keypoints"] for one in truth.coco.dataset["annotations"]] == [0, *[17] * 6]


def test_a_skeleton_is_read_from_a_file_without_people(tmp_path):
    file = tmp_path / "joints.json"
    file.write_text(json.dumps({"categories": [{"id": 1, "keypoints": list(COCO.names)}]}))
    assert file_skeleton(file) == COCO
    file.write_text(json.dumps({"categories": []}))
    with pytest.raises(DataError, match=r"^\S*joints\.json: categories: one category with `keypoints`"):
        file_skeleton(file)


def test_records_name_the_digest_of_their_file(people):
    records = read_records(people / "annotations" / "train.json")
    assert records.problems == ()
    assert len(records.digest) == 64
