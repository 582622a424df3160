"""The heads that read keypoint tokens: coordinates with score and sigma for students, heatmaps for teachers."""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from distilpose.models.precision import without_autocast


class JointReadings(NamedTuple):
    """What a regression head reads off each joint; scores and sigmas are None where it has no such output."""

    keypoints: Float[Tensor, "batch joints 2"]
    scores: Float[Tensor, "batch joints"] | None
    sigmas: Float[Tensor, "batch joints 2"] | None


def output_names(*, score: bool, sigma: bool) -> tuple[str, ...]:
    """Return what each row of a regression head's last map is: x, y, then score and sigmas where it has them."""
    return ("x", "y", *(("score",) if score else ()), *(("sigma_x", "sigma_y") if sigma else ()))


def read_joints(
    numbers: Float[Tensor, "batch joints outputs"], *, score: bool, sigma: bool, bounded: bool
) -> JointReadings:
    """Return a head's raw numbers as coordinates (through a sigmoid where `bounded`), raw scores, softplus sigmas."""
    xy = numbers[..., :2]
    return JointReadings(
        keypoints=xy.sigmoid() if bounded else xy,
        scores=numbers[..., 2] if score else None,
        sigmas=F.softplus(numbers[..., -2:]) if sigma else None,
    )


class RegressionHead(nn.Module):
    """LayerNorm and one linear map to (x, y[, score][, sigma_x, sigma_y]) per joint.

    A loss that is not in use must not leave an untrained output behind: without CS the head has no score, without SH
    no sigma.
    """

    def __init__(self, dim: int, *, score: bool, sigma: bool) -> None:
        super().__init__()
        self.score = score
        self.sigma = sigma
        self.row_names = output_names(score=score, sigma=sigma)
        self.norm = nn.LayerNorm(dim)
        self.linear = nn.Linear(dim, len(self.row_names))

    def forward(self, tokens: Float[Tensor, "batch joints dim"]) -> JointReadings:
        """Return (x, y) in [0, 1], raw scores, and sigmas in heatmap pixels."""
        # bf16 would know a coordinate to 1/256 of the crop only.
        with without_autocast(tokens.device.type):
            numbers = self.linear(self.norm(tokens.to(self.linear.weight.dtype)))
        return read_joints(numbers, score=self.score, sigma=self.sigma, bounded=True)


class HeatmapHead(nn.Module):
    """LayerNorm, linear, LayerNorm, linear: each keypoint token to its whole heatmap, no activation."""

    def __init__(self, dim: int, *, hidden: int, heatmap_size: tuple[int, int]) -> None:
        super().__init__()
        self.heatmap_size = heatmap_size
        width, height = heatmap_size
        self.layers = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, hidden), nn.LayerNorm(hidden), nn.Linear(hidden, width * height)
        )

    def forward(self, tokens: Float[Tensor, "batch joints dim"]) -> Float[Tensor, "batch joints height width"]:
        """Return the heatmaps."""
        width, height = self.heatmap_size
        return self.layers(tokens).unflatten(-1, (height, width))  # type: ignore[no-any-return]
