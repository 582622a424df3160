"""The regression head: coordinates straight from a joint's token, with a score and sigmas where losses train them."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from distilpose.evaluation.decode import Points, Refinement
from distilpose.evaluation.flip import FlipTest, merge_keypoints, merge_scores
from distilpose.heads.output import Drawing, as_tokens
from distilpose.models.precision import without_autocast


class RegressionOutput(NamedTuple):
    """Joint coordinates as fractions of the crop, with what the head and the encoder know beside them."""

    keypoints: Float[Tensor, "batch joints 2"]
    """(x, y) in [0, 1] of the crop's width and height."""
    scores: Float[Tensor, "batch joints"] | None = None
    """Raw confidence, no activation; None where the head has no score output (every joint then scores 1)."""
    sigmas: Float[Tensor, "batch joints 2"] | None = None
    """(sigma_x, sigma_y) in heatmap pixels, positive; None where the head has no sigma output."""
    visual_tokens: Float[Tensor, "batch visual dim"] | None = None
    keypoint_tokens: Float[Tensor, "batch joints dim"] | None = None
    attention: Float[Tensor, "batch layers heads joints joints+visual"] | None = None
    learn: Callable[[Any], Tensor] | None = None
    """The loss of a model that has its own, called with the batch."""

    @property
    def heatmap_sigmas(self) -> Float[Tensor, "batch joints 2"] | None:
        """Its sigmas, by the name that they have where a head counts its own otherwise."""
        return self.sigmas

    @property
    def teaches(self) -> bool:
        """No: it has no heatmaps but simulated ones."""
        return False

    def merged(
        self, mirrored: "RegressionOutput", partners: Sequence[int], width: int, how: FlipTest
    ) -> "RegressionOutput":
        """Return the means of points and scores with those of the mirrored crop."""
        scores = None
        if self.scores is not None and mirrored.scores is not None:
            scores = merge_scores(self.scores.float(), mirrored.scores.float(), partners, how.scores)
        ours, theirs = self.keypoints.float(), mirrored.keypoints.float()
        return RegressionOutput(merge_keypoints(ours, theirs, partners, width, how.coordinates), scores=scores)

    def points(self, refinement: Refinement = "dark") -> Points:
        """Return the joints; there is nothing to refine."""
        exported = self.exported()
        return Points(exported["keypoints"].float(), exported["scores"].float(), self.scores is not None)

    def drawn(self, size: tuple[int, int]) -> Drawing:
        """Return heatmaps simulated from points and sigmas, with their ellipses; without sigmas the points alone."""
        if self.sigmas is None:
            return Drawing("point", "the model has no sigma output, and so no simulated heatmap")
        sigmas = self.sigmas.float()
        maps = simulated_heatmaps(self.keypoints.float(), sigmas, size)
        words = "a Gaussian of the model's point and sigmas; the ellipse is one sigma"
        return Drawing("simulated heatmap", words, maps, sigmas=sigmas / sigmas.new_tensor(size))

    def exported(self) -> dict[str, Tensor]:
        """Return the points and their scores, 1 where the head has none."""
        scores = torch.ones_like(self.keypoints[..., 0]) if self.scores is None else self.scores
        return {"keypoints": self.keypoints, "scores": scores}


class RegressionHead(nn.Module):
    """LayerNorm and one linear map to (x, y[, score][, sigma_x, sigma_y]) per joint.

    A loss that is not in use must not leave an untrained output behind: without CS the head has no score, without SH
    no sigma.
    """

    def __init__(self, dim: int, *, score: bool, sigma: bool) -> None:
        super().__init__()
        self.row_names = _row_names(score=score, sigma=sigma)
        self.norm = nn.LayerNorm(dim)
        self.linear = nn.Linear(dim, len(self.row_names))

    def forward(self, tokens: Float[Tensor, "batch joints dim"]) -> RegressionOutput:
        """Return (x, y) in [0, 1], raw scores, and sigmas in heatmap pixels."""
        # bf16 would know a coordinate to 1/256 of the crop only.
        with without_autocast(tokens.device.type):
            numbers = self.linear(self.norm(tokens.to(self.linear.weight.dtype)))
        return _read(numbers, self.row_names, bounded=True)


def regression_head(
    dim: int, heatmap_size: tuple[int, int], *, score: bool = False, sigma: bool = False
) -> RegressionHead:
    """Return the head that reads keypoint tokens (DistilPose, section 3.1); no heatmap has a part in it."""
    return RegressionHead(dim, score=score, sigma=sigma)


class DeepPose(nn.Module):
    """Coordinates straight from the mean feature (Toshev and Szegedy, CVPR 2014, as mmpose builds it): no tokens.

    Coordinates are not squeezed through a sigmoid, so they may leave [0, 1]. `score` and `sigma` give the head these
    outputs beside (x, y), for distillation through simulated heatmaps.
    """

    def __init__(
        self, backbone: nn.Module, channels: int, joints: int, *, score: bool = False, sigma: bool = False
    ) -> None:
        super().__init__()
        self.joints = joints
        self.row_names = _row_names(score=score, sigma=sigma)
        self.backbone = backbone
        self.linear = nn.Linear(channels, joints * len(self.row_names))

    def forward(self, images: Float[Tensor, "batch 3 height width"], *, attention: bool = False) -> RegressionOutput:
        """Return coordinates without tokens, and so without attention."""
        places = self.backbone(images)
        features = places.mean((2, 3))
        with without_autocast(features.device.type):
            numbers = self.linear(features.to(self.linear.weight.dtype))
        output = _read(numbers.unflatten(-1, (self.joints, len(self.row_names))), self.row_names, bounded=False)
        return output._replace(visual_tokens=as_tokens(places))


def axis_profiles(
    keypoints: Float[Tensor, "batch joints 2"], sigmas: Float[Tensor, "batch joints 2"], size: tuple[int, int]
) -> tuple[Float[Tensor, "batch joints width"], Float[Tensor, "batch joints height"]]:
    """Return the Gaussian along x and the one along y, each of peak 1, of which simulated heatmaps are the product."""

    def profile(axis: int) -> Tensor:
        pixels = torch.arange(size[axis], device=keypoints.device, dtype=keypoints.dtype)
        distance = pixels - size[axis] * keypoints[..., axis, None]
        return torch.exp(distance.square() * (-0.5 / (sigmas[..., axis, None].square() + 1e-9)))

    return profile(0), profile(1)


def simulated_heatmaps(
    keypoints: Float[Tensor, "batch joints 2"], sigmas: Float[Tensor, "batch joints 2"], size: tuple[int, int]
) -> Float[Tensor, "batch joints height width"]:
    """Return a Gaussian of peak 1 per joint on a heatmap of `size` (width, height) (DistilPose, equation 3).

    Keypoints are (x, y) in [0, 1], sigmas in heatmap pixels; the centre is at (width x, height y), on the grid of
    pixels 0..width-1 and 0..height-1.
    """
    along_x, along_y = axis_profiles(keypoints, sigmas, size)
    return along_y[..., :, None] * along_x[..., None, :]


def _row_names(*, score: bool, sigma: bool) -> tuple[str, ...]:
    return ("x", "y", *(("score",) if score else ()), *(("sigma_x", "sigma_y") if sigma else ()))


def _read(
    numbers: Float[Tensor, "batch joints outputs"], row_names: tuple[str, ...], *, bounded: bool
) -> RegressionOutput:
    """Return raw numbers as coordinates (through a sigmoid where `bounded`), raw scores, softplus sigmas."""
    xy = numbers[..., :2]
    return RegressionOutput(
        keypoints=xy.sigmoid() if bounded else xy,
        scores=numbers[..., 2] if "score" in row_names else None,
        sigmas=F.softplus(numbers[..., -2:]) if "sigma_x" in row_names else None,
    )
