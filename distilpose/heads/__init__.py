"""The heads, one a file: what each reads of a model's trunk, what it returns, and how that becomes points.

Imports no torch. A new head is a file beside these and an entry of `HEADS`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A head as a record. Its parts are named "module:attribute" and imported when a model is built.

    on_tokens: called with (dim, heatmap_size, **options); returns the module that reads keypoint tokens
        [batch, joints, dim]. Heatmaps have that (width, height).
    on_features: called with (backbone, channels, joints, **options); returns the whole model of a backbone without
        tokens, whose last features have so many channels.
    output: what either returns, an `Output`. Initial values: a module's `row_names` are the outputs that the rows of
        its last map are, so that each starts the same whatever other outputs there are.
    exports: names of the tensors that `Output.exported` gives.
    gives: the fields of its output that losses may ask for.
    switches: by option, the field of the output that it adds: it is on where a loss asks for the field.
    options: keyword-only parameters of both functions, which a model or a user may choose.
    teaches: whether the output holds heatmaps, from which others learn.
    """

    on_tokens: str
    on_features: str
    output: str
    exports: tuple[str, ...]
    gives: tuple[str, ...]
    switches: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    teaches: bool = False


HEADS: Mapping[str, Head] = {
    "regression": Head(
        on_tokens="distilpose.heads.regression:regression_head",
        on_features="distilpose.heads.regression:DeepPose",
        output="distilpose.heads.regression:RegressionOutput",
        exports=("keypoints", "scores"),
        gives=("keypoints", "scores", "sigmas"),
        switches={"score": "scores", "sigma": "sigmas"},
        options=("score", "sigma"),
    ),
    "heatmap": Head(
        on_tokens="distilpose.heads.heatmap:heatmap_head",
        on_features="distilpose.heads.heatmap:SimpleBaseline",
        output="distilpose.heads.heatmap:HeatmapOutput",
        exports=("keypoints", "scores", "heatmaps"),
        gives=("heatmaps",),
        teaches=True,
    ),
}


def load(part: str) -> Any:
    """Return a part of a head by its name, "module:attribute"."""
    module, _, attribute = part.partition(":")
    return getattr(import_module(module), attribute)
