"""The skeleton comes from the category, COCO's own where it is silent and the names are COCO's."""

import json

import pytest

from distilpose.data.errors import DataError
from distilpose.data.skeleton import COCO, coco_category, skeleton_from_category

SEVEN = {
    "id": 1,
    "keypoints": ["top", "left_hand", "right_hand", "left_hip", "right_hip", "left_toe", "right_toe"],
    "skeleton": [[1, 2], ["top", "right_hand"], [4, 5]],
    "keypoint_sigmas": [0.05] * 7,
}


def test_cocos_own_file_gives_cocos_skeleton(coco_mini_dir):
    parsed = json.loads((coco_mini_dir / "annotations" / "person_keypoints_val2017.json").read_text())
    assert skeleton_from_category(parsed["categories"][0], "f") == COCO


def test_coco_names_alone_are_enough():
    assert skeleton_from_category({"keypoints": list(COCO.names)}, "f") == COCO


def test_coco_names_in_another_order_keep_their_sigmas_and_partners():
    names = COCO.names[::-1]
    found = skeleton_from_category({"keypoints": list(names)}, "f")
    assert dict(zip(names, found.sigmas, strict=True)) == dict(zip(COCO.names, COCO.sigmas, strict=True))
    assert {frozenset((names[a], names[b])) for a, b in found.flip_pairs} == {
        frozenset((COCO.names[a], COCO.names[b])) for a, b in COCO.flip_pairs
    }
    assert {names[i] for i in found.upper_body} == {COCO.names[i] for i in COCO.upper_body}
    assert {frozenset((names[a], names[b])) for a, b in found.limbs} == {
        frozenset((COCO.names[a], COCO.names[b])) for a, b in COCO.limbs
    }


def test_the_written_category_reads_back_as_coco():
    assert skeleton_from_category(coco_category(), "f") == COCO


def test_any_joints_are_read_from_the_category():
    found = skeleton_from_category(SEVEN, "f")
    assert found.limbs == ((0, 1), (0, 2), (3, 4))
    assert found.flip_pairs == ((1, 2), (3, 4), (5, 6))
    assert found.flip_permutation == (0, 2, 1, 4, 3, 6, 5)
    assert found.upper_body == (0, 1, 2)
    assert found.num_joints == 7


def test_flip_pairs_and_upper_body_may_be_given():
    found = skeleton_from_category(
        SEVEN | {"flip_pairs": [[2, 3], ["left_toe", "right_toe"]], "upper_body": ["top", 4]}, "f"
    )
    assert found.flip_pairs == ((1, 2), (5, 6))
    assert found.upper_body == (0, 3)


def test_lspet_reads_with_its_own_flip_pairs(lspet_dir):
    parsed = json.loads((lspet_dir / "annotations" / "val.json").read_text())
    found = skeleton_from_category(parsed["categories"][0], "f")
    assert found.num_joints == 14
    assert len(found.flip_pairs) == 6
    assert [found.names[i] for i in found.upper_body if "t_" not in found.names[i]] == ["neck", "head_top"]


def test_everything_absent_is_named_at_once():
    with pytest.raises(DataError) as error:
        skeleton_from_category({"keypoints": ["a", "left_b", "c"]}, "file.json")
    for field in ("skeleton is absent", "flip_pairs is absent", "keypoint_sigmas is absent", "file.json", "add"):
        assert field in str(error.value)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"keypoints": None}, "a list of joint names"),
        ({"keypoints": ["top", "top"]}, "names must differ, got top"),
        ({"skeleton": [[0, 1]]}, "numbers from 1 to 7"),
        ({"skeleton": [["top", "tip"]]}, "tip"),
        ({"skeleton": 5}, "got 5"),
        ({"skeleton": None}, "skeleton is null"),
        ({"flip_pairs": [[2, 2]]}, "pairs of two joints"),
        ({"flip_pairs": [[2, 3], [3, 4]]}, "more than once"),
        ({"keypoint_sigmas": [0.1] * 6}, "7 numbers"),
        ({"keypoint_sigmas": [0.1] * 6 + [0]}, "positive"),
        ({"keypoint_sigmas": [0.1] * 6 + [float("nan")]}, "positive"),
        ({"upper_body": ["head"]}, "upper_body"),
    ],
)
def test_malformed_fields_are_refused_with_their_rule(change, rule):
    with pytest.raises(DataError, match=rule):
        skeleton_from_category(SEVEN | change, "f")


def test_a_joint_is_found_by_its_name_however_its_words_are_joined() -> None:
    assert COCO.find("left_wrist") == COCO.find("Left Wrist") == COCO.find("left-wrist") == 9
    with pytest.raises(ValueError, match=r"joint 'left_wirst': there is no such joint; did you mean left_wrist\?"):
        COCO.find("left_wirst")
