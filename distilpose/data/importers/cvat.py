"""CVAT's exports of skeletons: `CVAT for images 1.1` (annotations.xml) and `COCO Keypoints 1.0`."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from distilpose.data.errors import DataError
from distilpose.data.importers.coco import read_coco, reordered
from distilpose.data.importers.gathering import Gathering, refuse
from distilpose.data.skeleton import Skeleton


def read_cvat(file: Path, pictures: Path, skeleton: Skeleton) -> Gathering:
    """Every skeleton of an export, its joints found by their names; joints `outside` are not labelled."""
    if file.suffix != ".xml":
        return read_coco(file, pictures, skeleton, joints=reordered(file, skeleton))
    try:
        images = ElementTree.parse(file).getroot().iter("image")
    except (OSError, ElementTree.ParseError) as error:
        raise DataError(f"{file}: must be XML: {error}") from error
    found = Gathering(pictures, skeleton)
    for image in images:
        name = image.get("name", "")
        place = f"{file}: image {name}"
        image_id = found.picture(place, name, [_whole(place, side, image.get(side)) for side in ("width", "height")])
        for number, body in enumerate(image.iter("skeleton")):
            flat = [0.0] * 3 * skeleton.num_joints
            for point in body.iter("points"):
                at = f"{place}: skeleton {number + 1}: points {point.get('label')}"
                try:
                    joint = skeleton.find(point.get("label", ""))
                    x, y = map(float, point.get("points", "").split(","))
                except ValueError as error:
                    raise DataError(f"{at}: {error}") from error
                if point.get("outside") != "1":
                    flat[3 * joint : 3 * joint + 3] = x, y, 1 if point.get("occluded") == "1" else 2
            found.person(f"{place}: skeleton {number + 1}", image_id, flat)
        found.dropped["shapes that are no skeleton"] += sum(1 for shape in image if shape.tag in ("box", "points"))
    return found


def _whole(place: str, field: str, value: str | None) -> int:
    if value is None or not value.isdigit():
        refuse(f"{place}: {field}", "a whole number of pixels is needed", value)
    return int(value)
