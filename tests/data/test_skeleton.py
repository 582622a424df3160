"""The skeleton comes from the category, COCO's own where it is silent and the names are COCO's."""

import json

import pytest
from drawn_noise import write_people

from distilpose.data.check import check_data
from distilpose.data.skeleton import COCO, Skeleton, coco_category, read_skeleton

SEVEN = {
    "id": 1,
    "keypoints": ["top", "left_hand", "right_hand", "left_hip", "right_hip", "left_toe", "right_toe"],
    "skeleton": [[1, 2], ["top", "right_hand"], [4, 5]],
    "keypoint_sigmas": [0.05] * 7,
}


def skeleton_of(category: dict[str, object]) -> Skeleton:
    skeleton, faults = read_skeleton(category)
    assert faults == []
    assert skeleton is not None
    return skeleton


def test_cocos_own_file_gives_cocos_skeleton(coco_mini_dir):
    parsed = json.loads((coco_mini_dir / "annotations" / "person_keypoints_val2017.json").read_text())
    assert skeleton_of(parsed["categories"][0]) == COCO


def test_coco_names_alone_are_enough():
    assert skeleton_of({"keypoints": list(COCO.names)}) == COCO


def test_coco_names_in_another_order_keep_their_sigmas_and_partners():
    names = COCO.names[::-1]
    found = skeleton_of({"keypoints": list(names)})
    assert dict(zip(names, found.sigmas, strict=True)) == dict(zip(COCO.names, COCO.sigmas, strict=True))
    assert {frozenset((names[a], names[b])) for a, b in found.flip_pairs} == {
        frozenset((COCO.names[a], COCO.names[b])) for a, b in COCO.flip_pairs
    }
    assert {names[i] for i in found.upper_body} == {COCO.names[i] for i in COCO.upper_body}
    assert {frozenset((names[a], names[b])) for a, b in found.limbs} == {
        frozenset((COCO.names[a], COCO.names[b])) for a, b in COCO.limbs
    }


def test_the_written_category_reads_back_as_coco():
    assert skeleton_of(coco_category()) == COCO


def test_any_joints_are_read_from_the_category():
    found = skeleton_of(SEVEN)
    assert found.limbs == ((0, 1), (0, 2), (3, 4))
    assert found.flip_pairs == ((1, 2), (3, 4), (5, 6))
    assert found.flip_permutation == (0, 2, 1, 4, 3, 6, 5)
    assert found.upper_body == (0, 1, 2)
    assert found.num_joints == 7


MPII = (
    "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle", "pelvis", "thorax", "upper_neck",
    "head_top", "right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist",
)  # fmt: skip
CROWDPOSE = (
    "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip",
    "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle", "top_head", "neck",
)  # fmt: skip
AP10K = (
    "L_Eye", "R_Eye", "Nose", "Neck", "Root of tail", "L_Shoulder", "L_Elbow", "L_F_Paw", "R_Shoulder", "R_Elbow",
    "R_F_Paw", "L_Hip", "L_Knee", "L_B_Paw", "R_Hip", "R_Knee", "R_B_Paw",
)  # fmt: skip
OPENPOSE = ("Nose", "Neck", "RShoulder", "RElbow", "RWrist", "LShoulder", "LElbow", "LWrist", "MidHip", "RHip", "LHip")


def read(names):
    """The skeleton of a category that says nothing of its flip pairs."""
    return skeleton_of({"keypoints": list(names), "skeleton": [], "keypoint_sigmas": [0.1] * len(names)})


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        (COCO.names, COCO.flip_pairs),
        (MPII, ((0, 5), (1, 4), (2, 3), (10, 15), (11, 14), (12, 13))),
        (CROWDPOSE, ((0, 1), (2, 3), (4, 5), (6, 7), (8, 9), (10, 11))),
        (AP10K, ((0, 1), (5, 8), (6, 9), (7, 10), (11, 14), (12, 15), (13, 16))),
        (OPENPOSE, ((2, 5), (3, 6), (4, 7), (9, 10))),
    ],
    ids=["COCO", "MPII", "CrowdPose", "AP-10K", "OpenPose"],
)
def test_the_joints_that_a_mirror_exchanges_are_read_off_published_names(names, pairs):
    assert read(names).flip_pairs == pairs


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("left_eye", "right_eye"), ("L_Eye", "R_Eye"), ("Left Eye", "Right Eye"), ("LEFT_EYE", "RIGHT_EYE"),
        ("eye_l", "eye_r"), ("l_eye", "r_eye"), ("leftEye", "rightEye"), ("lefteye", "righteye"), ("LEye", "REye"),
        ("eye.L", "eye.R"), ("eye-left", "eye-right"), ("eyeLeft", "eyeRight"), ("left_eye_2", "right_eye_2"),
        ("L Eye", "R eye"), ("LeftEye1", "RightEye1"), ("thumb_l_3", "thumb_r_3"),
    ],
)  # fmt: skip
def test_sides_are_found_in_any_spelling(left, right):
    assert read(["nose", right, left]).flip_pairs == ((1, 2),)


def test_names_with_an_l_or_an_r_in_them_have_no_side():
    plain = [
        "lip",
        "leg",
        "lumbar",
        "rib",
        "root",
        "L5",
        "L4",
        "l_1",
        "tail",
        "ruler",
        "lower_lip",
        "Root of tail",
    ]
    assert read(plain).flip_pairs == ()


@pytest.mark.parametrize(
    "names",
    [
        ["nose", "L_Eye"],
        ["eye_r"],
        ["Left Eye", "RIGHT_EAR"],
        ["l_eye", "left_eye", "r_eye"],
        ["L_Eye", "l eye", "R_Eye"],
    ],
)
def test_a_side_without_its_one_partner_is_an_error_and_not_silence(names):
    category = {"keypoints": list(names), "skeleton": [], "keypoint_sigmas": [0.1] * len(names)}
    skeleton, [(field, rule)] = read_skeleton(category)
    assert (skeleton, field) == (None, "flip_pairs")
    assert "left and right" in rule or "left/right" in rule


def test_data_check_tells_of_a_side_without_a_partner(tmp_path):
    root = write_people(tmp_path)
    file = root / "annotations" / "train.json"
    parsed = json.loads(file.read_text())
    category = parsed["categories"][0]
    del category["flip_pairs"]
    category["keypoints"] = [name.replace("left_", "L_").replace("right_", "R_") for name in category["keypoints"]]
    file.write_text(json.dumps(parsed))
    (report,) = check_data(root)
    assert report.ok
    category["keypoints"][1] = "L_Eyes"
    file.write_text(json.dumps(parsed))
    (report,) = check_data(root)
    assert not report.ok
    assert "left/right names do not pair up" in "".join(map(str, report.problems))


def test_the_lower_body_is_told_in_any_spelling():
    assert [AP10K[i] for i in range(17) if i not in read(AP10K).upper_body] == ["L_Hip", "L_Knee", "R_Hip", "R_Knee"]


def test_flip_pairs_and_upper_body_may_be_given():
    found = skeleton_of(SEVEN | {"flip_pairs": [[2, 3], ["left_toe", "right_toe"]], "upper_body": ["top", 4]})
    assert found.flip_pairs == ((1, 2), (5, 6))
    assert found.upper_body == (0, 3)


def test_lspet_reads_with_its_own_flip_pairs(lspet_dir):
    parsed = json.loads((lspet_dir / "annotations" / "val.json").read_text())
    found = skeleton_of(parsed["categories"][0])
    assert found.num_joints == 14
    assert len(found.flip_pairs) == 6
    assert [found.names[i] for i in found.upper_body if "t_" not in found.names[i]] == ["neck", "head_top"]


def test_everything_absent_is_named_at_once():
    skeleton, faults = read_skeleton({"keypoints": ["a", "left_b", "c"]})
    assert skeleton is None
    assert [field for field, _ in faults] == ["skeleton", "flip_pairs", "keypoint_sigmas"]
    assert all("is absent" in rule and "add" in rule for _, rule in faults)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"keypoints": None}, "a list of joint names"),
        ({"keypoints": ["top", "top"]}, 'names must differ, got ["top"]'),
        ({"keypoints": ["top", "\x1b[2J"]}, '"\\u001b[2J"'),
        ({"keypoints": ["top", ""]}, "names of 1 to 100 characters"),
        ({"keypoints": [str(n) for n in range(1001)]}, "at most 1000 joints, got 1001"),
        ({"skeleton": [[0, 1]]}, "numbers from 1 to 7"),
        ({"skeleton": [["top", "tip"]]}, "tip"),
        ({"skeleton": 5}, "got 5"),
        ({"skeleton": None}, "is null"),
        ({"flip_pairs": [[2, 2]]}, "pairs of two joints"),
        ({"flip_pairs": [[2, 3], [3, 4]]}, "more than once"),
        ({"keypoint_sigmas": [0.1] * 6}, "7 positive numbers"),
        ({"keypoint_sigmas": [10**400] * 7}, "7 positive numbers"),
        ({"keypoint_sigmas": [0.1] * 6 + [0]}, "positive"),
        ({"keypoint_sigmas": [0.1] * 6 + [float("nan")]}, "positive"),
        ({"upper_body": ["head"]}, "joint names, or numbers from 1 to 7"),
    ],
)
def test_a_malformed_field_is_named_with_its_rule(change, rule):
    skeleton, faults = read_skeleton(SEVEN | change)
    assert skeleton is None
    (field,) = change
    assert (field, True) in [(at, rule in said) for at, said in faults]


def test_a_joint_is_found_by_its_name_however_its_words_are_joined() -> None:
    assert COCO.find("left_wrist") == COCO.find("Left Wrist") == COCO.find("left-wrist") == 9
    with pytest.raises(ValueError, match=r"joint 'left_wirst': there is no such joint; did you mean left_wrist\?"):
        COCO.find("left_wirst")
