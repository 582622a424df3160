"""What the models return: regression students coordinates, teachers heatmaps, both the tokens that are distilled."""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor


class RegressionOutput(NamedTuple):
    """Joint coordinates as fractions of the crop, with what the head and the encoder know beside them."""

    keypoints: Float[Tensor, "batch joints 2"]
    """(x, y) in [0, 1] of the crop's width and height."""
    scores: Float[Tensor, "batch joints"] | None
    """Raw confidence, no activation; None where the head has no score output (every joint then scores 1)."""
    sigmas: Float[Tensor, "batch joints 2"] | None
    """(sigma_x, sigma_y) in heatmap pixels, positive; None where the head has no sigma output."""
    visual_tokens: Float[Tensor, "batch visual dim"] | None
    """Residual stream after the last layer, patches in row-major order; None for models without tokens."""
    keypoint_tokens: Float[Tensor, "batch joints dim"] | None
    attention: Float[Tensor, "batch layers heads joints joints+visual"] | None
    """Softmax weights of the keypoint tokens' rows; None unless asked for."""


class HeatmapOutput(NamedTuple):
    """One heatmap a joint at a quarter of the crop's size, with the tokens they were read from."""

    heatmaps: Float[Tensor, "batch joints height width"]
    """No activation; trained towards Gaussians of peak 1."""
    visual_tokens: Float[Tensor, "batch visual dim"] | None
    keypoint_tokens: Float[Tensor, "batch joints dim"] | None
    attention: Float[Tensor, "batch layers heads joints joints+visual"] | None
