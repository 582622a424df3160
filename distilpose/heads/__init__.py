"""The heads, one a file: what each reads of a model's trunk, what it returns, and how that becomes points.

Imports no torch. A new head is a file beside these and an entry of `HEADS`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from distilpose.parts.signature import Signature, read_signature

MODEL_ASKS = ("joints", "input_size", "heatmap_size", "skeleton", "score", "sigma")
"""What a model may ask for by name where it is made: how many joints, sizes as (width, height), the data's joints, and
whether a loss trains scores and sigmas."""
HEAD_ASKS = (*MODEL_ASKS, "dim", "channels")
"""What a head may ask for besides: the width of the tokens that it reads [batch, joints, dim], or the channels of the
features [batch, channels, rows, columns]."""
SWITCHES = {"score": ("scores",), "sigma": ("sigmas", "heatmap_sigmas")}
"""Of what may be asked for, the fields of an output that are there where a loss asks for them: only what is trained."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A head as a record. Its parts are named "module:attribute" and imported when a model is built.

    on_tokens: makes the module that reads keypoint tokens [batch, joints, dim]; "" where there is none. It asks by name
        for what `HEAD_ASKS` holds; its other parameters are the head's options, each with a default.
    on_features: makes the whole model of a `backbone` without tokens, of so many `channels`; it asks for these too.
    output: what either returns, an `Output`. Initial values: a module's `row_names` are the outputs that the rows of
        its last map are, so that each starts the same whatever other outputs there are.
    exports: names of the tensors that `Output.exported` gives.
    gives: the fields of its output that losses may ask for.
    """

    on_tokens: str
    on_features: str
    output: str
    exports: tuple[str, ...]
    gives: tuple[str, ...]

    @property
    def signature(self) -> Signature:
        """What it asks for and its options."""
        return signature_of(self.on_tokens or self.on_features)

    @property
    def switches(self) -> dict[str, tuple[str, ...]]:
        """Those of `SWITCHES` that it has."""
        return {option: fields for option, fields in SWITCHES.items() if option in self.signature.asks}


HEADS: Mapping[str, Head] = {
    "regression": Head(
        on_tokens="distilpose.heads.regression:regression_head",
        on_features="distilpose.heads.regression:DeepPose",
        output="distilpose.heads.regression:RegressionOutput",
        exports=("keypoints", "scores"),
        gives=("keypoints", "scores", "sigmas", "heatmap_sigmas"),
    ),
    "heatmap": Head(
        on_tokens="distilpose.heads.heatmap:heatmap_head",
        on_features="distilpose.heads.heatmap:SimpleBaseline",
        output="distilpose.heads.heatmap:HeatmapOutput",
        exports=("keypoints", "scores", "heatmaps"),
        gives=("heatmaps",),
    ),
    "rle": Head(
        on_tokens="distilpose.heads.rle:RLEHead",
        on_features="distilpose.heads.rle:RLERegression",
        output="distilpose.heads.rle:RLEOutput",
        exports=("keypoints", "scores", "sigmas"),
        gives=("keypoints", "scores", "sigmas", "heatmap_sigmas"),
    ),
    "simcc": Head(
        on_tokens="distilpose.heads.simcc:SimCCHead",
        on_features="distilpose.heads.simcc:SimCC",
        output="distilpose.heads.simcc:SimCCOutput",
        exports=("keypoints", "scores", "bins_x", "bins_y"),
        gives=("bins_x", "bins_y"),
    ),
    "ipr": Head(
        on_tokens="distilpose.heads.ipr:ipr_head",
        on_features="distilpose.heads.ipr:IPR",
        output="distilpose.heads.ipr:IPROutput",
        exports=("keypoints", "scores", "probabilities"),
        gives=("keypoints", "probabilities"),
    ),
    "prtr": Head(
        on_tokens="",
        on_features="distilpose.heads.prtr:PRTR",
        output="distilpose.heads.prtr:PRTROutput",
        exports=("keypoints", "scores", "logits", "coords"),
        gives=("keypoints", "scores", "logits", "coords"),
    ),
    "transpose": Head(
        on_tokens="",
        on_features="distilpose.heads.transpose:TransPose",
        output="distilpose.heads.heatmap:HeatmapOutput",
        exports=("keypoints", "scores", "heatmaps"),
        gives=("heatmaps",),
    ),
}


def load(part: str) -> Any:
    """Return a part of a head by its name, "module:attribute"."""
    module, _, attribute = part.partition(":")
    return getattr(import_module(module), attribute)


@cache
def signature_of(part: str) -> Signature:
    """Return the signature of a part of a head, without importing it."""
    module, _, attribute = part.partition(":")
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return read_signature(Path(spec.origin), attribute, (*HEAD_ASKS, "backbone"), builds=True)
