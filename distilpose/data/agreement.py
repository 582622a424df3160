"""OKS sigmas from people that were annotated more than once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from distilpose.data.coco import Person, PoseData
from distilpose.data.errors import DataError

_SAME = 0.5
"""Overlap of two boxes (of their union) above which they may be of one person."""


class Sigma(NamedTuple):
    """A joint's sigma, None where nobody was labelled twice, and on how many pairs of annotations it rests."""

    joint: str
    sigma: float | None
    pairs: int


def estimate_sigmas(sets: Sequence[PoseData]) -> tuple[Sigma, ...]:
    """The sigma of each joint, from the same pictures annotated independently in two sets or more.

    As COCO defines it, sigma^2 is the mean of d^2 / s^2: d the distance of an annotation from the true place, s^2 the
    person's area. Of two annotators who err alike and independently, half the square of their distance is that of one
    from the truth. A picture is known by its name, a person by the box that overlaps most.

    Raises:
        DataError: the sets have other joints, or nobody in common.
    """
    names = sets[0].skeleton.names
    squares: list[list[float]] = [[] for _ in names]
    for at, one in enumerate(sets):
        for other in sets[at + 1 :]:
            if other.skeleton.names != names:
                raise DataError(f"{other.annotation_file}: keypoints must be those of {sets[0].annotation_file}")
            for first, second in _same_people(one, other):
                both = (first.keypoints[:, 2] > 0) & (second.keypoints[:, 2] > 0)
                apart = ((first.keypoints[:, :2] - second.keypoints[:, :2]).astype(float) ** 2).sum(-1)
                for joint in np.flatnonzero(both):
                    squares[joint].append(apart[joint] / (first.area + second.area))  # half, of the mean area
    if not any(squares):
        raise DataError("no person is annotated in two of the sets: pictures are known by their names")
    return tuple(
        Sigma(name, float(np.sqrt(np.mean(found))) if found else None, len(found))
        for name, found in zip(names, squares, strict=True)
    )


def _same_people(one: PoseData, other: PoseData) -> list[tuple[Person, Person]]:
    by_picture: dict[str, list[Person]] = {}
    for person in other.people:
        by_picture.setdefault(str(person.image.relative_to(other.image_dir)), []).append(person)
    pairs = []
    for person in one.people:
        there = by_picture.get(str(person.image.relative_to(one.image_dir)), [])
        best = max(there, key=lambda found: _overlap(person, found), default=None)
        if best is not None and _overlap(person, best) > _SAME:
            there.remove(best)
            pairs.append((person, best))
    return pairs


def _overlap(one: Person, other: Person) -> float:
    (x1, y1, w1, h1), (x2, y2, w2, h2) = one.bbox, other.bbox
    width, height = min(x1 + w1, x2 + w2) - max(x1, x2), min(y1 + h1, y2 + h2) - max(y1, y2)
    shared = max(width, 0) * max(height, 0)
    return shared / (w1 * h1 + w2 * h2 - shared)
