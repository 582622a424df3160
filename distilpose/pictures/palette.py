"""Colours that also the colour-blind tell apart (after Okabe and Ito), and which is whose."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

import cv2
import numpy as np
from jaxtyping import Float, UInt8
from numpy import ndarray
from numpy.typing import NDArray

Colour = tuple[int, int, int]
Image = UInt8[ndarray, "height width 3"]
Side = Literal["left", "right", "middle"]

PAPER: Colour = (255, 255, 255)
INK: Colour = (28, 30, 34)
FAINT: Colour = (112, 116, 124)
RULE: Colour = (222, 225, 230)
TRUTH: Colour = (255, 255, 255)
SIDES: dict[Side, Colour] = {"left": (64, 160, 230), "right": (240, 145, 20), "middle": (205, 110, 175)}


def side_of(name: str) -> Side:
    """Return the side of the body that a joint's name tells: "left_knee", "Left Knee", "l_knee"."""
    words = [word for word in re.split(r"[^a-z]+", name.lower()) if word]
    if "left" in words or "l" in words:
        return "left"
    if "right" in words or "r" in words:
        return "right"
    return "middle"


def limb_side(names: Sequence[str], limb: tuple[int, int]) -> Side:
    """Return the side that both ends of a limb are on, the middle where they differ (as shoulders and hips do)."""
    first, second = (side_of(names[joint]) for joint in limb)
    return first if first == second else "middle"


def short_name(name: str) -> str:
    """Return a joint's name for narrow places: "L shoulder" for "left_shoulder"."""
    side = side_of(name)
    if side == "middle":
        return name.replace("_", " ")
    words = [word for word in re.split(r"[\s_\-.]+", name) if word.lower() not in ("left", "right", "l", "r")]
    return f"{side[0].upper()} {' '.join(words)}"


def heat(values: Float[NDArray[np.floating], "height width"]) -> Image:
    """Return values of [0, 1] in the colours black - purple - orange - pale yellow; others are clipped."""
    levels = (np.clip(values, 0, 1) * 255).round().astype(np.uint8)
    coloured: Image = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[..., ::-1].copy()
    return coloured
