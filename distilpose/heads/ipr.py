"""The head of integral regression: coordinates as the mean place under a heatmap's softmax, so that gradients pass.

IPR: Sun et al., ECCV 2018. With the loss JS it is DSNT (Nibali et al., 2018). Without its bias: Gu et al., ICCV 2021.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from distilpose.evaluation.decode import Points, Refinement
from distilpose.evaluation.flip import FlipTest, merge_heatmaps, merge_keypoints
from distilpose.heads.heatmap import HeatmapHead, SimpleBaseline, heatmap_head
from distilpose.heads.output import Drawing
from distilpose.models.precision import without_autocast


class IPROutput(NamedTuple):
    """Joint coordinates as fractions of the crop, and the probability of every place that they are the mean of."""

    keypoints: Float[Tensor, "batch joints 2"]
    """(x, y), where [0, 1] is the crop's width and height."""
    probabilities: Float[Tensor, "batch joints height width"]
    """The softmax of a heatmap at a quarter of the crop: each sums to 1."""
    visual_tokens: Float[Tensor, "batch visual dim"] | None = None
    keypoint_tokens: Float[Tensor, "batch joints dim"] | None = None
    attention: Float[Tensor, "batch layers heads joints joints+visual"] | None = None
    learn: Callable[[Any], Tensor] | None = None

    @property
    def teaches(self) -> bool:
        """No: its maps are not trained to be Gaussians."""
        return False

    def merged(self, mirrored: "IPROutput", partners: Sequence[int], width: int, how: FlipTest) -> "IPROutput":
        """Return the means of points and probabilities with those of the mirrored crop."""
        ours, theirs = self.keypoints.float(), mirrored.keypoints.float()
        return IPROutput(
            merge_keypoints(ours, theirs, partners, width, how.coordinates),
            merge_heatmaps(self.probabilities.float(), mirrored.probabilities.float(), partners),
        )

    def points(self, refinement: Refinement = "dark") -> Points:
        """Return the joints, which have no score: each is 1."""
        return Points(self.keypoints.float(), torch.ones_like(self.keypoints[..., 0]).float(), has_scores=False)

    def drawn(self, size: tuple[int, int]) -> Drawing:
        """Return the probabilities as maps of peak 1, in the size they have."""
        maps = self.probabilities / self.probabilities.amax((-2, -1), keepdim=True)
        return Drawing("probabilities", "of every place; the point is their mean", maps)

    def exported(self) -> dict[str, Tensor]:
        """Return the points, scores of 1 and the probabilities."""
        scores = torch.ones_like(self.keypoints[..., 0])
        return {"keypoints": self.keypoints, "scores": scores, "probabilities": self.probabilities}


def integrated(heatmaps: Float[Tensor, "batch joints height width"], *, beta: float, debias: bool) -> IPROutput:
    """Return the mean places under the softmax of `beta` times the heatmaps, in fp32 or better.

    Column j of w is at j / w. With `debias` the pull of the background towards the middle is taken out, as mmpose does:
    by C, the sum of the exponentials of the heatmap, not times beta.
    """
    with without_autocast(heatmaps.device.type):
        heatmaps = heatmaps.to(torch.promote_types(heatmaps.dtype, torch.float32))
        height, width = heatmaps.shape[-2:]
        flat = heatmaps.flatten(2)
        probabilities = (flat * beta).softmax(-1).reshape(heatmaps.shape)
        across, down = (torch.arange(n, device=flat.device, dtype=flat.dtype) / n for n in (width, height))
        x, y = (probabilities.sum(-2) * across).sum(-1), (probabilities.sum(-1) * down).sum(-1)
        keypoints = torch.stack([x, y], -1)
        if debias:
            inverse = torch.exp(-flat.logsumexp(-1, keepdim=True))  # 1 / C, which does not overflow
            keypoints = (keypoints - inverse / 2) / (1 - inverse)
        return IPROutput(keypoints, probabilities)


class IPRHead(nn.Module):
    """Integral regression over the heatmaps of the heatmap head."""

    def __init__(self, heatmapper: HeatmapHead, *, beta: float, debias: bool) -> None:
        super().__init__()
        self.heatmapper, self.beta, self.debias = heatmapper, beta, debias

    def forward(self, tokens: Float[Tensor, "batch joints dim"]) -> IPROutput:
        """Return the points and what they are the mean of."""
        return integrated(self.heatmapper(tokens).heatmaps, beta=self.beta, debias=self.debias)


def ipr_head(dim: int, heatmap_size: tuple[int, int], *, beta: float = 1.0, debias: bool = False) -> IPRHead:
    """Return the head that reads keypoint tokens."""
    return IPRHead(heatmap_head(dim, heatmap_size), beta=beta, debias=debias)


class IPR(nn.Module):
    """Integral regression over SimpleBaseline's heatmaps, as published: no tokens."""

    def __init__(
        self, backbone: nn.Module, channels: int, joints: int, *, beta: float = 1.0, debias: bool = False
    ) -> None:
        super().__init__()
        self.heatmapper, self.beta, self.debias = SimpleBaseline(backbone, channels, joints), beta, debias

    def forward(self, images: Float[Tensor, "batch 3 height width"], *, attention: bool = False) -> IPROutput:
        """Return the points and what they are the mean of, without attention."""
        read = self.heatmapper(images)
        found = integrated(read.heatmaps, beta=self.beta, debias=self.debias)
        return found._replace(visual_tokens=read.visual_tokens)
