"""People where a detector saw them, in the place of annotated ones."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from distilpose.data.coco import Person, PoseData
from distilpose.data.foreign import is_id, is_number, is_printable, read_json, shown


class Detection(NamedTuple):
    """A row of a boxes file; `bbox` is x, y, width, height in image pixels. What the row leaves out is 1 or empty."""

    image_id: int
    category_id: int
    bbox: tuple[float, float, float, float]
    score: float
    file_name: str
    crowd: bool


def read_detection(row: object, at: str, needed: Collection[str] = ()) -> Detection:
    """Return a row of a parsed boxes file, checked.

    `image_id` and `bbox` must be there, and the fields `needed`; `at` says in messages where the row stands.

    Raises ValueError when one is absent or malformed.
    """
    if not isinstance(row, dict):
        raise ValueError(f"{at}: must be an object with image_id and bbox, got {shown(row)}")
    missing = [field for field in ("image_id", "bbox", *needed) if field not in row]
    if missing:
        raise ValueError(f"{at}: {', '.join(missing)} must be given, got {shown(sorted(row))}")
    for field in ("image_id", "category_id"):
        if not is_id(row.get(field, 1)):
            raise ValueError(f"{at}: {field} must be a whole number of at most 2^53, got {shown(row[field])}")
    box, score, name, crowd = row["bbox"], row.get("score", 1.0), row.get("file_name", ""), row.get("iscrowd", 0)
    if not isinstance(box, list) or len(box) != 4 or not all(map(is_number, box)):
        raise ValueError(f"{at}: bbox must be x, y, width and height, finite numbers of pixels, got {shown(box)}")
    if not is_number(score):
        raise ValueError(f"{at}: score must be a finite number, got {shown(score)}")
    if not isinstance(name, str) or not is_printable(name):
        raise ValueError(f"{at}: file_name must be text without control characters, got {shown(name)}")
    if type(crowd) not in (int, bool) or crowd not in (0, 1):
        raise ValueError(f"{at}: iscrowd must be 0 or 1, got {shown(crowd)}")
    x, y, width, height = map(float, box)
    return Detection(row["image_id"], row.get("category_id", 1), (x, y, width, height), float(score), name, bool(crowd))


def detected_people(data: PoseData, file: Path) -> tuple[PoseData, Float[NDArray[np.float64], " people"]]:
    """Return the split with the boxes of a COCO results file as its people, and the boxes' scores in the same order.

    The file is a list of {image_id, category_id, bbox (x, y, width, height in image pixels), score}. As published, a
    box is used as it is, unlike an annotated one: neither clipped nor made a pixel smaller, and none is dropped for its
    score or for overlapping another. Left out are other categories, and boxes without a width and a height. The people
    have no labelled joints: the truth stays the split's own.

    Raises ValueError when the file is no such list, names an image that the split lacks, or holds no usable box.
    """
    rows, raw = read_json(file)
    if not isinstance(rows, list):
        raise ValueError(f"{file}: must be a list of boxes in COCO's results format, got {type(rows).__name__}")
    images = {image.image_id: image for image in data.images}
    nowhere = np.zeros((data.skeleton.num_joints, 3), np.float32)
    people: list[Person] = []
    scores: list[float] = []
    for number, row in enumerate(rows):
        found = read_detection(row, f"{file}: [{number}]", needed=("category_id", "score"))
        if found.category_id not in (data.category_id, *data.categories):
            continue
        if found.image_id not in images:
            raise ValueError(
                f"{file}: [{number}]: image_id must be one of {data.annotation_file.name}, got {found.image_id}; "
                "the boxes may belong to another split"
            )
        image = images[found.image_id]
        x, y, w, h = found.bbox
        if not (w > 0 and h > 0):
            continue
        people.append(
            Person(
                annotation_id=number,
                image_id=image.image_id,
                image=image.path,
                image_size=image.size,
                bbox=(x, y, w, h),
                keypoints=nowhere,
                area=w * h,
                category_id=found.category_id,
            )
        )
        scores.append(found.score)
    if not people:
        raise ValueError(
            f"{file}: at least one box of category {data.category_id} with a width and a height is needed, got none"
        )
    fingerprint = hashlib.sha256(data.fingerprint.encode() + raw).hexdigest()
    return dataclasses.replace(data, people=tuple(people), fingerprint=fingerprint), np.asarray(scores)
