"""Everybody in a picture or a frame: boxes, skeletons, and how sure the model is of each."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from distilpose.data.skeleton import Skeleton
from distilpose.evaluation.oks import RESCORE_ABOVE
from distilpose.pictures.crops import enlarged
from distilpose.pictures.lettering import Label, lettered
from distilpose.pictures.montage import Key, Panel, sheet
from distilpose.pictures.palette import FAINT, SIDES, Image, Side
from distilpose.pictures.skeleton import skeleton_picture
from distilpose.prediction.predictor import People

_SIDES: tuple[Side, ...] = ("left", "right", "middle")
_BOX = (235, 235, 235)
_LEAST_HEIGHT, _MOST_HEIGHT = 480, 1080
_MOST_WIDTH = 3840  # pixels that a picture is enlarged to
_ROOM = 16  # pixels around a person for the signs of joints at the edge


def people_picture(image: Image, people: People, skeleton: Skeleton, *, threshold: float) -> Image:
    """Return a picture with everybody's limbs, joints, number and score over thin boxes; the surest lie on top.

    Signs and letters are as large as the person's box.

    Args:
        image: RGB, as large as the result.
        people: in its pixels.
        skeleton: the data's.
        threshold: joints scored lower are not drawn.
    """
    drawn, labels = _boxed(image, people.boxes), []
    for person in reversed(range(len(people.scores))):
        joints = people.keypoints[person]
        points = np.where(joints[:, 2:] >= threshold, joints[:, :2], np.nan)
        x, y, width, height = people.boxes[person].tolist()
        side = max(width, height)
        _draw(drawn, points, joints[:, 2] if people.has_scores else None, skeleton, max(0.3, side / 256))
        size = int(np.clip(side / 16, 8, 22))
        text = f"{person + 1}: {people.scores[person]:.2f}" if people.has_scores else f"{person + 1}"
        labels.append(Label(max(2, x + 4), max(size + 2, y - 3), text, size, _BOX, bold=True, halo=True))
    return lettered(drawn, labels)


def people_sheet(
    image: Image, people: People, skeleton: Skeleton, *, threshold: float, title: str, where: str
) -> Image:
    """Return `people_picture` at a legible size under a title and over its legend; `where` says whence the boxes."""
    scaled = enlarged(image, _legible_height(*image.shape[:2]))
    factor = np.array(scaled.shape[1::-1]) / np.array(image.shape[1::-1])
    points = (people.keypoints[..., :2] + 0.5) * factor - 0.5
    there = people._replace(
        boxes=people.boxes * np.tile(factor, 2), keypoints=np.concatenate([points, people.keypoints[..., 2:]], -1)
    )
    count = {0: "Nobody", 1: "One person"}.get(len(people.scores), f"{len(people.scores)} people")
    subtitle = f"{count}; {where}."
    legend = [Key("line", side, SIDES[side]) for side in _SIDES]
    if people.has_scores:
        subtitle += " Opacity: confidence; numbers: the person's score, the box's times the mean of joints above 0.2."
        legend += [
            Key("dot", "counts in the score", FAINT),
            Key("ring", f"does not ({RESCORE_ABOVE} or less)", FAINT),
        ]
        if threshold > 0:
            subtitle += f" Joints below {threshold:g} are not drawn."
    else:
        subtitle += " This model has no score output: every joint counts as sure."
    picture = people_picture(scaled, there, skeleton, threshold=threshold)
    return sheet([[Panel(picture)]], title=title, subtitle=subtitle, legend=legend)


def _legible_height(height: int, width: int) -> int:
    """Return the height that a picture is shown at; a long thin one is enlarged no further than its width allows."""
    wanted = int(np.clip(height, _LEAST_HEIGHT, _MOST_HEIGHT))
    return min(wanted, max(height, height * _MOST_WIDTH // width))


def _boxed(image: Image, boxes: NDArray[np.floating]) -> Image:
    """Return the picture with faint boxes."""
    boxed = image.copy()
    for x, y, width, height in boxes.tolist():
        cv2.rectangle(boxed, (round(x), round(y)), (round(x + width) - 1, round(y + height) - 1), _BOX, 1, cv2.LINE_AA)
    return np.asarray(cv2.addWeighted(boxed, 0.5, image, 0.5, 0))


def _draw(
    image: Image,
    points: NDArray[np.floating],
    scores: NDArray[np.floating] | None,
    skeleton: Skeleton,
    unit: float,
) -> None:
    """Draw a skeleton onto the part of the picture that it is in."""
    part = _around(points, image.shape)
    if part is None:
        return
    (left, top), (right, bottom) = part
    shown = image[top:bottom, left:right]
    shown[:] = skeleton_picture(shown, points - (left, top), scores, skeleton, unit=unit)


def _around(points: NDArray[np.floating], shape: Sequence[int]) -> tuple[tuple[int, int], tuple[int, int]] | None:
    """Return the corners of the part of the picture that holds the points, with room; None where there is none."""
    there = points[np.isfinite(points).all(-1)]
    if not len(there):
        return None
    edge = np.array([shape[1], shape[0]])
    low = np.clip(np.floor(there.min(0)) - _ROOM, 0, edge).astype(int)
    high = np.clip(np.ceil(there.max(0)) + _ROOM, 0, edge).astype(int)
    if (high <= low).any():
        return None
    return (int(low[0]), int(low[1])), (int(high[0]), int(high[1]))
