"""The library of skeletons: whole, as its sources have it, and in place of what a file says."""

import json
import runpy
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from distilpose.data.check import check_split
from distilpose.data.coco import data_fingerprint, load_pose_data
from distilpose.data.errors import DataError
from distilpose.data.library import SKELETONS, find_skeleton
from distilpose.data.skeleton import COCO, category_of, read_skeleton
from distilpose.evaluation.average_precision import read_truth

COUNTS = {"mpii": 16, "crowdpose": 14, "coco_wholebody": 133, "halpe136": 136, "humanart21": 21, "jhmdb": 15, "lsp": 14}
THEIR_NAMES = {"halpe136": "halpe"}


def test_coco_is_the_same_everywhere() -> None:
    assert find_skeleton("coco") == find_skeleton("ochuman") == find_skeleton("humanart") == COCO
    assert {name: find_skeleton(name).num_joints for name in COUNTS} == COUNTS


@pytest.mark.parametrize("name", SKELETONS)
def test_a_skeleton_survives_being_written_into_an_annotation_file(name: str) -> None:
    skeleton = find_skeleton(name)
    assert read_skeleton(json.loads(json.dumps(category_of(skeleton)))) == (skeleton, [])


@pytest.mark.parametrize("name", [name for name in SKELETONS if name != "lsp"])
def test_every_fact_is_that_of_mmpose(name: str) -> None:
    package = find_spec("mmpose")
    if package is None or package.origin is None:
        pytest.skip("needs the extra mmpose")
    folder = Path(package.origin).parent / ".mim/configs/_base_/datasets"
    theirs = runpy.run_path(str(folder / f"{THEIR_NAMES.get(name, name)}.py"))["dataset_info"]
    ours = find_skeleton(name)
    joints = [theirs["keypoint_info"][number] for number in range(len(theirs["keypoint_info"]))]
    names = [joint["name"] for joint in joints]
    assert list(ours.names) == names
    assert [ours.names[partner] for partner in ours.flip_permutation] == [j["swap"] or j["name"] for j in joints]
    assert list(ours.sigmas) == theirs["sigmas"]
    assert [names[joint] for joint in ours.upper_body] == [j["name"] for j in joints if j["type"] == "upper"]
    assert [(names[a], names[b]) for a, b in ours.limbs] == [limb["link"] for limb in theirs["skeleton_info"].values()]


def test_the_parts_of_a_whole_body_have_the_joints_of_its_own_evaluation() -> None:
    parts = dict(find_skeleton("coco_wholebody").parts)
    assert [(name, joints[0], len(joints)) for name, joints in parts.items()] == [
        ("body", 0, 17), ("foot", 17, 6), ("face", 23, 68), ("left_hand", 91, 21), ("right_hand", 112, 21),
    ]  # fmt: skip


def test_a_file_of_ones_own_is_read_and_its_faults_are_all_told(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("keypoints: [a, b]\nskeleton: [[a, b]]\n")
    with pytest.raises(DataError, match=r"mine\.yaml: keypoint_sigmas: is absent"):
        find_skeleton("mine.yaml", tmp_path)
    assert find_skeleton("mine.yaml", tmp_path, sigmas=0.05).sigmas == (0.05, 0.05)
    (tmp_path / "mine.yaml").write_text("keypoints: [a, b]\nskeleton: [[a, c]]\nparts: {arm: [d]}\nkeypoint_sigmas: 1")
    with pytest.raises(DataError, match=r"skeleton: pairs of two joints.*parts\.arm: joint names"):
        find_skeleton("mine.yaml", tmp_path)


@pytest.mark.parametrize(
    ("text", "rule"),
    [("[1, 2]", "must be a mapping"), ("a: [", "cannot be read"), ("\x00", "cannot be read"), (None, "cannot be read")],
)
def test_what_is_no_skeleton_file_is_refused(tmp_path: Path, text: str | None, rule: str) -> None:
    if text is not None:
        (tmp_path / "odd.yaml").write_text(text)
    with pytest.raises(DataError, match=rf"odd\.yaml: {rule}"):
        find_skeleton("odd.yaml", tmp_path)
    with pytest.raises(DataError, match=r"got 'cocoa'; did you mean coco\?"):
        find_skeleton("cocoa")


def test_given_joints_stand_in_for_the_files_and_change_its_fingerprint(
    people: Path, edit: Callable[[Callable[[dict[str, Any]], Any]], None]
) -> None:
    as_it_is = data_fingerprint(people, "train")
    edit(lambda parsed: parsed["categories"][0].update(keypoints=[], skeleton=[[99, 1]]))
    assert not check_split(people, "train").ok
    given = category_of(find_skeleton("coco", sigmas=0.05))
    assert check_split(people, "train", given=given).ok
    data = load_pose_data(people, "train", given)
    assert data.skeleton.sigmas == (0.05,) * 17
    assert len({as_it_is, data.fingerprint, data_fingerprint(people, "train", category_of(COCO))}) == 3
    assert read_truth(data.annotation_file, data.skeleton.sigmas, given=data.given).sigmas == data.skeleton.sigmas


def test_sigmas_alone_may_be_given(people: Path, edit: Callable[[Callable[[dict[str, Any]], Any]], None]) -> None:
    edit(lambda parsed: parsed["categories"][0].update(keypoint_sigmas=None, keypoints=list("abcdefghijklmnopq")))
    edit(lambda parsed: parsed["categories"][0].update(flip_pairs=[], skeleton=[]))
    assert "keypoint_sigmas" in str(check_split(people, "train").problems[0])
    assert load_pose_data(people, "train", {"keypoint_sigmas": 0.05}).skeleton.sigmas == (0.05,) * 17


def test_categories_of_one_skeleton_are_all_posed_and_heads_and_crowds_are_read(
    people: Path, edit: Callable[[Callable[[dict[str, Any]], Any]], None]
) -> None:
    def animals(parsed: dict[str, Any]) -> None:
        joints = parsed["categories"][0]
        parsed["categories"] = [{**joints, "id": 3, "name": "cat"}, {**joints, "id": 5, "name": "cow"}]
        for number, row in enumerate(parsed["annotations"]):
            row.update(category_id=3 if number % 2 else 5, head_size=12.5)
        for row in parsed["images"]:
            row["crowdIndex"] = 0.25

    edit(animals)
    data = load_pose_data(people, "train")
    assert data.categories == {3: "cat", 5: "cow"}
    assert [person.category_id for person in data.people] == [5, 3, 5, 3, 5, 3, 5]
    assert {(person.head_size, person.crowd_index) for person in data.people} == {(12.5, 0.25)}
    edit(lambda parsed: parsed["annotations"][0].update(head_size=0))
    edit(lambda parsed: parsed["images"][0].update(crowdIndex="full"))
    assert [one.field.rpartition(".")[2] for one in check_split(people, "train").problems] == [
        "crowdIndex",
        "head_size",
    ]
