"""The easy people of the studio: upright, facing the camera, in a suit whose parts have colours of their own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from distilpose.synthetic.body import Limb, Pose
from distilpose.synthetic.paint import Cloth, hsv
from distilpose.synthetic.wardrobe import Wardrobe, sample_wardrobe

_PARTS = ("upper", "lower", "thigh", "shank")
SUIT = {
    f"{side}_{part}": hsv(n / len(_PARTS), 0.9, 0.95) for side in ("left", "right") for n, part in enumerate(_PARTS)
}
"""The colour of each limb, the same on everybody and on both sides: hues all the way round."""


def sample_studio_pose(rng: np.random.Generator) -> Pose:
    """Someone upright who faces the camera, with arms and legs held anywhere beside the body."""

    def n(deviation: float) -> float:
        return float(rng.normal(0, deviation))

    def arm() -> Limb:
        return Limb(n(10), float(rng.uniform(5, 165)), n(20), abs(n(45)))

    def leg() -> Limb:
        return Limb(n(8), float(rng.uniform(2, 50)), n(10), abs(n(25)))

    return Pose(
        left_arm=arm(), right_arm=arm(), left_leg=leg(), right_leg=leg(), lean=n(5), side_lean=n(6), twist=n(6),
        head=(n(15), n(8), n(6)), yaw=n(12), camera_pitch=n(4), roll=n(12),
    )  # fmt: skip


def sample_suit(rng: np.random.Generator) -> Wardrobe:
    """The suit, a white torso, and a head like anybody's."""
    white = Cloth(kind="plain", first=hsv(0, 0, 0.95), second=hsv(0, 0, 0.95), turns=1)
    return replace(sample_wardrobe(rng), top=white, bottom=white, skirt=0.0, front="neck", back="none", suit=SUIT)
