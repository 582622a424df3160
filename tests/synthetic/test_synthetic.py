"""Synthetic people: the same from the same seed, sound COCO data, labels that fit the pictures."""

import json

import cv2
import numpy as np
import pytest

from distilpose.data.check import check_data
from distilpose.data.coco import data_fingerprint, load_pose_data
from distilpose.data.errors import DataError
from distilpose.data.skeleton import COCO
from distilpose.synthetic import spec as synthetic_spec
from distilpose.synthetic.body import Limb, Pose, posed, sample_build
from distilpose.synthetic.dataset import SyntheticSpec, write_synthetic
from distilpose.synthetic.scene import Scene, draw_scene, draw_studio

SPEC = SyntheticSpec(train=12, val=5, seed=4, size=(96, 112))


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [draw_scene(np.random.default_rng([9, i]), (96, 112)) for i in range(60)]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_synthetic(SPEC, tmp_path_factory.mktemp("data") / "people")


def test_the_data_set_is_sound_coco(written):
    reports = check_data(written)
    assert [(r.split, r.ok) for r in reports] == [("train", True), ("val", True)]
    train = load_pose_data(written, "train")
    assert (len(train.people), len(train.images)) == (12, 12)
    assert train.skeleton == COCO


@pytest.mark.parametrize("processes", [1, 2])
def test_the_same_seed_writes_the_same_bytes(written, processes, tmp_path):
    again = write_synthetic(SPEC, tmp_path / "again", processes=processes)
    for split in ("train", "val"):
        assert data_fingerprint(again, split) == data_fingerprint(written, split)
    assert (again / "images/val/000003.jpg").read_bytes() == (written / "images/val/000003.jpg").read_bytes()


def test_a_longer_split_begins_with_the_shorter_and_another_seed_differs(written, tmp_path):
    longer = write_synthetic(SyntheticSpec(train=13, val=1, seed=4, size=(96, 112)), tmp_path / "longer")
    other = write_synthetic(SyntheticSpec(train=1, val=1, seed=5, size=(96, 112)), tmp_path / "other")
    name = "images/train/000001.jpg"
    assert (longer / name).read_bytes() == (written / name).read_bytes()
    assert (other / name).read_bytes() != (written / name).read_bytes()
    assert (written / "images/val/000001.jpg").read_bytes() != (written / name).read_bytes()


def test_finished_data_is_left_alone_and_other_data_is_not_overwritten(written, tmp_path):
    stamp = (written / "synthetic.json").stat().st_mtime_ns
    calls = []
    write_synthetic(SPEC, written, on_progress=lambda done, total: calls.append(done))
    assert (written / "synthetic.json").stat().st_mtime_ns == stamp
    assert not calls
    with pytest.raises(DataError, match="other synthetic people"):
        write_synthetic(SyntheticSpec(train=1, val=1), written)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    with pytest.raises(DataError, match="something else"):
        write_synthetic(SPEC, tmp_path / "mine")


def test_an_interrupted_writing_leaves_nothing(tmp_path, monkeypatch):
    def stop(done: int, total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_synthetic(SPEC, tmp_path / "people", on_progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_directory_is_filled_and_progress_is_told(tmp_path):
    (tmp_path / "people").mkdir()
    calls = []
    spec = SyntheticSpec(train=2, val=1, size=(96, 112))
    write_synthetic(spec, tmp_path / "people", on_progress=lambda done, total: calls.append((done, total)))
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_the_fingerprint_knows_everything_that_is_drawn(monkeypatch):
    changed = [
        SyntheticSpec(train=1201), SyntheticSpec(val=1), SyntheticSpec(seed=1), SyntheticSpec(size=(96, 112))
    ]  # fmt: skip
    prints = {spec.fingerprint for spec in [SyntheticSpec(), *changed]}
    assert len(prints) == 5
    assert SyntheticSpec().fingerprint in prints
    monkeypatch.setattr(synthetic_spec, "DRAWING", 0)
    assert SyntheticSpec().fingerprint not in prints


@pytest.mark.parametrize("wrong", [{"train": 0}, {"val": 0}, {"seed": -1}, {"size": (32, 200)}])
def test_settings_out_of_range_are_refused_by_name(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SyntheticSpec(**wrong)


def test_bystanders_are_annotated_as_people_without_labels(tmp_path):
    root = write_synthetic(SyntheticSpec(train=30, val=1, size=(96, 112)), tmp_path / "people")
    rows = json.loads((root / "annotations" / "train.json").read_text())["annotations"]
    others = [row for row in rows if row["num_keypoints"] == 0]
    assert 3 <= len(others) <= 20
    assert all(not any(row["keypoints"]) for row in others)
    assert len(load_pose_data(root, "train").people) == 30


def test_visibilities_of_every_kind_occur_and_labelled_joints_are_inside(scenes):
    keypoints = np.stack([scene.keypoints for scene in scenes])
    flags = keypoints[..., 2]
    assert {0, 1, 2} == set(np.unique(flags))
    assert 0.03 < (flags == 1).mean() < 0.25
    assert (flags > 0).sum(1).min() >= 8
    labelled = keypoints[flags > 0]
    assert (labelled[:, 0] <= 95).all()
    assert (labelled[:, 1] <= 111).all()
    assert (labelled[:, :2] >= 0).all()


def test_boxes_hold_the_joints_that_are_seen(scenes):
    inside = []
    for scene in scenes:
        x, y, w, h = scene.bbox
        seen = scene.keypoints[scene.keypoints[:, 2] == 2]
        inside.append((seen[:, 0] >= x - 1) & (seen[:, 0] <= x + w) & (seen[:, 1] >= y - 1) & (seen[:, 1] <= y + h))
        assert 0 < scene.area <= w * h
    assert np.concatenate(inside).all()


def test_a_face_turned_away_is_not_labelled(scenes):
    noses = np.array([scene.keypoints[0, 2] for scene in scenes])
    assert 0.1 < (noses == 0).mean() < 0.6


def test_pictures_differ_and_use_the_whole_range(scenes):
    assert all(scene.image.dtype == np.uint8 and scene.image.shape == (112, 96, 3) for scene in scenes)
    assert np.mean([scene.image.std() for scene in scenes]) > 25
    thumbs = np.stack([cv2.resize(scene.image, (4, 4), interpolation=cv2.INTER_AREA) for scene in scenes])
    assert thumbs.reshape(len(scenes), -1).std(0).min() > 20


def test_people_of_the_studio_are_whole_alone_and_of_one_suit():
    scenes = [draw_studio(np.random.default_rng([9, i]), (96, 112)) for i in range(20)]
    assert all((scene.keypoints[5:, 2] > 0).all() and not scene.bystanders for scene in scenes)
    assert np.mean([(scene.keypoints[:, 2] == 2).mean() for scene in scenes]) > 0.8
    middles = []
    for scene in scenes:  # of the thighs that can be seen
        hip, knee = scene.keypoints[11], scene.keypoints[13]
        if knee[2] == 2:
            x, y = ((hip + knee) / 2).astype(int)[:2]
            middles.append(scene.image[y, x] / scene.image[y, x].max())
    assert np.abs(np.median(middles, 0) - np.array([0.1, 1, 1])).max() < 0.1


def test_a_style_is_another_data_set_and_the_everyday_one_keeps_its_name(tmp_path):
    assert SyntheticSpec(style="studio").fingerprint != SyntheticSpec().fingerprint
    assert "style" not in SyntheticSpec().identity()
    root = write_synthetic(SyntheticSpec(train=2, val=1, size=(96, 112), style="studio"), tmp_path / "people")
    assert all(report.ok for report in check_data(root))


STILL = Limb(0, 0, 0, 0)


def pose(**changes: object) -> Pose:
    """Standing straight, facing the camera, but for the changes."""
    settings: dict = {
        "left_arm": STILL, "right_arm": STILL, "left_leg": STILL, "right_leg": STILL, "lean": 0, "side_lean": 0,
        "twist": 0, "head": (0, 0, 0), "yaw": 0, "camera_pitch": 0, "roll": 0,
    }  # fmt: skip
    return Pose(**(settings | changes))


def test_left_is_on_the_right_of_the_picture_of_someone_who_faces_us():
    build = sample_build(np.random.default_rng(0))
    facing, away = posed(build, pose()).joints, posed(build, pose(yaw=180)).joints
    for part in ("shoulder", "hip", "eye", "ear"):
        assert facing[f"left_{part}"][0] > 0 > facing[f"right_{part}"][0]
        assert away[f"left_{part}"][0] < 0 < away[f"right_{part}"][0]
    assert facing["nose"][2] > 0 > away["nose"][2]


def test_limbs_move_as_their_angles_say_and_keep_their_lengths():
    build = sample_build(np.random.default_rng(0))
    moved = posed(
        build,
        pose(left_arm=Limb(90, 0, 0, 90), right_arm=Limb(0, 90, 0, 0), left_leg=Limb(0, 0, 0, 90)),
    ).joints
    # forward, then the forearm up; sideways; the shank backwards
    assert moved["left_elbow"][2] > 1
    assert moved["left_wrist"][1] > moved["left_elbow"][1] + 1
    assert moved["right_elbow"][0] < moved["right_shoulder"][0] - 1
    assert moved["left_ankle"][2] < moved["left_knee"][2] - 1
    rest = posed(build, pose()).joints
    for a, b in (("left_shoulder", "left_elbow"), ("left_elbow", "left_wrist"), ("left_knee", "left_ankle")):
        assert np.linalg.norm(moved[a] - moved[b]) == pytest.approx(np.linalg.norm(rest[a] - rest[b]))
