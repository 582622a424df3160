"""FPD: a heatmap student learns its teacher's heatmaps (Zhang et al., Fast Human Pose Estimation, CVPR 2019)."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def heatmap_distillation_loss(
    heatmaps: Float[Tensor, "batch joints height width"], teacher_heatmaps: Float[Tensor, "batch joints height width"]
) -> Float[Tensor, ""]:
    """Return the mean squared error of the two; no joint is masked. As published, `{heatmap: 0.5, FPD: 0.5}`.

    Raises:
        ValueError: the two are not of one size.

    """
    if heatmaps.shape != teacher_heatmaps.shape:
        raise ValueError(
            f"heatmaps: student and teacher must have the same size, got {tuple(heatmaps.shape)} and "
            f"{tuple(teacher_heatmaps.shape)}"
        )
    return F.mse_loss(heatmaps, teacher_heatmaps.to(heatmaps.dtype))
