"""What a synthetic person looks like: skin, hair, clothes, and the marks that tell front from back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float32
from numpy import ndarray

from distilpose.synthetic.body import FACE
from distilpose.synthetic.paint import PATTERNS, Cloth, Colour, Plane, hsv

_SKINS = ((255, 224, 196), (241, 194, 150), (224, 172, 120), (198, 134, 88), (141, 85, 50), (94, 58, 38))
_HAIR = ((28, 22, 20), (60, 38, 24), (106, 72, 40), (176, 136, 78), (222, 190, 128), (150, 150, 150), (140, 58, 30))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wardrobe:
    """How a person is dressed. Fractions run along a limb from its upper end."""

    skin: Colour
    hair: Colour
    hair_style: str
    beard: bool
    glasses: bool
    top: Cloth
    sleeve: float
    """0 none, 1 to the elbow, 2 to the wrist."""
    bottom: Cloth
    leg_cloth: float
    """0 none, 1 to the knee, 2 to the ankle."""
    skirt: float
    """Its length over the thigh's, 0 for none."""
    socks: Colour
    sock_height: float
    shoes: Colour
    trim: Colour
    front: str
    back: str
    suit: Mapping[str, Colour] = field(default_factory=dict)
    """Colours of limbs (`left_upper`, `left_lower`, `left_thigh`, `left_shank`, ...), in place of what else is worn."""


def sample_wardrobe(rng: np.random.Generator) -> Wardrobe:
    """Clothes of independent colours and patterns; nothing in them tells left from right."""

    def cloth() -> Cloth:
        first = hsv(rng.random(), rng.uniform(0.35, 1.0), rng.uniform(0.35, 1.0))
        second = hsv(rng.random(), rng.uniform(0.0, 0.9), rng.uniform(0.1, 1.0))
        return Cloth(kind=str(rng.choice(PATTERNS)), first=first, second=second, turns=float(rng.uniform(2.5, 7)))

    skin = np.array(_SKINS[rng.integers(len(_SKINS))], np.float32) * np.float32(rng.uniform(0.9, 1.05))
    hair = np.array(_HAIR[rng.integers(len(_HAIR))], np.float32)
    style = str(rng.choice(("short", "short", "long", "tail", "cap", "bald"), p=(0.25, 0.2, 0.2, 0.15, 0.12, 0.08)))
    top, bottom = cloth(), cloth()
    skirt = float(rng.uniform(0.55, 1.0)) if rng.random() < 0.15 else 0.0
    if skirt and rng.random() < 0.5:
        bottom = top
    covered = rng.random()
    return Wardrobe(
        skin=skin,
        hair=hsv(rng.random(), 0.7, rng.uniform(0.3, 1)) if style == "cap" else hair,
        hair_style=style,
        beard=bool(style in ("short", "bald") and rng.random() < 0.3),
        glasses=bool(rng.random() < 0.12),
        top=top,
        sleeve=float(rng.choice((0.0, rng.uniform(0.35, 0.8), 2.0), p=(0.2, 0.45, 0.35))),
        bottom=bottom,
        leg_cloth=0.15 if skirt else float(rng.uniform(0.35, 0.9)) if covered < 0.4 else 2.0,
        skirt=skirt,
        socks=hsv(rng.random(), rng.choice((0.0, 0.8)), rng.uniform(0.3, 1)),
        sock_height=float(rng.uniform(0.05, 0.6)),
        shoes=hsv(rng.random(), rng.uniform(0, 0.8), rng.uniform(0.1, 1)),
        trim=hsv(rng.random(), rng.uniform(0, 1), rng.choice((0.1, 0.95))),
        front=str(rng.choice(("zip", "print", "buttons", "neck", "tie"))),
        back=str(rng.choice(("none", "panel", "bag", "yoke"), p=(0.4, 0.25, 0.2, 0.15))),
    )


def torso_colours(wear: Wardrobe, along: Plane, azimuth: Plane) -> Float32[ndarray, "rows columns 3"]:
    """The colour of a torso at `along` (0 hips, 1 shoulders) and `azimuth` (radians from the front, left positive)."""
    azimuth = (azimuth + np.pi) % (2 * np.pi) - np.pi
    colour = wear.top(along, azimuth)
    turned = np.abs(azimuth)
    trim: Bool[ndarray, "rows columns"]
    match wear.front:
        case "zip":
            trim = turned < 0.1
        case "print":
            trim = (turned < 0.5) & (along > 0.45) & (along < 0.75)
        case "buttons":
            trim = (turned < 0.13) & (along * 6 % 1 < 0.45)
        case "tie":
            trim = (turned < 0.06 + 0.16 * (1 - along)) & (along > 0.3)
        case "neck":
            trim = np.zeros_like(turned, bool)
        case _:
            raise AssertionError(wear.front)
    open_neck = turned < (along - 0.8) * (4.5 if wear.front == "neck" else 2.0)
    match wear.back:
        case "panel":
            trim = trim | ((turned > 2.55) & (along > 0.35) & (along < 0.8))
        case "yoke":
            trim = trim | ((turned > 1.9) & (along > 0.75))
    colour = np.where(trim[..., None], wear.trim, colour)
    colour = np.where(open_neck[..., None], wear.skin, colour)
    belt = along < 0.07
    return np.where(belt[..., None], wear.bottom.first * 0.8, colour).astype(np.float32)


def head_colours(wear: Wardrobe, direction: Float32[ndarray, "rows columns 3"]) -> Float32[ndarray, "rows columns 3"]:
    """The colour of a head at directions in its own frame (x the person's left, y up, z forward)."""
    x, y, z = direction[..., 0], direction[..., 1], direction[..., 2]
    colour = np.broadcast_to(wear.skin, direction.shape).copy()
    if wear.beard:
        colour[(z > 0.15) & (y < -0.42) & (y > -0.95)] = wear.hair * 0.9
    colour[(np.abs(x) < 0.24) & (np.abs(y + 0.5) < 0.06) & (z > 0.4)] = (150, 50, 50)
    for name in ("left_eye", "right_eye"):
        toward = direction @ FACE[name].astype(np.float32)
        colour[(np.abs(x - FACE[name][0]) < 0.22) & (np.abs(y - 0.3) < 0.05) & (z > 0.4)] = wear.hair * 0.7
        colour[toward > 0.975] = (250, 250, 250)
        colour[toward > 0.988] = (25, 25, 35)
        if wear.glasses:
            colour[(toward > 0.93) & (toward < 0.965)] = (20, 20, 20)
    if wear.hair_style == "bald":
        return colour
    line = 0.2 if wear.hair_style == "cap" else 0.42
    back = (z < 0.12) & (y > (-0.85 if wear.hair_style == "long" else -0.45)) & (np.abs(x) < 1)
    near_ear = (np.abs(x) > 0.85) & (y < 0.1) & (wear.hair_style != "long")
    hair = (y > line) | (back & ~near_ear)
    if wear.hair_style == "cap":
        hair = y > line
        colour[(z < 0.1) & (y > -0.45) & ~near_ear] = (50, 40, 34)
    colour[hair] = wear.hair
    return colour
