"""reg: how far the predicted coordinates are from the true ones (DistilPose, equation 6)."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def regression_loss(
    keypoints: Float[Tensor, "batch joints 2"],
    true_keypoints: Float[Tensor, "batch joints 2"],
    visible: Float[Tensor, "batch joints"],
) -> Float[Tensor, ""]:
    """Return the smooth-L1 distance (beta 1) of predicted and true coordinates, both times `visible`, as a mean.

    Coordinates are (x, y) in [0, 1] of the crop. Invisible joints add nothing, but count in the mean, as published; an
    all-masked batch gives 0.
    """
    mask = visible[..., None]
    return F.smooth_l1_loss(keypoints * mask, true_keypoints * mask)
