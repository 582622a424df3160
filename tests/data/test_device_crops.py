"""A batch cut by one `grid_sample` shows what OpenCV cuts one by one: bilinear, zeros outside."""

import numpy as np
import pytest
import torch

from distilpose.data import device_crops
from distilpose.data.augmentation import Augmentation
from distilpose.data.coco import PoseData, load_pose_data
from distilpose.data.device_crops import cut_on_device
from distilpose.data.normalise import IMAGENET_MEAN, IMAGENET_STD
from distilpose.data.stream import PeopleStream
from distilpose.data.transforms import Boxes, crop_matrices, warp

SIZE = (48, 64)
CPU = torch.device("cpu")
BUSY = Augmentation(half_body_joints=4, shift=0.3, shift_p=1.0, shift_draw="sample")


def matrices_of(count: int, size: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Crops of every turn and scale, mirrored or not, some of them partly or all outside of the picture."""
    rng = np.random.default_rng(seed)
    width = rng.uniform(0.2, 2.5, count) * size[0]
    boxes = Boxes(
        rng.uniform(-0.3, 1.3, (count, 2)) * size,
        np.stack([width, width * SIZE[1] / SIZE[0]], 1),
        rng.uniform(-180, 180, count),
        rng.random(count) < 0.5,
    )
    return crop_matrices(boxes, np.full(count, size[0]), SIZE)


def grey_levels(images: torch.Tensor) -> np.ndarray:
    """0 to 255, [n, height, width, 3]."""
    mean, std = (torch.tensor(numbers)[:, None, None] for numbers in (IMAGENET_MEAN, IMAGENET_STD))
    return (255 * (images * std + mean)).permute(0, 2, 3, 1).double().numpy()


def bilinear(image: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """The crop in float64, straight from the definition."""
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))
    v, u = np.mgrid[: SIZE[1], : SIZE[0]]
    x, y, _ = np.einsum("ij,jhw->ihw", inverse, np.stack([u, v, np.ones_like(u)]).astype(float))
    out = np.zeros((SIZE[1], SIZE[0], 3))
    for dx in (0, 1):
        for dy in (0, 1):
            column, row = np.floor(x).astype(int) + dx, np.floor(y).astype(int) + dy
            inside = (column >= 0) & (row >= 0) & (column < image.shape[1]) & (row < image.shape[0])
            weight = (1 - np.abs(x - column)) * (1 - np.abs(y - row)) * inside
            out += weight[..., None] * image[row.clip(0, image.shape[0] - 1), column.clip(0, image.shape[1] - 1)]
    return out


@pytest.mark.parametrize("size", [(90, 70), (33, 1), (2, 2), (1, 1)])
def test_it_is_bilinear_to_a_hundredth_of_a_grey_level(size):
    image = np.random.default_rng(1).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    matrices = matrices_of(40, size)
    levels = grey_levels(cut_on_device([image] * 40, matrices, SIZE, CPU))
    for level, matrix in zip(levels, matrices, strict=True):
        np.testing.assert_allclose(level, bilinear(image, matrix), atol=0.02)


def test_places_agree_to_a_hundredth_of_a_pixel():
    # a picture whose red and green are its columns and rows tells where a crop's pixel was taken from
    columns, rows = np.meshgrid(np.arange(250), np.arange(200))
    image = np.stack([columns, rows, np.full_like(rows, 255)], -1).astype(np.uint8)
    matrices = matrices_of(50, (250, 200))
    levels = grey_levels(cut_on_device([image] * 50, matrices, SIZE, CPU))
    v, u = np.mgrid[: SIZE[1], : SIZE[0]]
    compared = 0
    for level, matrix in zip(levels, matrices, strict=True):
        inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]
        expected = np.einsum("ij,jhw->hwi", inverse, np.stack([u, v, np.ones_like(u)]).astype(float))
        inside = level[..., 2] > 254.9
        np.testing.assert_allclose(level[inside][:, :2], expected[inside], atol=0.01)
        compared += inside.sum()
    assert compared > 10_000


def test_opencv_agrees_up_to_rounding_to_whole_levels():
    image = np.random.default_rng(1).integers(0, 256, (70, 90, 3), dtype=np.uint8)
    matrices = matrices_of(40, (90, 70))
    levels = grey_levels(cut_on_device([image] * 40, matrices, SIZE, CPU))
    for level, matrix in zip(levels, matrices, strict=True):
        np.testing.assert_allclose(level, warp(image, matrix, SIZE), atol=0.55)


def test_pictures_of_many_sizes_and_parts_of_a_batch_change_nothing(monkeypatch):
    rng = np.random.default_rng(2)
    sizes = [(90, 70), (20, 200), (1, 1), (64, 64), (300, 30)]
    pictures = [rng.integers(0, 256, (h, w, 3), dtype=np.uint8) for w, h in sizes]
    matrices = np.concatenate([matrices_of(1, size, seed) for seed, size in enumerate(sizes)])
    whole = cut_on_device(pictures, matrices, SIZE, CPU)
    alone = torch.cat([cut_on_device([p], m[None], SIZE, CPU) for p, m in zip(pictures, matrices, strict=True)])
    torch.testing.assert_close(whole, alone, atol=1e-3, rtol=0)
    monkeypatch.setattr(device_crops, "_FLOAT_BYTES", 1)
    torch.testing.assert_close(cut_on_device(pictures, matrices, SIZE, CPU), whole, atol=1e-3, rtol=0)


@pytest.fixture
def data(people) -> PoseData:
    return load_pose_data(people, "train")


def test_a_stream_cuts_the_same_crops_on_a_device(data):
    options = {"input_size": SIZE, "augmentation": BUSY, "seed": 3, "batch_size": 3}
    for one, other in zip(
        PeopleStream(data, **options).epoch(0), PeopleStream(data, device=CPU, **options).epoch(0), strict=True
    ):
        assert all(torch.equal(left, right) for left, right in zip(one[1:], other[1:], strict=True))
        assert other.images.is_contiguous()
        np.testing.assert_allclose(grey_levels(one.images), grey_levels(other.images), atol=0.55)
