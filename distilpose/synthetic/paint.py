"""Paint: shaded, patterned, rounded shapes drawn on a canvas that remembers which shape each pixel shows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32, UInt8
from numpy import ndarray

Colour = Float32[ndarray, " 3"]
Plane = Float32[ndarray, "rows columns"]
Surface = Callable[[Plane, Plane], Float32[ndarray, "rows columns 3"]]
"""The colour at (along, around): 0 to 1 along the shape, and radians around it, 0 where it faces the camera."""


@dataclass(slots=True)
class Canvas:
    """A picture being painted: RGB in 0..255 as float32, and for each pixel the number of the shape on top."""

    rgb: Float32[ndarray, "rows columns 3"]
    light: Float32[ndarray, " 3"]
    ambient: float
    top: UInt8[ndarray, "rows columns"] = field(init=False)

    def __post_init__(self) -> None:
        self.top = np.zeros(self.rgb.shape[:2], np.uint8)

    def window(
        self, x0: float, y0: float, x1: float, y1: float
    ) -> tuple[slice, slice, Float32[ndarray, "1 columns"], Float32[ndarray, "rows 1"]] | None:
        """Rows, columns and the pixel coordinates of a region, clipped; None where it is outside the picture."""
        height, width = self.top.shape
        left, right = max(0, math.floor(x0) - 1), min(width, math.ceil(x1) + 2)
        upper, lower = max(0, math.floor(y0) - 1), min(height, math.ceil(y1) + 2)
        if left >= right or upper >= lower:
            return None
        x = np.arange(left, right, dtype=np.float32)[None, :]
        y = np.arange(upper, lower, dtype=np.float32)[:, None]
        return slice(upper, lower), slice(left, right), x, y

    def lay(
        self, rows: slice, columns: slice, alpha: Plane, colour: Float32[ndarray, "rows columns 3"], number: int
    ) -> None:
        """Blend a colour in, and write the shape's number where it covers at least half of a pixel."""
        under = self.rgb[rows, columns]
        under += (colour - under) * alpha[..., None]
        self.top[rows, columns][alpha >= 0.5] = number


@dataclass(frozen=True, slots=True, kw_only=True)
class Rod:
    """A rounded rod between two picture points; every length in pixels.

    radius: at the start, the middle and the end.
    caps: how far the round ends reach beyond start and end.
    """

    start: tuple[float, float]
    end: tuple[float, float]
    radius: tuple[float, float, float]
    caps: tuple[float, float]


def paint_rod(canvas: Canvas, rod: Rod, surface: Surface, number: int) -> None:
    """Draw the rod as a lit, round thing with a soft edge."""
    (x0, y0), (x1, y1) = rod.start, rod.end
    reach = max(*rod.radius, *rod.caps)
    window = canvas.window(min(x0, x1) - reach, min(y0, y1) - reach, max(x0, x1) + reach, max(y0, y1) + reach)
    if window is None:
        return
    rows, columns, x, y = window
    length = math.hypot(x1 - x0, y1 - y0)
    ax, ay = ((x1 - x0) / length, (y1 - y0) / length) if length > 1e-3 else (0.0, 1.0)
    along = (x - x0) * ax + (y - y0) * ay
    across = (x - x0) * -ay + (y - y0) * ax
    t = np.clip(along / max(length, 1e-3), 0, 1)
    r0, rm, r1 = rod.radius
    # the parabola through the three radii
    radius = r0 + t * ((4 * rm - 3 * r0 - r1) + t * (2 * r0 + 2 * r1 - 4 * rm))
    beyond = np.where(along < 0, -along / max(rod.caps[0], 0.3), (along - length) / max(rod.caps[1], 0.3))
    beyond = np.clip(beyond, 0, None)
    inside = np.sqrt(np.clip(1 - beyond * beyond, 0, None))
    half = radius * inside
    alpha = np.clip(half - np.abs(across) + 0.5, 0, 1) * (beyond < 1)
    # a shape thinner than a pixel is a faint one, not a wide one
    side = np.clip(across / np.maximum(half, 0.5), -1, 1)
    facing = np.sqrt(1 - side * side)
    light = canvas.light
    lit = canvas.ambient + (1 - canvas.ambient) * np.clip(
        side * (-ay * light[0] + ax * light[1]) + facing * light[2], 0, None
    )
    colour = surface(t, np.arcsin(side)) * lit[..., None]
    canvas.lay(rows, columns, alpha.astype(np.float32), colour.astype(np.float32), number)


def paint_ball(
    canvas: Canvas,
    center: tuple[float, float],
    semi_axes: tuple[float, float],
    up: tuple[float, float],
    surface: Callable[[Float32[ndarray, "rows columns 3"]], Float32[ndarray, "rows columns 3"]],
    number: int,
) -> None:
    """Draw an ellipse lit like a ball.

    Args:
        center: picture point.
        semi_axes: across and along `up`, pixels.
        up: the direction of its long axis in the picture (y down), not zero.
        surface: the colour for each outward normal of the ball, in camera axes (x right, y up, z to the camera).
    """
    reach = max(semi_axes)
    window = canvas.window(center[0] - reach, center[1] - reach, center[0] + reach, center[1] + reach)
    if window is None:
        return
    rows, columns, x, y = window
    norm = math.hypot(*up)
    ux, uy = up[0] / norm, up[1] / norm
    dx, dy = x - center[0], y - center[1]
    p = (dx * -uy + dy * ux) / semi_axes[0]
    q = (dx * ux + dy * uy) / semi_axes[1]
    r = np.sqrt(p * p + q * q)
    alpha = np.clip((1 - r) * min(semi_axes) + 0.5, 0, 1)
    scale = np.where(r > 1, 1 / np.maximum(r, 1e-6), 1)
    p, q = p * scale, q * scale
    z = np.sqrt(np.clip(1 - p * p - q * q, 0, 1))
    normal = np.stack([p * -uy + q * ux, -(p * ux + q * uy), z], axis=-1).astype(np.float32)
    light = canvas.light
    lit = canvas.ambient + (1 - canvas.ambient) * np.clip(
        normal[..., 0] * light[0] - normal[..., 1] * light[1] + normal[..., 2] * light[2], 0, None
    )
    canvas.lay(rows, columns, alpha.astype(np.float32), surface(normal) * lit[..., None], number)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloth:
    """A patterned material. `kind` is one of PATTERNS; `turns` is how often the pattern repeats along the shape."""

    kind: str
    first: Colour
    second: Colour
    turns: float

    def __call__(self, along: Plane, around: Plane) -> Float32[ndarray, "rows columns 3"]:
        """The colour at places of a shape."""
        along, around = np.broadcast_arrays(along, around)
        wave_along, wave_around = along * self.turns % 1.0, around * self.turns / math.pi % 1.0
        match self.kind:
            case "plain":
                mix = np.zeros_like(along)
            case "hoops":
                mix = wave_along < 0.45
            case "stripes":
                mix = wave_around < 0.4
            case "plaid":
                mix = 0.5 * (wave_along < 0.4) + 0.5 * (wave_around < 0.4)
            case "dots":
                mix = (wave_along - 0.5) ** 2 + (wave_around - 0.5) ** 2 < 0.08
            case "fade":
                mix = along
            case _:
                raise AssertionError(self.kind)
        colour: Float32[ndarray, "rows columns 3"] = self.first + mix[..., None] * (self.second - self.first)
        return colour.astype(np.float32)


PATTERNS = ("plain", "plain", "plain", "plain", "plain", "hoops", "stripes", "plaid", "dots", "fade")


def hsv(hue: float, saturation: float, value: float) -> Colour:
    """RGB in 0..255 of a hue (turns), saturation and value (0 to 1)."""
    shades = np.clip(np.abs((hue * 6 + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1, 0, 1)
    colour: Colour = (255 * value * (1 - saturation + saturation * shades)).astype(np.float32)
    return colour
