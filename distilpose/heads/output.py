"""What every head's output can do, so that nothing else asks which head it is of."""

from typing import Any, NamedTuple, Protocol, Self, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from distilpose.evaluation.decode import Readable


class Drawing(NamedTuple):
    """What an output looks like over its crops, in the head's own words; what there is not is None.

    `name` is what one joint's picture is called, `words` what is seen there, a sentence without its full stop.
    """

    name: str
    words: str
    heatmaps: Float[Tensor, "batch joints height width"] | None = None
    curves: tuple[Float[Tensor, "batch joints columns"], Float[Tensor, "batch joints rows"]] | None = None
    """Along x and along y, 0 or more: value k of n is at k / n of the crop's width or height."""
    sigmas: Float[Tensor, "batch joints 2"] | None = None
    """(x, y) of an ellipse around each point, as fractions of the crop's width and height."""


def as_tokens(features: Float[Tensor, "batch dim rows columns"]) -> Float[Tensor, "batch visual dim"]:
    """Return a backbone's features as visual tokens, a place each, in row-major order."""
    return features.flatten(2).transpose(1, 2)


@runtime_checkable
class Output(Readable, Protocol):
    """A NamedTuple of tensors, the head's own and those of the trunk; what there is not is None."""

    @property
    def visual_tokens(self) -> Float[Tensor, "batch visual dim"] | None:
        """Residual stream after the last layer, patches in row-major order; without tokens, the backbone's features."""

    @property
    def keypoint_tokens(self) -> Float[Tensor, "batch joints dim"] | None:
        """The same of the keypoint tokens."""

    @property
    def attention(self) -> Float[Tensor, "batch layers heads joints joints+visual"] | None:
        """Softmax weights of the keypoint tokens' rows; None unless asked for, or where there are no tokens."""

    @property
    def teaches(self) -> bool:
        """Whether it holds predicted heatmaps, from which others learn."""

    def drawn(self, size: tuple[int, int]) -> Drawing:
        """Return what there is to look at; heatmaps that are made for it are of `size`, (width, height)."""

    def exported(self) -> dict[str, Tensor]:
        """Return by name what a file of the model gives: `keypoints` and `scores` first."""

    def _replace(self, **fields: Any) -> Self:
        """Return it with other values in these fields."""
