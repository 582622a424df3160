"""CS: the student's score learns the teacher's heatmap at the place the student points to (DistilPose, equation 5)."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


def confidence_loss(
    scores: Float[Tensor, "batch joints"],
    keypoints: Float[Tensor, "batch joints 2"],
    teacher_heatmaps: Float[Tensor, "batch joints height width"],
    visible: Float[Tensor, "batch joints"],
) -> Float[Tensor, ""]:
    """Return the L1 distance of `scores * visible` and the teacher's value there times `visible`, mean over joints.

    "There" is the pixel (round((width - 1) x), round((height - 1) y)), kept inside the heatmap. The gradient reaches
    the scores only. Invisible joints count as 0 in the mean; an all-masked batch gives 0.
    """
    height, width = teacher_heatmaps.shape[-2:]
    with torch.no_grad():
        column = (keypoints[..., 0].float() * (width - 1)).round().long().clamp(0, width - 1)
        row = (keypoints[..., 1].float() * (height - 1)).round().long().clamp(0, height - 1)
        values = teacher_heatmaps.flatten(2).gather(2, (row * width + column)[..., None]).squeeze(-1)
    return F.l1_loss(scores * visible, (values * visible).to(scores.dtype))


class ConfidenceLoss(nn.Module):
    """`confidence_loss` times a coefficient."""

    def __init__(self, coefficient: float = 1e-2) -> None:
        super().__init__()
        self.coefficient = coefficient

    def forward(self, scores: Tensor, keypoints: Tensor, teacher_heatmaps: Tensor, visible: Tensor) -> Tensor:
        """Return the weighted loss."""
        return self.coefficient * confidence_loss(scores, keypoints, teacher_heatmaps, visible)
