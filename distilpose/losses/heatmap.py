"""The loss heatmap models are trained by: squared distance to Gaussians drawn at the true joints."""

from jaxtyping import Float
from torch import Tensor


def heatmap_loss(
    heatmaps: Float[Tensor, "batch joints height width"],
    true_heatmaps: Float[Tensor, "batch joints height width"],
    heatmap_visible: Float[Tensor, "batch joints"],
) -> Float[Tensor, ""]:
    """Return the mean squared error of predicted and true heatmaps, both times `heatmap_visible`; there is no half.

    Invisible joints count as 0 in the mean; an all-masked batch gives 0.
    """
    errors = (heatmaps - true_heatmaps).square().mean((-2, -1))
    return (errors * heatmap_visible.square()).mean()
