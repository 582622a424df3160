"""Parts of data sets, several as one, sigmas of repeated annotations, and the page on a split."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from distilpose.data.agreement import estimate_sigmas
from distilpose.data.check import check_data
from distilpose.data.coco import PoseData, load_pose_data
from distilpose.data.editing import write_division, write_merged, write_subset
from distilpose.data.errors import DataError
from distilpose.data.skeleton import COCO
from distilpose.pictures.data_page import write_data_page
from distilpose.synthetic.dataset import write_synthetic
from distilpose.synthetic.spec import SyntheticSpec
from experiments.cli.main import app


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_synthetic(SyntheticSpec(train=20, val=6, seed=0), tmp_path_factory.mktemp("drawn") / "people")


def sound(root: Path) -> bool:
    return all(report.ok for report in check_data(root))


def test_a_subset_has_the_people_and_joints_that_are_wanted_of_the_same_pictures(drawn: Path, tmp_path: Path) -> None:
    assert write_subset(drawn, tmp_path / "a", {"train": 7, "val": 99}, drop=["nose", "left eye"]) == {
        "train": 7,
        "val": 6,
    }
    write_subset(drawn, tmp_path / "b", {"train": 7}, drop=["nose", "left_eye"])
    assert sound(tmp_path / "a")
    data = load_pose_data(tmp_path / "a", "train")
    assert data.skeleton == COCO.take([0 + joint for joint in range(17) if joint not in (0, 1)])
    assert data.fingerprint == load_pose_data(tmp_path / "b", "train").fingerprint
    whole = {person.annotation_id: person for person in load_pose_data(drawn, "train").people}
    for person in data.people:
        same = whole[person.annotation_id]
        np.testing.assert_array_equal(person.keypoints, same.keypoints[[0 + j for j in range(17) if j not in (0, 1)]])
        assert person.image.read_bytes() == same.image.read_bytes()
    with pytest.raises(ValueError, match="no such joint"):
        write_subset(drawn, tmp_path / "c", {"train": 7}, drop=["tail"])
    with pytest.raises(DataError, match="nobody has a labelled joint beside"):
        write_subset(drawn, tmp_path / "c", {"train": 7}, drop=COCO.names)


def test_a_skeleton_of_some_joints_keeps_what_lies_between_them() -> None:
    arm = COCO.take([9, 5, 6])
    assert (arm.names, arm.limbs, arm.flip_pairs) == (
        ("left_wrist", "left_shoulder", "right_shoulder"),
        ((1, 2),),
        ((1, 2),),
    )
    assert (arm.sigmas, arm.upper_body) == ((0.062, 0.079, 0.079), (0, 1, 2))


def test_a_split_is_divided_by_pictures_and_merged_again_with_new_numbers(drawn: Path, tmp_path: Path) -> None:
    everybody = {split: len(load_pose_data(drawn, split).people) for split in ("train", "val")}
    divided = write_division(drawn, tmp_path / "halves", "train", into="test", share=0.25, seed=1)
    assert sum(divided.values()) == everybody["train"]
    assert sound(tmp_path / "halves")
    halves = {split: load_pose_data(tmp_path / "halves", split) for split in ("train", "test")}
    names = {split: {image.path.name for image in data.images} for split, data in halves.items()}
    assert (len(names["test"]), names["train"] & names["test"]) == (5, set())
    assert write_merged([drawn, tmp_path / "halves"], tmp_path / "both") == {
        "train": everybody["train"] + divided["train"],
        "val": 2 * everybody["val"],
        "test": divided["test"],
    }
    assert sound(tmp_path / "both")
    merged = load_pose_data(tmp_path / "both", "val")
    assert [person.annotation_id for person in merged.people] == sorted(
        {person.annotation_id for person in merged.people}
    )
    with pytest.raises(DataError, match="test would have nobody"):
        write_division(drawn, tmp_path / "more", "train", into="test", share=0.001, seed=1)
    with pytest.raises(DataError, match="holds a split train already"):
        write_division(drawn, tmp_path / "halves", "train", into="test", share=0.5, seed=1)
    with pytest.raises(DataError, match="has a split val already; divide train into another"):
        write_division(drawn, tmp_path / "more", "train", into="val", share=0.5, seed=1)
    write_subset(drawn, tmp_path / "few", {"train": 7}, drop=["nose"])
    with pytest.raises(DataError, match=r"keypoints: must be those of .* to be merged"):
        write_merged([drawn, tmp_path / "few"], tmp_path / "none")


def moved(drawn: Path, out: Path, sigmas: np.ndarray, rng: np.random.Generator) -> PoseData:
    """The people as another annotator would label them, who errs by these sigmas."""
    write_subset(drawn, out, {"train": 10**6})
    file = out / "annotations" / "train.json"
    content = json.loads(file.read_text())
    for row in content["annotations"]:
        flat = np.array(row["keypoints"]).reshape(-1, 3)
        flat[:, :2] += rng.normal(size=(17, 2)) * (sigmas / np.sqrt(2) * np.sqrt(row["area"]))[:, None]
        row["keypoints"] = flat.ravel().tolist()
    file.write_text(json.dumps(content))
    return load_pose_data(out, "train")


def test_sigmas_are_found_from_annotators_who_err_by_them(tmp_path: Path) -> None:
    drawn = write_synthetic(SyntheticSpec(train=300, val=1, seed=0, size=(64, 64)), tmp_path / "drawn")
    rng, true = np.random.default_rng(0), np.linspace(0.03, 0.1, 17)
    sets = [moved(drawn, tmp_path / str(number), true, rng) for number in range(3)]
    found = estimate_sigmas(sets)
    assert [one.joint for one in found] == list(COCO.names)
    np.testing.assert_allclose([one.sigma or 0 for one in found], true, rtol=0.1)
    other = write_synthetic(SyntheticSpec(train=2, val=1, seed=0), tmp_path / "other")
    (other / "images" / "train").rename(other / "images" / "old")
    strangers = load_pose_data(other, "val")
    with pytest.raises(DataError, match="no person is annotated in two of the sets"):
        estimate_sigmas([sets[0], strangers])


def test_the_page_is_a_picture_and_every_command_says_what_it_wrote(drawn: Path, tmp_path: Path) -> None:
    write_data_page(load_pose_data(drawn, "val"), tmp_path / "page.png")
    page = cv2.imread(str(tmp_path / "page.png"))
    assert min(page.shape[:2]) > 1000
    runner = CliRunner()

    def run(*words: object) -> str:
        done = runner.invoke(app, ["data", *map(str, words)])
        return done.stdout if done.exception is None else str(done.exception)

    assert run("subset", drawn, tmp_path / "s", "--train", 5, "--drop", "nose") == f"train: 5 people in {tmp_path}/s\n"
    assert "--train, --val or both" in run("subset", drawn, tmp_path / "t")
    assert run("split", tmp_path / "s", tmp_path / "h", "--into", "test", "--share", 0.4).startswith("train: 3 people")
    assert run("merge", tmp_path / "s", tmp_path / "h", "--out", tmp_path / "m").startswith("train: 8 people")
    assert "two sets of the same pictures are needed" in run("sigmas", drawn)
    assert "keypoint_sigmas: [0.0000, " in run("sigmas", tmp_path / "s", tmp_path / "s")
    assert json.loads(run("sigmas", drawn, drawn, "--json"))[0]["joint"] == "nose"
    assert "must end with .png" in run("stats", drawn, "--out", tmp_path / "a.txt")
