"""Crops as the model gets them, made into pictures again."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from torch import Tensor

from distilpose.data.normalise import IMAGENET_MEAN, IMAGENET_STD
from distilpose.pictures.palette import Image, heat

Lattice = Literal["patches", "points"]
HEATMAP_STRIDE = 4  # crop pixels in a step of a heatmap
_WIDEST_BLUR = 16.0  # pixels: a blur takes as long as it is wide, and a picture of few pixels has nothing to sharpen


def denormalised(images: Float[Tensor, "batch 3 height width"]) -> UInt8[NDArray[np.uint8], "batch height width 3"]:
    """Return normalised crops as RGB pictures."""
    mean = torch.tensor(IMAGENET_MEAN)[:, None, None]
    std = torch.tensor(IMAGENET_STD)[:, None, None]
    pixels = (images.detach().float().cpu() * std + mean) * 255
    return pixels.round().clamp(0, 255).byte().permute(0, 2, 3, 1).numpy()


def enlarged(image: Image, height: int) -> Image:
    """Return a picture scaled to a height, a small one sharpened so that it does not look washed out."""
    width = max(1, round(image.shape[1] * height / image.shape[0]))
    if height <= image.shape[0]:
        return np.asarray(cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA))
    large = cv2.resize(image, (width, height), interpolation=cv2.INTER_LANCZOS4)
    blurred = cv2.GaussianBlur(large, (0, 0), min(height / image.shape[0] * 0.8, _WIDEST_BLUR))
    return np.asarray(cv2.addWeighted(large, 1.7, blurred, -0.7, 0))


def dimmed(image: Image, share: float = 0.45) -> Image:
    """Return a picture in grey and darker, for something coloured to lie on."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) * share
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=-1)


def overlaid(image: Image, values: Float[NDArray[np.floating], "rows columns"], *, lattice: Lattice) -> Image:
    """Return a picture in grey under a heat map of values in [0, 1]; 0 lets the picture through."""
    large = np.clip(resampled(values, (image.shape[1], image.shape[0]), lattice), 0, 1)
    opacity = np.minimum(1, large * 1.6)[..., None] * 0.85
    return np.asarray((dimmed(image) * (1 - opacity) + heat(large) * opacity).astype(np.uint8))


def resampled(
    values: Float[NDArray[np.floating], "rows columns"], size: tuple[int, int], lattice: Lattice
) -> Float[NDArray[np.float32], "height width"]:
    """Return a map as large as a picture of a size, (width, height) in pixels.

    lattice: what a value stands for. "patches": one of rows x columns equal patches, all of it. "points": as in
        heatmaps, smooth between: column j is at j / columns of the width and row i at i / rows of the height, where a
        pixel of the crop is a quarter of a step wide.
    """
    width, height = size
    rows, columns = values.shape
    inset = 0.5 if lattice == "patches" else 0.5 / HEATMAP_STRIDE
    scale = np.array([columns / width, rows / height])
    shift = 0.5 * scale - inset
    matrix = np.array([[scale[0], 0, shift[0]], [0, scale[1], shift[1]]])
    how = cv2.INTER_NEAREST if lattice == "patches" else cv2.INTER_CUBIC
    large: NDArray[np.float32] = cv2.warpAffine(
        values.astype(np.float32),
        matrix,
        (width, height),
        flags=how | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return large
