"""A person with the joints a model found, and how sure it is of each."""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float
from numpy import ndarray

from distilpose.data.skeleton import Skeleton
from distilpose.evaluation.oks import RESCORE_ABOVE
from distilpose.pictures.lettering import Label, lettered, text_width
from distilpose.pictures.palette import (
    FAINT,
    INK,
    PAPER,
    RULE,
    SIDES,
    TRUTH,
    Colour,
    Image,
    limb_side,
    short_name,
    side_of,
)

Points = Float[ndarray, "joints 2"]
Scores = Float[ndarray, " joints"]

_SUPERSAMPLE = 2
_SHIFT = 4  # OpenCV takes positions in sixteenths of a pixel


def skeleton_picture(
    image: Image,
    keypoints: Points,
    scores: Scores | None,
    skeleton: Skeleton,
    truth: Points | None = None,
    *,
    unit: float | None = None,
) -> Image:
    """Return a picture with the limbs and joints drawn on it.

    A joint's side of the body is its colour. A limb is as opaque as the lesser confidence of its ends; a joint whose
    score does not count in the person's (at most 0.2) is a ring, any other a dot.

    Args:
        image: RGB, as large as the result.
        keypoints: (x, y) in pixels of `image`; (0, 0) is the middle of the first pixel.
        scores: confidences, of which [0, 1] shows; None draws all as sure.
        skeleton: the data's.
        truth: the annotated joints, drawn as thin white limbs; NaN for a joint that is not annotated.
        unit: how thick all is drawn, 1 being right for a person 256 pixels high; None goes by the picture's height.
    """
    height, width = image.shape[:2]
    large = cv2.resize(image, (width * _SUPERSAMPLE, height * _SUPERSAMPLE), interpolation=cv2.INTER_LINEAR)
    unit = max(1.0, height / 256) if unit is None else unit
    points = _scaled(keypoints)
    sure = np.ones(len(points)) if scores is None else np.clip(scores, 0, 1)
    if truth is not None:
        places = _scaled(truth)
        for a, b in skeleton.limbs:
            _line(large, places[a], places[b], (0, 0, 0), 3.2 * unit, 0.55)
            _line(large, places[a], places[b], TRUTH, 1.4 * unit, 0.9)
    for a, b in skeleton.limbs:
        opacity = 0.15 + 0.85 * min(sure[a], sure[b])
        colour = SIDES[limb_side(skeleton.names, (a, b))]
        _line(large, points[a], points[b], (0, 0, 0), 4.6 * unit, 0.5 * opacity)
        _line(large, points[a], points[b], colour, 2.8 * unit, opacity)
    for joint, name in enumerate(skeleton.names):
        _joint(large, points[joint], SIDES[side_of(name)], unit, counted=scores is None or sure[joint] > RESCORE_ABOVE)
    return np.asarray(cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA))


def confidence_chart(scores: Scores, skeleton: Skeleton, height: int, *, width: int = 170) -> Image:
    """Return a bar a joint with its name and confidence, in the colour of its side; at 0.2 a line tells what counts."""
    chart = np.full((height, width, 3), PAPER, np.uint8)
    rows = len(skeleton.names)
    pitch = height / rows
    size = int(np.clip(pitch * 0.68, 7, 12))
    names = [short_name(name) for name in skeleton.names]
    indent = max(text_width(name, size) for name in names) + 6
    number = text_width("0.00", size) + 4
    span = max(8, width - indent - number)
    labels = []
    for row, name in enumerate(names):
        middle = (row + 0.5) * pitch
        top, bottom = round(middle - pitch * 0.3), round(middle + pitch * 0.3)
        labels.append(Label(indent - 6, middle + size * 0.36, name, size, FAINT, anchor="right"))
        chart[top:bottom, indent : indent + span] = (240, 242, 245)
        filled = round(span * float(np.clip(scores[row], 0, 1)))
        chart[top:bottom, indent : indent + filled] = SIDES[side_of(skeleton.names[row])]
        text = f"{scores[row]:.2f}"
        labels.append(Label(width, middle + size * 0.36, text, size, INK, anchor="right"))
    chart[:, indent + round(span * RESCORE_ABOVE)] = RULE
    return lettered(chart, labels)


def _scaled(points: Points) -> Points:
    """Return pixel positions on the larger canvas."""
    scaled: Points = (np.asarray(points, np.float64) + 0.5) * _SUPERSAMPLE - 0.5
    return scaled


def _fixed(point: Points) -> tuple[int, int]:
    limit = 2**24  # far outside any picture; OpenCV's integers end a little later
    x, y = np.clip(np.round(point * 2**_SHIFT), -limit, limit).astype(int).tolist()
    return x, y


def _line(image: Image, start: Points, end: Points, colour: Colour, thickness: float, opacity: float) -> None:
    """Draw a line onto an image; nothing where an end is not finite."""
    if not (np.isfinite(start).all() and np.isfinite(end).all()):
        return
    drawn = image.copy()
    thick = max(1, round(thickness * _SUPERSAMPLE))
    cv2.line(drawn, _fixed(start), _fixed(end), colour, thick, cv2.LINE_AA, _SHIFT)
    cv2.addWeighted(drawn, opacity, image, 1 - opacity, 0, dst=image)


def _joint(image: Image, point: Points, colour: Colour, unit: float, *, counted: bool) -> None:
    if not np.isfinite(point).all():
        return
    radius = round(3.4 * unit * _SUPERSAMPLE * 2**_SHIFT)
    centre = _fixed(point)
    cv2.circle(image, centre, round(radius * 1.35), (0, 0, 0), -1, cv2.LINE_AA, _SHIFT)
    cv2.circle(image, centre, radius, colour, -1, cv2.LINE_AA, _SHIFT)
    if not counted:
        cv2.circle(image, centre, round(radius * 0.55), (0, 0, 0), -1, cv2.LINE_AA, _SHIFT)
