"""Targets for heatmap models."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def gaussian_heatmaps(
    keypoints: Float[Tensor, "batch joints 2"],
    visible: Float[Tensor, "batch joints"],
    size: tuple[int, int],
    sigma: float = 2.0,
) -> Float[Tensor, "batch joints height width"]:
    """Unbiased Gaussians with peak 1, one a joint, on the device of `keypoints`; joints with weight 0 give zeros.

    Args:
        keypoints: (x, y) in [0, 1] of the crop; the centre is x * width, y * height, never rounded.
        visible: the joints to draw: `Batch.visible`, or the official choice `heatmap_weights`.
        size: (width, height) of the maps.
        sigma: in heatmap pixels.

    Source: the unbiased encoding of DARK (Zhang et al., 2020) as mmpose 0.x has it.
    """
    if sigma <= 0:
        raise ValueError(f"sigma: positive, in heatmap pixels, got {sigma}")
    width, height = size
    x = torch.arange(width, device=keypoints.device, dtype=keypoints.dtype)
    y = torch.arange(height, device=keypoints.device, dtype=keypoints.dtype)
    # a Gaussian is the product of one along each axis: two short exponentials instead of width * height long ones
    gx = torch.exp((x - keypoints[..., 0:1] * width).square() * (-0.5 / sigma**2))
    gy = torch.exp((y - keypoints[..., 1:2] * height).square() * (-0.5 / sigma**2)) * (visible > 0)[..., None]
    return gy[..., :, None] * gx[..., None, :]


def heatmap_weights(
    keypoints: Float[Tensor, "batch joints 2"],
    labelled: Float[Tensor, "batch joints"],
    size: tuple[int, int],
    sigma: float = 2.0,
) -> Float[Tensor, "batch joints"]:
    """1 for the joints that the official heatmap target draws: labelled, and within 3 sigma of the map, else 0.

    Such joints may lie outside the crop; `Batch.visible` (which regression uses) leaves those out.
    """
    extent = torch.tensor(size, device=keypoints.device, dtype=keypoints.dtype)
    center = keypoints * extent
    inside = ((center - 3 * sigma < extent) & (center + 3 * sigma + 1 >= 0)).all(-1)
    return labelled * inside
