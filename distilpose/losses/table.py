"""Every loss of ours by its name in recipes, in the order of the published tables, and what a loss may ask for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from distilpose.heads import HEADS
from distilpose.parts.signature import Signature, read_signature

_OF_TOKENS = ("keypoint_tokens", "visual_tokens", "attention")
_SHOWN = (*dict.fromkeys(name for head in HEADS.values() for name in head.gives), *_OF_TOKENS)
STUDENT_ASKS = (*_SHOWN, "learn")
"""What a student gives: fields of its output; `learn` is its own loss, called with the batch."""
TEACHER_ASKS = ("teacher", *(f"teacher_{name}" for name in _SHOWN))
"""What a teacher gives: its whole output, or a field of it. No gradient reaches it."""
TRUTH_ASKS = ("true_keypoints", "visible", "true_heatmaps", "heatmap_visible")
"""What the annotations give: fields of the batch, and the Gaussians that heatmap models learn."""
ASKS = (*STUDENT_ASKS, *TEACHER_ASKS, *TRUTH_ASKS, "output", "batch", "skeleton", "epoch")
"""The names by which a loss asks: a parameter of any other name is an option."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltIn:
    """A loss of ours: the file below this folder and the function, and the version of its code.

    `equal_tokens`: student and teacher must have tokens of one shape. `mixes_people`: the options under which one
    person's value depends on the others of the batch; None for never.
    """

    source: str
    version: int = 1
    equal_tokens: bool = False
    mixes_people: Mapping[str, Any] | None = field(default=None, hash=False)

    @property
    def file(self) -> Path:
        """The file of its code."""
        return Path(__file__).with_name(self.source.partition(":")[0])

    @property
    def signature(self) -> Signature:
        """What it asks for and its options."""
        return _signature(self)


@cache
def _signature(loss: BuiltIn) -> Signature:
    return read_signature(loss.file, loss.source.partition(":")[2], ASKS)


LOSSES = {
    "reg": BuiltIn(source="regression.py:regression_loss"),
    "heatmap": BuiltIn(source="heatmap.py:heatmap_loss"),
    "own": BuiltIn(source="own.py:own_loss", mixes_people={}),
    "PRTR": BuiltIn(source="prtr.py:prtr_loss"),
    "CS": BuiltIn(source="confidence.py:confidence_loss"),
    "SH": BuiltIn(source="simulated_heatmap.py:simulated_heatmap_loss", mixes_people={"form": "official"}),
    "KT": BuiltIn(source="tokens.py:keypoint_token_loss", equal_tokens=True),
    "VT": BuiltIn(source="tokens.py:visual_token_loss", equal_tokens=True),
    "TC": BuiltIn(source="teacher_points.py:teacher_coordinate_loss"),
    "TS": BuiltIn(source="teacher_points.py:teacher_score_loss"),
    "FPD": BuiltIn(source="heatmap_distillation.py:heatmap_distillation_loss"),
    "FitNet": BuiltIn(source="features.py:FitNet"),
    "AT": BuiltIn(source="features.py:attention_transfer_loss"),
    "CWD": BuiltIn(source="features.py:channel_distillation_loss", equal_tokens=True),
    "PKD": BuiltIn(source="features.py:pearson_distillation_loss", equal_tokens=True, mixes_people={}),
    "AM": BuiltIn(source="attention.py:attention_maps_loss"),
    "RKD": BuiltIn(source="relations.py:relation_loss", mixes_people={}),
    "RLE": BuiltIn(source="rle.py:RLE"),
    "SimCC": BuiltIn(source="simcc.py:simcc_loss", mixes_people={"form": "mmpose"}),
    "DWPose": BuiltIn(source="simcc.py:dwpose_loss"),
    "JS": BuiltIn(source="jensen_shannon.py:jensen_shannon_loss"),
    "OKS": BuiltIn(source="oks.py:oks_loss"),
    "bone": BuiltIn(source="bone.py:bone_loss", mixes_people={"form": "mmpose"}),
    "wing": BuiltIn(source="wing.py:wing_loss"),
    "soft_wing": BuiltIn(source="wing.py:soft_wing_loss"),
    "adaptive_wing": BuiltIn(source="wing.py:adaptive_wing_loss"),
    "OHKM": BuiltIn(source="hard_joints.py:hard_joints_loss"),
}
