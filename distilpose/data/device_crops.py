"""Crops of a batch cut on a device, all at once, by one affine `grid_sample`: the same maths as `transforms.warp`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as functional
from jaxtyping import Float, Int64, UInt8
from numpy import ndarray
from torch import Tensor

from distilpose.data.normalise import IMAGENET_MEAN, IMAGENET_STD

# Of float pictures on the device at a time: large pictures are cut in several parts.
_FLOAT_BYTES = 2**29


def cut_on_device(
    pictures: Sequence[UInt8[ndarray, "rows columns 3"]],
    matrices: Float[ndarray, "n 2 3"],
    input_size: tuple[int, int],
    device: torch.device,
) -> Float[Tensor, "n 3 height width"]:
    """The crops, ImageNet-normalised, on the device: bilinear with a zero border, not rounded to whole grey levels.

    Only what a crop shows of its picture goes to the device, as bytes.

    Args:
        pictures: RGB, one a person.
        matrices: from pixels of the picture to pixels of the crop (`crop_matrices`).
        input_size: (width, height) of the crops.
        device: where to.
    """
    inverse = _inverse(matrices)
    low, high = _shown(inverse, np.array([image.shape[1::-1] for image in pictures], np.int64), input_size)
    inverse[:, :, 2] -= low
    parts = [image[y0:y1, x0:x1] for image, (x0, y0), (x1, y1) in zip(pictures, low, high, strict=True)]
    mean, std = (torch.tensor(numbers, device=device)[:, None, None] for numbers in (IMAGENET_MEAN, IMAGENET_STD))
    images = torch.empty((len(parts), 3, input_size[1], input_size[0]), device=device)
    for rows in _rooms(high - low):
        # at least 2 pixels, since -1 to 1 is what lies between the first and the last
        columns, lines = np.maximum((high - low)[rows].max(0), 2).tolist()
        padded = np.zeros((rows.stop - rows.start, lines, columns, 3), np.uint8)
        for into, part in zip(padded, parts[rows], strict=True):
            into[: part.shape[0], : part.shape[1]] = part
        values = torch.from_numpy(padded).to(device, non_blocking=True).permute(0, 3, 1, 2).float()
        theta = torch.from_numpy(_unit_frames(inverse[rows], input_size, (columns, lines))).to(device)
        grid = functional.affine_grid(theta, [len(values), 3, *images.shape[2:]], align_corners=True)
        images[rows] = functional.grid_sample(values, grid, "bilinear", "zeros", align_corners=True)
    return images.div_(255).sub_(mean).div_(std)


def _inverse(matrices: Float[ndarray, "n 2 3"]) -> Float[ndarray, "n 2 3"]:
    """From crop pixels to picture pixels."""
    linear = np.linalg.inv(matrices[:, :, :2])
    return np.concatenate([linear, -linear @ matrices[:, :, 2:]], axis=2)


def _shown(
    inverse: Float[ndarray, "n 2 3"], sizes: Int64[ndarray, "n 2"], input_size: tuple[int, int]
) -> tuple[Int64[ndarray, "n 2"], Int64[ndarray, "n 2"]]:
    """The first column and row of the picture that a crop's pixels need, and the first that they do not need any more.

    One pixel more than needed on every side, within the picture, and never less than one pixel of it.
    """
    right, bottom = input_size[0] - 1.0, input_size[1] - 1.0
    corners = np.array([[0, right, 0, right], [0, 0, bottom, bottom], [1, 1, 1, 1]])
    places = inverse @ corners
    low = np.clip(np.floor(places.min(2)).astype(np.int64) - 1, 0, sizes - 1)
    high = np.clip(np.floor(places.max(2)).astype(np.int64) + 3, low + 1, sizes)
    return low, high


def _rooms(sizes: Int64[ndarray, "n 2"]) -> Iterator[slice]:
    """The batch in parts that are small enough, padded to the largest of all."""
    each = int(sizes[:, 0].max() * sizes[:, 1].max()) * 12
    count = max(1, _FLOAT_BYTES // each)
    for begin in range(0, len(sizes), count):
        yield slice(begin, min(begin + count, len(sizes)))


def _unit_frames(
    inverse: Float[ndarray, "n 2 3"], input_size: tuple[int, int], size: tuple[int, int]
) -> Float[ndarray, "n 2 3"]:
    """The same maps between frames in which -1 is the first pixel's centre and 1 the last one's, as float32."""
    half_crop = (np.array(input_size) - 1) / 2
    half = (np.array(size) - 1) / 2
    linear = inverse[:, :, :2] * half_crop[None, None, :] / half[None, :, None]
    shift = (inverse[:, :, :2] @ half_crop + inverse[:, :, 2]) / half - 1
    return np.concatenate([linear, shift[:, :, None]], axis=2, dtype=np.float32)
