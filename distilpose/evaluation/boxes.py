"""People where a detector saw them, in the place of annotated ones."""

import dataclasses
import hashlib
import json
import math
from pathlib import Path

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from distilpose.data.coco import Person, PoseData


def detected_people(data: PoseData, file: Path) -> tuple[PoseData, Float[NDArray[np.float64], " people"]]:
    """Return the split with the boxes of a COCO results file as its people, and the boxes' scores in the same order.

    The file is a list of {image_id, category_id, bbox (x, y, width, height in image pixels), score}. As published, a
    box is used as it is, unlike an annotated one: neither clipped nor made a pixel smaller, and none is dropped for its
    score or for overlapping another. Left out are other categories, and boxes without a width and a height. The people
    have no labelled joints: the truth stays the split's own.

    Raises ValueError when the file is no such list, names an image that the split lacks, or holds no usable box.
    """
    raw = file.read_bytes()
    rows = json.loads(raw)
    if not isinstance(rows, list):
        raise ValueError(f"{file}: must be a list of boxes in COCO's results format, got {type(rows).__name__}")
    images = {image.image_id: image for image in data.images}
    nowhere = np.zeros((data.skeleton.num_joints, 3), np.float32)
    people: list[Person] = []
    scores: list[float] = []
    for number, row in enumerate(rows):
        missing = [field for field in ("image_id", "category_id", "bbox", "score") if field not in row]
        if missing:
            raise ValueError(f"{file}: [{number}]: {', '.join(missing)} must be given, got {sorted(row)}")
        if row["category_id"] != data.category_id:
            continue
        if row["image_id"] not in images:
            raise ValueError(
                f"{file}: [{number}]: image_id must be one of {data.annotation_file.name}, got {row['image_id']}; "
                "the boxes may belong to another split"
            )
        image = images[row["image_id"]]
        x, y, w, h = (float(v) for v in row["bbox"])
        if not (all(map(math.isfinite, (x, y, w, h))) and w > 0 and h > 0):
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
            )
        )
        scores.append(float(row["score"]))
    if not people:
        raise ValueError(
            f"{file}: at least one box of category {data.category_id} with a width and a height is needed, got none"
        )
    fingerprint = hashlib.sha256(data.fingerprint.encode() + raw).hexdigest()
    return dataclasses.replace(data, people=tuple(people), fingerprint=fingerprint), np.asarray(scores)
