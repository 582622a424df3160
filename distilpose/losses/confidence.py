"""CS: the student's score learns the teacher's heatmap at the place the student points to (DistilPose, equation 5)."""

from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

ConfidenceCell = Literal["nearest", "official"]
CELLS: tuple[str, ...] = get_args(ConfidenceCell)


def confidence_loss(
    scores: Float[Tensor, "batch joints"],
    keypoints: Float[Tensor, "batch joints 2"],
    teacher_heatmaps: Float[Tensor, "batch joints height width"],
    visible: Float[Tensor, "batch joints"],
    cell: ConfidenceCell = "nearest",
) -> Float[Tensor, ""]:
    """Return the L1 distance of `scores * visible` and the teacher's value there times `visible`, mean over joints.

    "There" is the heatmap pixel `nearest` to the point, (round(width x), round(height y)), in the frame that the
    teacher learnt and that SH draws in; or that of the `official` code, (round((width - 1) x), round((height - 1) y)),
    which falls up to a whole pixel short of it towards the right and the bottom. Either is kept inside the heatmap. The
    gradient reaches the scores only. Invisible joints count as 0 in the mean; an all-masked batch gives 0.

    Raises:
        ValueError: `cell` is neither.

    """
    if cell not in CELLS:
        raise ValueError(f"cell: must be one of {', '.join(CELLS)}, got {cell!r}")
    height, width = teacher_heatmaps.shape[-2:]
    short = 1 if cell == "official" else 0
    with torch.no_grad():
        column = (keypoints[..., 0].float() * (width - short)).round().long().clamp(0, width - 1)
        row = (keypoints[..., 1].float() * (height - short)).round().long().clamp(0, height - 1)
        values = teacher_heatmaps.flatten(2).gather(2, (row * width + column)[..., None]).squeeze(-1)
    return F.l1_loss(scores * visible, (values * visible).to(scores.dtype))
