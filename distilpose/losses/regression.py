"""reg: how far the predicted coordinates are from the true ones (DistilPose, equation 6)."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


def regression_loss(
    pred: Float[Tensor, "batch joints 2"],
    target: Float[Tensor, "batch joints 2"],
    weight: Float[Tensor, "batch joints"],
) -> Float[Tensor, ""]:
    """Return the smooth-L1 distance (beta 1) of `pred * weight` and `target * weight`, mean over all numbers.

    Coordinates are (x, y) in [0, 1] of the crop. Joints of weight 0 add nothing, but count in the mean, as published;
    an all-masked batch gives 0.
    """
    mask = weight[..., None]
    return F.smooth_l1_loss(pred * mask, target * mask)


class RegressionLoss(nn.Module):
    """`regression_loss` times a coefficient."""

    def __init__(self, coefficient: float = 1.0) -> None:
        super().__init__()
        self.coefficient = coefficient

    def forward(self, pred: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        """Return the weighted loss."""
        return self.coefficient * regression_loss(pred, target, weight)
