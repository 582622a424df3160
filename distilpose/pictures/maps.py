"""Attention and heatmaps laid over the crop they belong to."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from distilpose.data.skeleton import Skeleton
from distilpose.pictures.crops import dimmed, overlaid
from distilpose.pictures.palette import SIDES, Image, side_of

Map = Float[ndarray, "rows columns"]
Point = Float[ndarray, " 2"]
Line = Float[ndarray, "points 2"]

FAINTEST_PEAK = 0.25  # a heatmap that peaks lower than this is shown as faint as it is
FAINTEST_ATTENTION = 3.0  # times the even share: the same for attention
_TELLING = ("nose", "head", "wrist", "knee", "ankle", "elbow", "shoulder", "hip")


def attention_picture(
    image: Image, attention: Map, point: Point | None, truth: Point | None, *, name: str = ""
) -> Image:
    """Return a crop in grey under the attention of one keypoint token to the visual tokens, each a patch of it.

    The brightest patch is the one attended to most, if that has three times the even share (otherwise all are
    fainter). `point` is where the model puts the joint (a dot in
    the colour of the side that `name` tells), `truth` where the annotation has it (a cross), (x, y) in pixels of
    `image`.
    """
    brightest = max(float(attention.max()), FAINTEST_ATTENTION * float(attention.mean()), 1e-12)
    return _marked(overlaid(image, attention / brightest, lattice="patches"), point, truth, name)


def peak_over_even(attention: Map) -> float:
    """Return how many times the even share the most attended patch has; 1 where there is no attention at all."""
    return float(attention.max() / attention.mean()) if attention.any() else 1.0


def heatmap_picture(
    image: Image,
    heatmap: Map | None,
    point: Point | None,
    truth: Point | None,
    *,
    name: str = "",
    lines: Sequence[Line] = (),
) -> Image:
    """Return a crop in grey under a heatmap, or under none, marked as `attention_picture` marks it.

    The map is scaled by its peak, where that is at least 0.25, so that the shapes of two maps compare. Values below 0
    show as 0. `lines` lie over it in the colour of the side, each through points of `image`.
    """
    picture = dimmed(image)
    if heatmap is not None:
        picture = overlaid(image, heatmap / max(float(heatmap.max()), FAINTEST_PEAK), lattice="points")
    unit = max(1.0, image.shape[0] / 192)
    for colour, width in (((0, 0, 0), 3.2), (SIDES[side_of(name)], 1.4)):
        drawn = [_fixed(line).astype(np.int32) for line in lines if np.isfinite(line).all()]
        cv2.polylines(picture, drawn, False, colour, max(1, round(width * unit)), cv2.LINE_AA, 4)
    return _marked(picture, point, truth, name)


def telling_joints(skeleton: Skeleton, count: int) -> tuple[int, ...]:
    """Return joints worth a look, from head to foot and of both sides in turn, at most `count`.

    Names with nose, head, wrist, knee, ankle, elbow, shoulder and hip come first, in this order, each once.
    """
    chosen: list[int] = []
    side = "right"
    for part in _TELLING:
        named = [joint for joint, name in enumerate(skeleton.names) if part in name.lower()]
        if not named or (part == "head" and chosen):
            continue
        wanted = [joint for joint in named if side_of(skeleton.names[joint]) == side]
        chosen.append((wanted or named)[0])
        side = "left" if side == "right" else "right"
    chosen += [joint for joint in range(skeleton.num_joints) if joint not in chosen]
    return tuple(chosen[:count])


def token_grid(tokens: int, size: tuple[int, int]) -> tuple[int, int]:
    """Return the (rows, columns) of a grid of visual tokens whose patches of a crop of `size` are nearest to 4:3.

    Raises ValueError where there are no tokens.
    """
    if tokens < 1:
        raise ValueError(f"tokens: at least one visual token is needed, got {tokens}")
    width, height = size
    grids = [(rows, tokens // rows) for rows in range(1, tokens + 1) if tokens % rows == 0]
    return min(grids, key=lambda grid: abs(np.log((height / grid[0]) / (width / grid[1]) * 3 / 4)))


def _marked(image: Image, point: Point | None, truth: Point | None, name: str) -> Image:
    marked = image.copy()
    unit = max(1.0, image.shape[0] / 192)
    for colour, width in (((0, 0, 0), 4.0), ((255, 255, 255), 1.8)):
        for (x, y), arm in _crosses(truth, 5.5 * unit):
            thick = max(1, round(width * unit))
            cv2.line(marked, (x - arm, y - arm), (x + arm, y + arm), colour, thick, cv2.LINE_AA, 4)
            cv2.line(marked, (x - arm, y + arm), (x + arm, y - arm), colour, thick, cv2.LINE_AA, 4)
    for (x, y), radius in _crosses(point, 3.6 * unit):
        cv2.circle(marked, (x, y), round(radius * 1.4), (0, 0, 0), -1, cv2.LINE_AA, 4)
        cv2.circle(marked, (x, y), radius, SIDES[side_of(name)], -1, cv2.LINE_AA, 4)
    return marked


def _crosses(point: Point | None, size: float) -> Sequence[tuple[tuple[int, int], int]]:
    """Return the mark to draw, if any, in sixteenths of a pixel."""
    if point is None or not np.isfinite(point).all():
        return []
    x, y = (int(v) for v in _fixed(point))
    return [((x, y), round(size * 16))]


def _fixed(points: ndarray) -> ndarray:
    """Return places in sixteenths of a pixel, none too far outside for OpenCV."""
    return np.clip(np.round(points * 16), -(2**24), 2**24)
