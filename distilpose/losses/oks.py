"""OKS: COCO's object keypoint similarity itself as a loss (Maji et al., YOLO-Pose, 2022)."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from distilpose.data.skeleton import Skeleton
from distilpose.data.stream import Batch

Mode = Literal["linear", "square", "log"]


def oks_loss(
    keypoints: Float[Tensor, "batch joints 2"],
    batch: Batch,
    skeleton: Skeleton,
    *,
    mode: Mode = "linear",
    area: float = 0.34,
) -> Float[Tensor, ""]:
    """Return 1 - OKS, 1 - OKS^2 (`square`) or -log OKS (`log`), mean over people; OKS is a mean over visible joints.

    `area` is the person's share of the crop: COCO's people cover 0.53 of their box, the crop is 1.25 boxes wide and
    high. Nobody visible gives 0.
    """
    distance = ((keypoints - batch.keypoints) * batch.scale[:, None]).square().sum(-1)
    sigmas = torch.as_tensor(skeleton.sigmas, device=keypoints.device, dtype=keypoints.dtype)
    similar = torch.exp(-distance / (8 * sigmas.square() * (area * batch.scale.prod(-1, keepdim=True)).clamp_min(1e-8)))
    seen = batch.visible.sum(-1)
    oks = (similar * batch.visible).sum(-1) / seen.clamp_min(1e-8)
    losses = {"linear": 1 - oks, "square": 1 - oks.square(), "log": -oks.clamp_min(1e-8).log()}[mode]
    return (losses * (seen > 0)).mean()
