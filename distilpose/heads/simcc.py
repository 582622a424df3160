"""The SimCC head: each joint's x and y by classification, in bins finer than a pixel (Li et al., ECCV 2022)."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from distilpose.evaluation.decode import Points, Refinement
from distilpose.evaluation.flip import FlipTest
from distilpose.heads.heatmap import SimpleBaseline
from distilpose.heads.output import Drawing


class SimCCOutput(NamedTuple):
    """Logits of each joint's column and row, in bins that divide the crop's width and height."""

    bins_x: Float[Tensor, "batch joints columns"]
    bins_y: Float[Tensor, "batch joints rows"]
    visual_tokens: Float[Tensor, "batch visual dim"] | None = None
    keypoint_tokens: Float[Tensor, "batch joints dim"] | None = None
    attention: Float[Tensor, "batch layers heads joints joints+visual"] | None = None
    learn: Callable[[Any], Tensor] | None = None

    @property
    def teaches(self) -> bool:
        """No: its heatmaps are products of two lines."""
        return False

    def merged(self, mirrored: "SimCCOutput", partners: Sequence[int], width: int, how: FlipTest) -> "SimCCOutput":
        """Return the mean with the mirrored crop's logits; `how` chooses nothing here."""
        x, y = (bins.float()[:, list(partners)] for bins in mirrored[:2])
        return SimCCOutput((self.bins_x.float() + x.flip(-1)) / 2, (self.bins_y.float() + y) / 2)

    def points(self, refinement: Refinement = "dark") -> Points:
        """Return the bins of the highest logits, and the lower of the two as the score; nothing is refined.

        As mmpose decodes them: a score that is not positive puts its joint one bin outside the crop.
        """
        maxima = [bins.float().max(-1) for bins in self[:2]]
        scores = torch.minimum(maxima[0].values, maxima[1].values)
        bins = torch.stack([found.indices for found in maxima], -1).float()
        bins = torch.where((scores > 0)[..., None], bins, torch.full_like(bins, -1.0))
        sizes = torch.tensor([self.bins_x.shape[-1], self.bins_y.shape[-1]], device=bins.device)
        return Points(bins / sizes, scores)

    def drawn(self, size: tuple[int, int]) -> Drawing:
        """Return both lines of probabilities, and maps of peak 1 of their products, in `size`."""
        curves = self.bins_x.float().softmax(-1), self.bins_y.float().softmax(-1)
        across, down = (_in_steps(curve, steps) for curve, steps in zip(curves, size, strict=True))
        maps = down[..., :, None] * across[..., None, :]
        words = "probabilities along x (below) and y (left), each up to its own peak, over their product"
        return Drawing("two curves", words, maps, curves)

    def exported(self) -> dict[str, Tensor]:
        """Return the points, their scores and the logits."""
        points = self.points()
        return {"keypoints": points.keypoints, "scores": points.scores, "bins_x": self.bins_x, "bins_y": self.bins_y}


class SimCCHead(nn.Module):
    """LayerNorm and two linear maps, from a joint's token to the bins of x and to those of y."""

    def __init__(self, dim: int, input_size: tuple[int, int], *, split_ratio: float = 2.0) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.x, self.y = _maps(dim, input_size, split_ratio)

    def forward(self, tokens: Float[Tensor, "batch joints dim"]) -> SimCCOutput:
        """Return the logits."""
        tokens = self.norm(tokens)
        return SimCCOutput(self.x(tokens), self.y(tokens))


class SimCC(nn.Module):
    """The same from SimpleBaseline's heatmaps, each read whole, as mmpose builds it: no tokens."""

    def __init__(
        self,
        backbone: nn.Module,
        channels: int,
        joints: int,
        input_size: tuple[int, int],
        heatmap_size: tuple[int, int],
        *,
        split_ratio: float = 2.0,
    ) -> None:
        super().__init__()
        self.heatmapper = SimpleBaseline(backbone, channels, joints)
        self.x, self.y = _maps(heatmap_size[0] * heatmap_size[1], input_size, split_ratio)

    def forward(self, images: Float[Tensor, "batch 3 height width"], *, attention: bool = False) -> SimCCOutput:
        """Return the logits without tokens, and so without attention."""
        found = self.heatmapper(images)
        read = found.heatmaps.flatten(2)
        return SimCCOutput(self.x(read), self.y(read), visual_tokens=found.visual_tokens)


def _in_steps(curve: Float[Tensor, "batch joints bins"], steps: int) -> Float[Tensor, "batch joints steps"]:
    """Return what the bins nearest to each step hold together, of peak 1; step j of n is at j / n of the crop."""
    bins = curve.shape[-1]
    nearest = (torch.arange(bins, device=curve.device) * (steps / bins)).round().long().clamp(max=steps - 1)
    held = curve.new_zeros(*curve.shape[:-1], steps).index_add_(-1, nearest, curve)
    return held / held.amax(-1, keepdim=True)


def _maps(features: int, input_size: tuple[int, int], split_ratio: float) -> tuple[nn.Linear, nn.Linear]:
    """Return the maps to `split_ratio` bins a pixel of the crop's width and height."""
    width, height = (int(size * split_ratio) for size in input_size)
    if min(width, height) < 1:
        raise ValueError(f"split_ratio: must give at least one bin, got {split_ratio}")
    return nn.Linear(features, width), nn.Linear(features, height)
