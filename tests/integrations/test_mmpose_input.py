"""Our crops and joints are those of mmpose's own training pipeline, wherever its random choices lead."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.mmpose_samples import MMPoseBatches, mmpose_dataset
from distilpose.data.coco import load_pose_data
from distilpose.data.skeleton import COCO
from distilpose.data.transforms import Boxes, crop_joints, crop_matrices, read_rgb, warp

SIZE = (192, 256)


@pytest.fixture
def results(coco_mini_dir: Path) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """What mmpose's data set says of every person, and its pipeline before it packs."""
    np.random.seed(0)  # noqa: NPY002 - mmpose's transforms draw from it
    dataset = mmpose_dataset(load_pose_data(coco_mini_dir, "train2017"), SIZE)
    found = []
    for index in range(len(dataset)):
        before = dataset.get_data_info(index)
        after = dataset.get_data_info(index)
        for transform in dataset.pipeline.transforms[:-1]:
            after = transform(after)
        found.append((before, after))
    return found


def test_joints_agree_to_a_twentieth_of_a_pixel_and_crops_up_to_rounding(results) -> None:
    assert len(results) > 80
    assert 20 < sum(after["flip"] for _, after in results) < len(results) - 20
    for before, after in results:
        image = read_rgb(before["img_path"])
        width, flip = np.array([image.shape[1]]), np.array([after["flip"]])
        boxes = Boxes(
            after["input_center"][None].astype(float),
            after["input_scale"][None].astype(float),
            np.asarray(after["bbox_rotation"], float).reshape(1),
            flip,
        )
        matrices = crop_matrices(boxes, width, SIZE)
        keypoints = np.concatenate([before["keypoints"], before["keypoints_visible"][..., None]], -1)
        joints = crop_joints(keypoints, matrices, flip, skeleton=COCO, input_size=SIZE)
        labelled = joints.labelled[0] > 0
        theirs = after["transformed_keypoints"][0]
        np.testing.assert_array_equal(labelled, after["keypoints_visible"][0] > 0)
        np.testing.assert_allclose((joints.keypoints[0] * SIZE)[labelled], theirs[labelled], atol=0.05)
        crop = after["img"][..., ::-1].astype(float)
        assert np.abs(warp(image, matrices[0], SIZE) - crop).max() <= 1
        assert np.abs(warp(image, matrices[0], SIZE) - crop).mean() < 0.01


def test_a_batch_is_what_mmposes_model_gets(coco_mini_dir: Path) -> None:
    data = load_pose_data(coco_mini_dir, "train2017")
    batches = MMPoseBatches(data, SIZE, 64).epoch()
    assert [tuple(batch.shape[1:]) for batch in batches] == [(3, 256, 192)] * 2
    assert sum(len(batch) for batch in batches) == len(data.people)
    assert torch.cat(batches).min() == pytest.approx(-0.485 / 0.229, abs=1e-3)
