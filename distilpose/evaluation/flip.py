"""The flip test: what a model says of the picture and of its mirror image, made one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

FlipCoordinates = Literal["pixel", "official"]
FlipScores = Literal["swapped", "official"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlipTest:
    """How what a model says of the mirrored crop is brought back; the defaults put right what the authors' code does.

    coordinates: where a regressed x of the mirrored crop lies in the crop. "pixel": (W - 1) / W - x, where mirroring
        the pixels puts it. "official": 1 - x, as in the authors' code, half a pixel off after averaging.
    scores: "swapped" averages each joint's score with that of its own mirror image; "official" with that of the
        joint's left-right partner, as the authors' code does.

    Raises ValueError for a name not listed here.
    """

    coordinates: FlipCoordinates = "pixel"
    scores: FlipScores = "swapped"

    def __post_init__(self) -> None:
        for field, got, known in (
            ("coordinates", self.coordinates, get_args(FlipCoordinates)),
            ("scores", self.scores, get_args(FlipScores)),
        ):
            if got not in known:
                raise ValueError(f"flip test: {field}: must be one of {', '.join(known)}, got {got!r}")


def merge_keypoints(
    keypoints: Float[Tensor, "batch joints 2"],
    mirrored: Float[Tensor, "batch joints 2"],
    partners: Sequence[int],
    width: int,
    coordinates: FlipCoordinates = "pixel",
) -> Float[Tensor, "batch joints 2"]:
    """Return the mean of points of the crop and of its mirror image, (x, y) in [0, 1] of the crop `width` pixels wide.

    `partners[k]` is the joint that joint k becomes in a mirror.
    """
    edge = 1.0 if coordinates == "official" else (width - 1) / width
    back = mirrored[:, list(partners)]
    back = torch.stack([edge - back[..., 0], back[..., 1]], -1)
    return (keypoints + back) / 2


def merge_scores(
    scores: Float[Tensor, "batch joints"],
    mirrored: Float[Tensor, "batch joints"],
    partners: Sequence[int],
    form: FlipScores = "swapped",
) -> Float[Tensor, "batch joints"]:
    """Return the mean of the joints' scores in the crop and in its mirror image."""
    return (scores + (mirrored if form == "official" else mirrored[:, list(partners)])) / 2


def merge_heatmaps(
    heatmaps: Float[Tensor, "batch joints height width"],
    mirrored: Float[Tensor, "batch joints height width"],
    partners: Sequence[int],
) -> Float[Tensor, "batch joints height width"]:
    """Return the mean of the crop's heatmaps and those of its mirror image, turned back and moved right by a pixel.

    Heatmap column j stands for crop column 4 j, whose mirror image falls on heatmap column w - 1/4 - j, nearer to
    w - j than to the w - 1 - j of turning the heatmap alone. The first column stays in place.
    """
    back = mirrored[:, list(partners)].flip(-1)
    back = torch.cat([back[..., :1], back[..., :-1]], -1)
    return (heatmaps + back) / 2
