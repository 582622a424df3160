"""The RLE head: coordinates and how far off they may be, which also tells the score (Li et al., ICCV 2021)."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from distilpose.evaluation.decode import Points, Refinement
from distilpose.evaluation.flip import FlipTest, merge_keypoints, merge_scores
from distilpose.heads.output import Drawing, as_tokens
from distilpose.models.precision import without_autocast


class RLEOutput(NamedTuple):
    """Joint coordinates and their sigmas, both as fractions of the crop."""

    keypoints: Float[Tensor, "batch joints 2"]
    """(x, y), where [0, 1] is the crop's width and height."""
    sigmas: Float[Tensor, "batch joints 2"]
    """(sigma_x, sigma_y) in (0, 1) of the crop's width and height."""
    heatmap_sigmas: Float[Tensor, "batch joints 2"] | None = None
    """The same in heatmap pixels; a file of the model has none."""
    visual_tokens: Float[Tensor, "batch visual dim"] | None = None
    keypoint_tokens: Float[Tensor, "batch joints dim"] | None = None
    attention: Float[Tensor, "batch layers heads joints joints+visual"] | None = None
    learn: Callable[[Any], Tensor] | None = None

    @property
    def scores(self) -> Float[Tensor, "batch joints"]:
        """1 - the mean sigma."""
        return 1 - self.sigmas.mean(-1)

    @property
    def teaches(self) -> bool:
        """No: it has no heatmaps."""
        return False

    def merged(self, mirrored: "RLEOutput", partners: Sequence[int], width: int, how: FlipTest) -> "RLEOutput":
        """Return the means of points and sigmas with those of the mirrored crop."""
        ours, theirs = self.keypoints.float(), mirrored.keypoints.float()
        sigmas = merge_scores(self.sigmas.float(), mirrored.sigmas.float(), partners, how.scores)
        return RLEOutput(merge_keypoints(ours, theirs, partners, width, how.coordinates), sigmas)

    def points(self, refinement: Refinement = "dark") -> Points:
        """Return the joints; there is nothing to refine."""
        return Points(self.keypoints.float(), self.scores.float())

    def drawn(self, size: tuple[int, int]) -> Drawing:
        """Return ellipses of the sigmas alone: what the flow makes of them is not in the model."""
        return Drawing("ellipse", "one sigma around the point", sigmas=self.sigmas.float())

    def exported(self) -> dict[str, Tensor]:
        """Return the points, their scores and sigmas."""
        return {"keypoints": self.keypoints, "scores": self.scores, "sigmas": self.sigmas}


def _said(numbers: Float[Tensor, "batch joints 4"], heatmap_size: tuple[int, int], *, bounded: bool) -> RLEOutput:
    """Return raw numbers as coordinates (through a sigmoid where `bounded`) and sigmas."""
    xy, sigmas = numbers[..., :2], numbers[..., 2:].sigmoid()
    return RLEOutput(xy.sigmoid() if bounded else xy, sigmas, sigmas * sigmas.new_tensor(heatmap_size))


class RLEHead(nn.Module):
    """LayerNorm and one linear map to (x, y, sigma_x, sigma_y) per joint: the regression head with other sigmas."""

    row_names = ("x", "y", "sigma_x", "sigma_y")

    def __init__(self, dim: int, heatmap_size: tuple[int, int]) -> None:
        super().__init__()
        self.heatmap_size = heatmap_size
        self.norm = nn.LayerNorm(dim)
        self.linear = nn.Linear(dim, len(self.row_names))

    def forward(self, tokens: Float[Tensor, "batch joints dim"]) -> RLEOutput:
        """Return (x, y) in [0, 1] and their sigmas."""
        with without_autocast(tokens.device.type):  # bf16 would know a coordinate to 1/256 of the crop only
            numbers = self.linear(self.norm(tokens.to(self.linear.weight.dtype)))
            return _said(numbers, self.heatmap_size, bounded=True)


class RLERegression(nn.Module):
    """RLE from the mean feature, as its authors build it: no tokens.

    The map to coordinates is divided by the length of what it reads, before its bias, and 0.5 is added: the authors
    count from the crop's middle. The map to sigmas is plain.
    """

    def __init__(self, backbone: nn.Module, channels: int, joints: int, heatmap_size: tuple[int, int]) -> None:
        super().__init__()
        self.joints, self.heatmap_size = joints, heatmap_size
        self.backbone = backbone
        self.coordinates = nn.Linear(channels, 2 * joints)
        self.sigmas = nn.Linear(channels, 2 * joints)

    def forward(self, images: Float[Tensor, "batch 3 height width"], *, attention: bool = False) -> RLEOutput:
        """Return coordinates, which may leave [0, 1], and sigmas; no attention."""
        places = self.backbone(images)
        features = places.mean((2, 3))
        with without_autocast(features.device.type):
            features = features.to(self.coordinates.weight.dtype)
            length = features.norm(dim=-1, keepdim=True).clamp_min(1e-12)
            xy = features @ self.coordinates.weight.T / length + self.coordinates.bias + 0.5
            numbers = [part.unflatten(-1, (self.joints, 2)) for part in (xy, self.sigmas(features))]
            output = _said(torch.cat(numbers, -1), self.heatmap_size, bounded=False)
        return output._replace(visual_tokens=as_tokens(places))
