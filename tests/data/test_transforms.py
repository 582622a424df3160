"""Crops, augmentation and targets: agreement with the authors' pipeline, and what each setting does."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from distilpose.data.codecs import gaussian_heatmaps, heatmap_weights
from distilpose.data.skeleton import COCO
from distilpose.data.transforms import (
    Augmentation,
    Boxes,
    augmented_boxes,
    crop_joints,
    crop_matrices,
    draw,
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
    torch.testing.assert_close(weights, torch.stack([s["heatmap_weight"][:, 0] for s in drawn]))
    maps = gaussian_heatmaps(keypoints, weights, (48, 64))
    torch.testing.assert_close(maps, torch.stack([s["heatmap"] for s in drawn]), atol=2e-6, rtol=0)
