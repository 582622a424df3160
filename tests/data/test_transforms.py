"""Crops, augmentation and targets: agreement with the authors' pipeline, and what each setting does."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from distilpose.data.augmentation import Augmentation
from distilpose.data.codecs import gaussian_heatmaps, heatmap_weights
from distilpose.data.errors import DataError
from distilpose.data.skeleton import COCO
from distilpose.data.transforms import (
    Boxes,
    Draws,
    augmented_boxes,
    crop_joints,
    crop_matrices,
    draw,
    half_body_boxes,
    moved_once,
    padded_boxes,
    read_rgb,
    warp,
)

SIZE = (192, 256)


@pytest.fixture
def samples(parity_dir: Path) -> list[dict]:
    return torch.load(parity_dir / "fixtures" / "data_topdown.pt", weights_only=True)["samples"]


def keypoints_of(sample: dict) -> np.ndarray:
    """Image-pixel joints with visibility from a sample of the authors' pipeline."""
    return np.concatenate([sample["joints_in"][:, :2].numpy(), sample["visible_in"][:, :1].numpy() * 2], 1)


def boxes_of(samples: list[dict]) -> Boxes:
    return Boxes(
        np.stack([s["center"].double().numpy() for s in samples]),
        np.stack([s["scale"].double().numpy() * 200 for s in samples]),
        np.array([s["rotation"] for s in samples]),
        np.array([s["flip"] for s in samples]),
    )


def test_boxes_agree_with_the_authors(samples):
    boxes = padded_boxes(np.array([s["bbox"] for s in samples]), SIZE)
    np.testing.assert_allclose(boxes.center, np.stack([s["center_box"] for s in samples]), rtol=1e-6)
    np.testing.assert_allclose(boxes.size, np.stack([s["scale_box"] for s in samples]) * 200, rtol=1e-6)


def test_augmented_boxes_agree_with_the_authors(samples, coco_mini_dir):
    widths = np.array([read_rgb(str(coco_mini_dir / "val2017" / s["image"])).shape[1] for s in samples])
    draws = draw(Augmentation(), len(samples), np.random.default_rng(0))._replace(
        shift=np.zeros((len(samples), 2)),
        flip=np.array([s["flip"] for s in samples]),
        half_body=np.array([s["mode"].startswith("half") for s in samples]),
        scale=np.array([s["scale_factor"] for s in samples]),
        rotation=np.array([s["rotation"] for s in samples]),
        upper=np.array([s.get("half_body_first_rand_then_randn", (0, 1))[1] < 0.5 for s in samples]),
    )
    boxes = augmented_boxes(
        np.array([s["bbox"] for s in samples]),
        np.stack([keypoints_of(s) for s in samples]),
        widths,
        draws,
        skeleton=COCO,
        input_size=SIZE,
        half_body_joints=8,
    )
    np.testing.assert_allclose(boxes.center, np.stack([s["center"] for s in samples]), rtol=2e-5)
    np.testing.assert_allclose(boxes.size, np.stack([s["scale"] for s in samples]) * 200, rtol=2e-5)


def test_matrices_and_crops_agree_with_the_authors(samples, coco_mini_dir):
    boxes = boxes_of(samples)
    upright = crop_matrices(boxes._replace(flip=np.zeros(len(samples), bool)), np.zeros(len(samples)), SIZE)
    # float32 centres and sizes bound the agreement
    np.testing.assert_allclose(upright, np.stack([s["matrix"] for s in samples]), atol=2e-3)
    images = [read_rgb(str(coco_mini_dir / "val2017" / s["image"])) for s in samples]
    matrices = crop_matrices(boxes, np.array([image.shape[1] for image in images]), SIZE)
    for sample, image, matrix in zip(samples, images, matrices, strict=True):
        difference = cv2.absdiff(warp(image, matrix, SIZE), sample["warped_uint8_rgb"].numpy())
        assert difference.max() <= 1, sample["mode"]
        assert difference.mean() < 1e-2


def test_joints_targets_and_weights_agree_with_the_authors(samples, coco_mini_dir):
    boxes = boxes_of(samples)
    widths = np.array([read_rgb(str(coco_mini_dir / "val2017" / s["image"])).shape[1] for s in samples])
    joints = crop_joints(
        np.stack([keypoints_of(s) for s in samples]),
        crop_matrices(boxes, widths, SIZE),
        boxes.flip,
        skeleton=COCO,
        input_size=SIZE,
    )
    targets = np.stack([s["target"].numpy() for s in samples])
    pixels = np.stack([s["joints"].numpy()[:, :2] for s in samples])
    np.testing.assert_allclose(joints.keypoints, targets, atol=1e-5)
    np.testing.assert_allclose(joints.keypoints * SIZE, pixels, atol=1e-3)
    np.testing.assert_array_equal(joints.visible, np.stack([s["target_weight"].numpy()[:, 0] for s in samples]))
    np.testing.assert_array_equal(joints.labelled, np.stack([s["visible"].numpy()[:, 0] for s in samples]))


def test_heatmap_targets_and_weights_agree_with_the_authors(samples):
    drawn = [s for s in samples if "heatmap" in s]
    keypoints = torch.stack([s["target"] for s in drawn])
    labelled = torch.stack([s["visible"][:, 0] for s in drawn])
    weights = heatmap_weights(keypoints, labelled, (48, 64))
    np.testing.assert_array_equal(weights, torch.stack([s["heatmap_weight"][:, 0] for s in drawn]))
    maps = gaussian_heatmaps(keypoints, weights, (48, 64))
    np.testing.assert_allclose(maps, torch.stack([s["heatmap"] for s in drawn]), atol=2e-6)


def keypoints_in_a_column(count: int = 1) -> np.ndarray:
    """People whose joints are all labelled, spread down the middle of a 100x200 picture."""
    y = np.linspace(20, 180, COCO.num_joints)
    one = np.column_stack([50 + 10 * np.sin(np.arange(COCO.num_joints)), y, np.full(COCO.num_joints, 2)])
    return np.repeat(one[None], count, 0)


def still(count: int, **changes: np.ndarray) -> Draws:
    """Draws that change nothing, but for `changes`."""
    no = np.zeros(count, bool)
    plain = Draws(np.zeros((count, 2)), no, no, no, np.ones(count), np.zeros(count))
    return plain._replace(**changes)


def augmented(draws: Draws, keypoints: np.ndarray | None = None, half_body_joints: int = 8) -> Boxes:
    """The boxes of people in the box (20, 10, 60, 180) of a 100-pixel wide picture."""
    count = len(draws.flip)
    return augmented_boxes(
        np.tile([20.0, 10.0, 60.0, 180.0], (count, 1)),
        keypoints_in_a_column(count) if keypoints is None else keypoints,
        np.full(count, 100),
        draws,
        skeleton=COCO,
        input_size=SIZE,
        half_body_joints=half_body_joints,
    )


def test_the_defaults_are_distilposes():
    assert Augmentation() == Augmentation(
        flip=0.5, half_body=0.3, half_body_joints=8, scale=0.35, rotation=45, rotation_p=0.6, shift=0.2, shift_p=0.3,
        shift_draw="once",
    )  # fmt: skip


def test_drawn_decisions_follow_the_published_distributions():
    n = 40_000
    draws = draw(Augmentation(shift=0.1, shift_p=0.25, shift_draw="sample"), n, np.random.default_rng(0))
    assert draws.flip.mean() == pytest.approx(0.5, abs=0.01)
    assert draws.half_body.mean() == pytest.approx(0.3, abs=0.01)
    assert draws.upper.mean() == pytest.approx(0.6915, abs=0.01)
    assert (draws.rotation != 0).mean() == pytest.approx(0.6, abs=0.01)
    assert np.abs(draws.rotation).max() == 90
    assert draws.rotation[draws.rotation != 0].std() == pytest.approx(43, abs=1)
    assert (draws.scale.min(), draws.scale.max()) == (0.65, 1.35)
    # a normal clipped at one deviation, beyond which 32 % lie
    assert np.isin(draws.scale, (0.65, 1.35)).mean() == pytest.approx(0.317, abs=0.01)
    assert (draws.shift != 0).any(1).mean() == pytest.approx(0.25, abs=0.01)
    assert np.abs(draws.shift).max() <= 0.1


@pytest.mark.parametrize(
    ("off", "field", "value"),
    [
        ({"flip": 0}, "flip", False),
        ({"half_body": 0}, "half_body", False),
        ({"scale": 0}, "scale", 1),
        ({"rotation": 0}, "rotation", 0),
        ({"rotation_p": 0}, "rotation", 0),
        ({"shift": 0}, "shift", 0),
        ({"shift": 0.2, "shift_p": 0}, "shift", 0),
        ({"shift": 0.2, "shift_draw": "once"}, "shift", 0),
    ],
)
def test_every_part_can_be_turned_off(off, field, value):
    assert (
        getattr(draw(Augmentation(**{"shift_draw": "sample"} | off), 500, np.random.default_rng(1)), field) == value
    ).all()


@pytest.mark.parametrize(
    "wrong",
    [{"flip": 1.1}, {"half_body": -0.1}, {"scale": 1.0}, {"rotation": 181}, {"shift": -1}, {"half_body_joints": -1}],
)
def test_settings_out_of_range_are_refused_by_name(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Augmentation(**wrong)


def test_an_offset_drawn_once_is_a_fraction_of_the_persons_own_box_and_changes_no_size():
    boxes = np.tile([30.0, 40.0, 20.0, 100.0], (20_000, 1))
    moved = moved_once(boxes, Augmentation(shift=0.2, shift_p=0.3), np.random.default_rng(0))
    offset = (moved - boxes)[:, :2] / [20.0, 100.0]
    assert (offset != 0).all(1).mean() == pytest.approx(0.3, abs=0.01)
    assert np.abs(offset).max() == pytest.approx(0.2, abs=1e-3)
    assert offset[(offset != 0).all(1)].std(0) == pytest.approx([0.4 / np.sqrt(12)] * 2, rel=0.02)  # uniform
    np.testing.assert_array_equal(moved[:, 2:], boxes[:, 2:])


@pytest.mark.parametrize("off", [{"shift": 0}, {"shift_p": 0}, {"shift_draw": "sample"}])
def test_no_box_is_moved_for_good_where_nothing_is_drawn_once(off):
    boxes = np.tile([30.0, 40.0, 20.0, 100.0], (500, 1))
    np.testing.assert_array_equal(moved_once(boxes, Augmentation(**off), np.random.default_rng(1)), boxes)


def test_a_person_with_few_joints_has_no_half():
    keypoints = keypoints_in_a_column()
    keypoints[:, 8:, 2] = 0
    half = still(1, half_body=np.ones(1, bool), upper=np.ones(1, bool))
    plain = augmented(still(1), keypoints)
    np.testing.assert_array_equal(augmented(half, keypoints).center, plain.center)
    assert (augmented(half, keypoints, half_body_joints=7).center != plain.center).any()


def test_each_half_is_centred_on_the_mean_of_its_joints():
    keypoints = keypoints_in_a_column(2)
    boxes = augmented(still(2, half_body=np.ones(2, bool), upper=np.array([True, False])), keypoints)
    np.testing.assert_allclose(boxes.center[0], keypoints[0, :11, :2].mean(0))
    np.testing.assert_allclose(boxes.center[1], keypoints[0, 11:, :2].mean(0))
    extent = np.ptp(keypoints[0, 11:, 1])
    np.testing.assert_allclose(boxes.size[1], [extent * 0.75 * 1.5, extent * 1.5])


def test_a_half_without_enough_joints_gives_way_to_the_other():
    keypoints = keypoints_in_a_column(3)
    keypoints[0, 2:11, 2] = 0
    keypoints[1, 13:, 2] = 0
    keypoints[2, :, :2] = 5
    found, center, _ = half_body_boxes(keypoints, np.array([True, False, True]), COCO, SIZE)
    np.testing.assert_array_equal(found, [True, True, False])
    np.testing.assert_allclose(center[0], keypoints[0, 11:, :2].mean(0))
    np.testing.assert_allclose(center[1], keypoints[1, :11, :2].mean(0))


def test_a_shift_moves_the_centre_by_a_fraction_of_the_padded_box():
    plain, moved = augmented(still(1)), augmented(still(1, shift=np.array([[0.1, -0.2]])))
    np.testing.assert_allclose(moved.center - plain.center, plain.size * [[0.1, -0.2]])


def test_joints_land_where_their_pixels_land_under_any_augmentation():
    rng = np.random.default_rng(5)
    count, size = 40, (96, 128)
    keypoints = np.zeros((count, COCO.num_joints, 3))
    keypoints[:, 5] = np.column_stack([rng.uniform(40, 60, count), rng.uniform(80, 110, count), np.full(count, 2)])
    draws = draw(Augmentation(shift=0.1, shift_draw="sample", scale=0.2), count, rng)
    boxes = augmented(draws, keypoints)._replace(rotation=draws.rotation)
    matrices = crop_matrices(boxes, np.full(count, 100), size)
    joints = crop_joints(keypoints, matrices, boxes.flip, skeleton=COCO, input_size=size)
    for i in range(count):
        image = np.zeros((200, 100, 3), np.uint8)
        cv2.circle(image, (round(keypoints[i, 5, 0]), round(keypoints[i, 5, 1])), 3, (255, 255, 255), -1)
        crop = warp(image, matrices[i], size)[..., 0].astype(float)
        rows, columns = np.mgrid[: size[1], : size[0]]
        middle = np.array([(crop * columns).sum(), (crop * rows).sum()]) / crop.sum()
        # the left shoulder is the right one of a mirrored picture
        shown = 6 if draws.flip[i] else 5
        np.testing.assert_allclose(joints.keypoints[i, shown] * size, middle, atol=1.5)
        assert joints.visible[i].sum() == 1


def test_unlabelled_joints_stay_at_zero_and_outside_ones_keep_their_place():
    keypoints = keypoints_in_a_column()
    keypoints[0, 0] = (np.nan, 3, 0)
    keypoints[0, 1] = (900, 100, 1)
    boxes = padded_boxes(np.array([[20.0, 10.0, 60.0, 180.0]]), SIZE)
    joints = crop_joints(
        keypoints, crop_matrices(boxes, np.array([100]), SIZE), boxes.flip, skeleton=COCO, input_size=SIZE
    )
    assert (joints.keypoints[0, 0] == 0).all()
    assert (joints.labelled[0, 0], joints.visible[0, 0]) == (0, 0)
    assert (joints.labelled[0, 1], joints.visible[0, 1]) == (1, 0)
    assert joints.keypoints[0, 1, 0] > 1
    assert joints.visible[0, 2:].all()


def test_a_picture_that_is_not_there_is_an_error_with_its_name(tmp_path):
    with pytest.raises(DataError, match=r"gone\.jpg"):
        read_rgb(str(tmp_path / "gone.jpg"))
