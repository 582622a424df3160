"""From what a model returns to points: heatmap maxima and their refinement, crop to image."""

from collections.abc import Sequence
from typing import Literal, NamedTuple, Protocol, Self, get_args, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from distilpose.evaluation.flip import FlipTest

Refinement = Literal["none", "quarter", "dark"]


class Points(NamedTuple):
    """Joints of a batch of crops: `keypoints` (x, y) in [0, 1] of the crop, `scores` one a joint.

    Without `has_scores` the model tells none, and each is 1.
    """

    keypoints: Float[Tensor, "batch joints 2"]
    scores: Float[Tensor, "batch joints"]
    has_scores: bool = True


@runtime_checkable
class Readable(Protocol):
    """What a model must return to be evaluated."""

    def merged(self, mirrored: Self, partners: Sequence[int], width: int, how: FlipTest) -> Self:
        """Return its mean with what the model says of the mirrored crop, `width` pixels wide.

        `partners[k]` is the joint that joint k becomes in a mirror.
        """

    def points(self, refinement: Refinement = "dark") -> Points:
        """Return the joints; `refinement` is of heatmaps' maxima."""


def decode_heatmaps(
    heatmaps: Float[Tensor, "batch joints height width"], refinement: Refinement = "dark", kernel: int = 11
) -> Points:
    """Return each heatmap's maximum as a point and its value as the score.

    `refinement` moves the maximum by a fraction of a heatmap pixel: "quarter" by a quarter towards the higher
    neighbour; "dark" by a Newton step on the logarithm of the heatmap blurred with a Gaussian of `kernel` taps
    (Zhang et al., Distribution-Aware Coordinate Representation, CVPR 2020, equations 5-10); "none" not at all.
    Column j of a heatmap w wide is at x = j / w of the crop, as in training. A heatmap without any positive value
    puts its joint one heatmap pixel outside the crop, at (-1 / w, -1 / h), with that value as score.

    Raises ValueError for an unknown refinement or a kernel that is not odd and positive.
    """
    height, width = heatmaps.shape[-2:]
    heatmaps = heatmaps.float()
    scores, column, row = _maxima(heatmaps)
    if refinement == "dark":
        offset = _newton_offsets(heatmaps, scores, column, row, kernel)
    elif refinement == "quarter":
        offset = _quarter_offsets(heatmaps, column, row)
    elif refinement == "none":
        offset = torch.zeros(*scores.shape, 2, device=heatmaps.device)
    else:
        raise ValueError(f"refinement: must be one of {', '.join(get_args(Refinement))}, got {refinement!r}")
    found = (scores > 0)[..., None]
    pixels = torch.where(found, torch.stack([column, row], -1) + offset, torch.full_like(offset, -1.0))
    return Points(pixels / torch.tensor([width, height], device=heatmaps.device), scores)


def crop_to_image(
    keypoints: Float[Tensor, "batch joints 2"], center: Float[Tensor, "batch 2"], scale: Float[Tensor, "batch 2"]
) -> Float[Tensor, "batch joints 2"]:
    """Return points in image pixels from points in [0, 1] of a crop: p * box + centre - box / 2.

    `center` and `scale` are the padded box's middle and (width, height), in image pixels.
    """
    return keypoints * scale[:, None] + (center - scale / 2)[:, None]


def gaussian_taps(kernel: int) -> Float[Tensor, " taps"]:
    """Return the `kernel` weights of a Gaussian blur, summing to 1, of the width OpenCV takes for that many taps.

    Raises ValueError when the number is not odd and positive.
    """
    if kernel < 1 or kernel % 2 == 0:
        raise ValueError(f"kernel: the blur needs an odd, positive number of taps, got {kernel}; DARK's is 11")
    sigma = 0.3 * ((kernel - 1) / 2 - 1) + 0.8
    distance = torch.arange(kernel, dtype=torch.float64) - (kernel - 1) / 2
    taps = torch.exp(-(distance**2) / (2 * sigma**2))
    return taps / taps.sum()


def _maxima(heatmaps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return value, column and row of each heatmap's maximum (the first, row by row)."""
    width = heatmaps.shape[-1]
    flat = heatmaps.flatten(-2)
    index = flat.argmax(-1)
    return flat.gather(-1, index[..., None])[..., 0], index % width, index // width


def _values_at(heatmaps: Tensor, column: Tensor, row: Tensor) -> Tensor:
    """Return heatmap values at [batch, joints, n] columns and rows, which must lie inside."""
    return heatmaps.flatten(-2).gather(-1, row * heatmaps.shape[-1] + column)


def _neighbours(
    heatmaps: Tensor, column: Tensor, row: Tensor, steps: tuple[tuple[int, int], ...]
) -> tuple[Tensor, ...]:
    """Return for each (dx, dy) of `steps` the values that far from the maxima, clamped to the edge."""
    height, width = heatmaps.shape[-2:]
    across, down = torch.tensor(steps, device=heatmaps.device).unbind(-1)
    columns = (column[..., None] + across).clamp(0, width - 1)
    rows = (row[..., None] + down).clamp(0, height - 1)
    return _values_at(heatmaps, columns, rows).unbind(-1)


def _quarter_offsets(heatmaps: Tensor, column: Tensor, row: Tensor) -> Tensor:
    """Return +-1/4 pixel (x, y) towards the higher neighbour; 0 within a pixel of the edge."""
    height, width = heatmaps.shape[-2:]
    right, left, below, above = _neighbours(heatmaps, column, row, ((1, 0), (-1, 0), (0, 1), (0, -1)))
    inside = (column > 1) & (column < width - 1) & (row > 1) & (row < height - 1)
    return torch.stack([right - left, below - above], -1).sign() * 0.25 * inside[..., None]


def _blur(heatmaps: Tensor, kernel: int) -> Tensor:
    """Return the heatmaps blurred, zeros outside, as two products with banded matrices (quicker than a convolution)."""

    def band(size: int) -> Tensor:
        taps = gaussian_taps(kernel)
        position = torch.arange(size)
        distance = position[:, None] - position[None] + kernel // 2
        inside = (distance >= 0) & (distance < kernel)
        return (taps[distance.clamp(0, kernel - 1)] * inside).to(heatmaps)

    height, width = heatmaps.shape[-2:]
    return band(height) @ heatmaps @ band(width)


def _newton_offsets(heatmaps: Tensor, maximum: Tensor, column: Tensor, row: Tensor, kernel: int) -> Tensor:
    """Return DARK's offsets (x, y) in heatmap pixels; 0 within two pixels of the edge or for a singular Hessian."""
    height, width = heatmaps.shape[-2:]
    blurred = _blur(heatmaps, kernel)
    # The blur lowers the maximum; bringing it back changes the logarithm by a constant only, except at the floor.
    blurred = blurred * (maximum / blurred.amax((-2, -1)))[..., None, None]
    steps = (
        (0, 0),
        (1, 0),
        (-1, 0),
        (0, 1),
        (0, -1),
        (2, 0),
        (-2, 0),
        (0, 2),
        (0, -2),
        (1, 1),
        (1, -1),
        (-1, 1),
        (-1, -1),
    )
    around = [v.clamp_min(1e-10).log() for v in _neighbours(blurred, column, row, steps)]
    mid, right, left, below, above, right2, left2, below2, above2, lower_r, upper_r, lower_l, upper_l = around
    dx, dy = (right - left) / 2, (below - above) / 2
    dxx, dyy = (right2 - 2 * mid + left2) / 4, (below2 - 2 * mid + above2) / 4
    dxy = (lower_r - upper_r - lower_l + upper_l) / 4
    determinant = dxx * dyy - dxy**2
    offset = torch.stack([dxy * dy - dyy * dx, dxy * dx - dxx * dy], -1) / determinant[..., None]
    inside = (column > 1) & (column < width - 2) & (row > 1) & (row < height - 2)
    usable = inside[..., None] & offset.isfinite().all(-1, keepdim=True)
    return torch.where(usable, offset, 0.0)
