"""OHKM: the heatmap loss of each person's hardest joints alone (Chen et al., Cascaded Pyramid Network, CVPR 2018)."""

from jaxtyping import Float
from torch import Tensor


def hard_joints_loss(
    heatmaps: Float[Tensor, "batch joints height width"],
    true_heatmaps: Float[Tensor, "batch joints height width"],
    heatmap_visible: Float[Tensor, "batch joints"],
    *,
    hardest: int = 8,
) -> Float[Tensor, ""]:
    """Return the mean squared error of each person's `hardest` joints (all, where there are fewer), mean over people.

    Both heatmaps are taken times `heatmap_visible`; an all-masked batch gives 0.
    """
    errors = ((heatmaps - true_heatmaps) * heatmap_visible[..., None, None]).square().mean((-2, -1))
    return errors.topk(min(hardest, errors.shape[1]), dim=1).values.mean()
