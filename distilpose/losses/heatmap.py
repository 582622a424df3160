"""The loss heatmap models are trained by: squared distance to Gaussians drawn at the true joints."""

from jaxtyping import Float
from torch import Tensor, nn


def heatmap_loss(
    pred: Float[Tensor, "batch joints height width"],
    target: Float[Tensor, "batch joints height width"],
    visible: Float[Tensor, "batch joints"],
) -> Float[Tensor, ""]:
    """Return the mean squared error of `pred * visible` and `target * visible` over all pixels, without a half.

    Invisible joints count as 0 in the mean; an all-masked batch gives 0.
    """
    errors = (pred - target).square().mean((-2, -1))
    return (errors * visible.square()).mean()


class HeatmapLoss(nn.Module):
    """`heatmap_loss` times a coefficient."""

    def __init__(self, coefficient: float = 1.0) -> None:
        super().__init__()
        self.coefficient = coefficient

    def forward(self, pred: Tensor, target: Tensor, visible: Tensor) -> Tensor:
        """Return the weighted loss."""
        return self.coefficient * heatmap_loss(pred, target, visible)
