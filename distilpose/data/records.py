"""What is wrong with the records of a COCO-format annotation file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeGuard

from distilpose.data.coco import person_category, stays_inside
from distilpose.data.errors import DataError
from distilpose.data.problem import Problem, problem
from distilpose.data.skeleton import Skeleton, skeleton_from_category

_BOX_TOLERANCE = 1.0
"""Pixels that a box may reach beyond its picture: rounding, which the loader clips."""


def rows_of(parsed: dict[str, Any], field: str) -> list[Any]:
    """The records of a field; none where it is not a list."""
    rows = parsed.get(field)
    return rows if isinstance(rows, list) else []


def record_problems(parsed: dict[str, Any], file: Path) -> Iterator[Problem]:
    """Every problem of the annotation file itself; pictures are not looked at."""
    for field in ("images", "annotations", "categories"):
        rows = parsed.get(field)
        if not isinstance(rows, list):
            value = type(rows).__name__ if field in parsed else ""
            yield problem("malformed", file, field, value, "a list is needed; add it as COCO's format has it")
        elif not rows:
            yield problem("empty_split", file, field, [], "at least one record is needed; give a split with people")
    skeleton, person_id = None, None
    category_ids: set[Any] = set()
    for row in rows_of(parsed, "categories"):
        if isinstance(row, dict):
            category_ids.add(_hashable(row.get("id")))
    try:
        category = person_category(parsed, str(file))
        person_id = category.get("id")
        skeleton = skeleton_from_category(category, str(file))
    except DataError as error:
        yield problem("category", file, "categories", "", str(error))
    sizes: dict[Any, tuple[float, float] | None] = {}
    yield from _images(parsed, file, sizes)
    yield from _annotations(parsed, file, skeleton, category_ids, person_id, sizes)


def _images(parsed: dict[str, Any], file: Path, sizes: dict[Any, tuple[float, float] | None]) -> Iterator[Problem]:
    """The problems of the image records; fills `sizes` by image id."""
    names: set[str] = set()
    for index, row in enumerate(rows_of(parsed, "images")):
        at = f"images[{index}]"
        if not isinstance(row, dict):
            yield problem("malformed", file, at, row, "an object with id, file_name, width and height is needed")
            continue
        number, name = _hashable(row.get("id")), row.get("file_name")
        if not is_whole(number):
            yield problem("malformed", file, f"{at}.id", row.get("id"), "a whole number is needed")
        elif number in sizes:
            yield problem("duplicate_id", file, f"{at}.id", number, "image ids must differ; renumber one")
        if not isinstance(name, str) or not name:
            yield problem("malformed", file, f"{at}.file_name", name, "the name of a picture file is needed")
        elif not stays_inside(name):
            yield problem("unsafe_name", file, f"{at}.file_name", name, "it must stay in the picture directory")
        elif name in names:
            yield problem("duplicate_file", file, f"{at}.file_name", name, "each picture once; merge the two records")
        else:
            names.add(name)
        width, height = row.get("width"), row.get("height")
        size = (float(width), float(height)) if is_whole(width) and is_whole(height) else None
        if size is None or min(size) <= 0:
            wrong = [width, height]
            yield problem(
                "malformed", file, f"{at}.width, height", wrong, "positive whole numbers of pixels are needed"
            )
            size = None
        sizes.setdefault(number, size)


def _annotations(
    parsed: dict[str, Any],
    file: Path,
    skeleton: Skeleton | None,
    category_ids: set[Any],
    person_id: Any,
    sizes: dict[Any, tuple[float, float] | None],
) -> Iterator[Problem]:
    seen: set[Any] = set()
    usable = 0
    rows = rows_of(parsed, "annotations")
    for index, row in enumerate(rows):
        at = f"annotations[{index}]"
        if not isinstance(row, dict):
            yield problem("malformed", file, at, row, "an object is needed")
            continue
        number = _hashable(row.get("id"))
        if not is_whole(number):
            yield problem("malformed", file, f"{at}.id", row.get("id"), "a whole number is needed")
        elif number in seen:
            yield problem("duplicate_id", file, f"{at}.id", number, "annotation ids must differ; renumber one")
        seen.add(number)
        at = f"{at} (id {number})"
        category = _hashable(row.get("category_id"))
        if category not in category_ids:
            yield problem("unknown_category", file, f"{at}.category_id", category, "must be a category's id; add it")
        image = _hashable(row.get("image_id"))
        if image not in sizes:
            yield problem("dangling_image_id", file, f"{at}.image_id", image, "must be an image's id; add the image")
        yield from _box(row, file, at, sizes.get(image))
        if person_id is not None and category == person_id:
            yield from _keypoints(row, file, at, skeleton)
            usable += not row.get("iscrowd", 0) and _labelled(row) > 0
    if rows and not usable:
        yield problem("empty_split", file, "annotations", "", "at least one person with a labelled joint is needed")


def _box(row: dict[str, Any], file: Path, at: str, size: tuple[float, float] | None) -> Iterator[Problem]:
    box, area = row.get("bbox"), row.get("area", 1.0)
    if not _number(area):
        yield problem("nan" if _is_nan(area) else "malformed", file, f"{at}.area", area, "a finite number is needed")
    if not isinstance(box, list) or len(box) != 4 or not all(isinstance(v, int | float) for v in box):
        yield problem("malformed", file, f"{at}.bbox", box, "x, y, width and height in pixels are needed")
        return
    if not all(math.isfinite(v) for v in box):
        yield problem("nan", file, f"{at}.bbox", box, "finite numbers are needed")
        return
    if size is None:
        return
    x, y, w, h = box
    # the official loader drops labelled people without a box or area in silence; here that is said
    if _labelled(row) > 0 and not row.get("iscrowd", 0) and (w <= 1 or h <= 1 or (_number(area) and area <= 0)):
        yield problem("empty_box", file, f"{at}.bbox, area", [box, area], "a labelled person needs a box and an area")
    elif (
        x < -_BOX_TOLERANCE
        or y < -_BOX_TOLERANCE
        or x + w > size[0] + _BOX_TOLERANCE
        or y + h > size[1] + _BOX_TOLERANCE
    ):
        rule = f"must lie in its picture of {size[0]:g}x{size[1]:g}; clip it"
        yield problem("box_outside_image", file, f"{at}.bbox", box, rule)


def _keypoints(row: dict[str, Any], file: Path, at: str, skeleton: Skeleton | None) -> Iterator[Problem]:
    flat, claimed = row.get("keypoints"), row.get("num_keypoints")
    field = f"{at}.keypoints"
    if flat is None:
        if claimed:
            yield problem("malformed", file, field, flat, f"num_keypoints is {claimed}, so keypoints are needed")
        return
    if not isinstance(flat, list) or not all(isinstance(v, int | float) for v in flat):
        yield problem("malformed", file, field, flat, "a flat list of x, y, visibility is needed")
        return
    if skeleton is not None and len(flat) != 3 * skeleton.num_joints:
        rule = f"{skeleton.num_joints} joints need {3 * skeleton.num_joints} numbers"
        yield problem("joint_count", file, field, f"{len(flat)} numbers ({len(flat) / 3:g} joints)", rule)
    wrong = [i for i, v in enumerate(flat) if not math.isfinite(v)]
    if wrong:
        joint = _joint_name(skeleton, wrong[0] // 3)
        rule = f"finite numbers are needed ({len(wrong)} are not, the first at {joint})"
        yield problem("nan", file, field, flat[wrong[0]], rule)
    odd = [v for v in flat[2::3] if math.isfinite(v) and v not in (0, 1, 2)]
    if odd:
        yield problem("visibility", file, field, odd[0], "visibility must be 0, 1 or 2")
    if claimed is not None and not wrong and bool(claimed) != (_labelled(row) > 0):
        rule = f"must count the labelled joints, {_labelled(row)}"
        yield problem("num_keypoints", file, f"{at}.num_keypoints", claimed, rule)


def _labelled(row: dict[str, Any]) -> int:
    flat = row.get("keypoints")
    flags = flat[2::3] if isinstance(flat, list) else []
    return sum(isinstance(v, int | float) and v > 0 for v in flags)


def _joint_name(skeleton: Skeleton | None, index: int) -> str:
    return skeleton.names[index] if skeleton is not None and index < skeleton.num_joints else f"joint {index + 1}"


def _hashable(value: object) -> Any:
    return value if value is None or isinstance(value, str | int | float | bool) else repr(value)


def is_whole(value: object) -> TypeGuard[int]:
    """Whether the value is a whole number."""
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _is_nan(value: object) -> bool:
    return isinstance(value, float) and not math.isfinite(value)
