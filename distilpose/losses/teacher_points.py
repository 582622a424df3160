"""TC and TS: the teacher's own coordinates as targets, and its confidence as the score's: plain distillation."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from distilpose.evaluation.decode import decode_heatmaps
from distilpose.models.precision import without_autocast


def teacher_coordinate_loss(
    keypoints: Float[Tensor, "batch joints 2"], teacher_heatmaps: Float[Tensor, "batch joints height width"]
) -> Float[Tensor, ""]:
    """Return the smooth-L1 distance (beta 1) to the points that DARK finds in the teacher's heatmaps, as a mean.

    Each joint counts by the height of its peak, within [0, 1]; what is annotated plays no part.
    """
    points, peaks = _points(teacher_heatmaps)
    distance = F.smooth_l1_loss(keypoints, points.to(keypoints.dtype), reduction="none")
    return (distance * peaks[..., None].to(keypoints.dtype)).mean()


def teacher_score_loss(
    scores: Float[Tensor, "batch joints"], teacher_heatmaps: Float[Tensor, "batch joints height width"]
) -> Float[Tensor, ""]:
    """Return the L1 distance of the scores and the heights of the teacher's peaks, within [0, 1], as a mean."""
    return F.l1_loss(scores, _points(teacher_heatmaps)[1].to(scores.dtype))


@torch.no_grad()
def _points(heatmaps: Tensor) -> tuple[Tensor, Tensor]:
    with without_autocast(heatmaps.device.type):
        found = decode_heatmaps(heatmaps.float(), "dark")
    return found.keypoints, found.scores.clamp(0, 1)
