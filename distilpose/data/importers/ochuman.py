"""OCHuman: the COCO-form files of its publishers, or its own ochuman.json, of which these are made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from distilpose.data.errors import DataError
from distilpose.data.foreign import is_number
from distilpose.data.importers.coco import read_coco
from distilpose.data.importers.gathering import Gathering, read_list, read_object, refuse
from distilpose.data.skeleton import Skeleton

VAL_PICTURES = 2500
"""Of those with people who have joints and a mask, in the order of their ids: val; the others are test."""
_VISIBILITY = {0: 0, 1: 2, 2: 2, 3: 1}  # missing; visible, hidden by oneself; hidden by others


def read_ochuman(file: Path, pictures: Path, skeleton: Skeleton, *, split: str) -> Gathering:
    """The people of val or test who have joints and a mask, whom its own evaluation counts.

    As `toCocoFormart` of github.com/liruilong940607/OCHumanApi has it: joints by `keypoint_names`, boxes of corners.
    """
    parsed = read_object(file)
    if "keypoint_names" not in parsed:
        return read_coco(file, pictures, skeleton)
    if split not in ("val", "test"):
        raise DataError(f"{file}: holds val and test, got the split {split!r}")
    names = parsed["keypoint_names"]
    if not isinstance(names, list) or not set(skeleton.names) <= {*map(str, names)}:
        refuse(f"{file}: keypoint_names", f"all of {', '.join(skeleton.names)} are needed", names)
    places = [names.index(name) for name in skeleton.names]
    found = Gathering(pictures, skeleton)
    for place, row, people in _of_split(file, parsed, split):
        image_id = found.picture(place, row.get("file_name"), (row.get("width"), row.get("height")))
        for at, person in people:
            if not _is_whole(person):
                found.dropped["no joints or no mask, so not in its evaluation"] += 1
                continue
            box = person.get("bbox")
            if not isinstance(box, list) or len(box) != 4 or not all(map(is_number, box)):
                refuse(f"{at}: bbox", "the corners x1, y1, x2, y2 in pixels are needed", box)
            x1, y1, x2, y2 = box
            flat = _joints(at, person["keypoints"], places, len(names))
            found.person(at, image_id, flat, [x1, y1, x2 - x1, y2 - y1], area=(x2 - x1) * (y2 - y1))
    return found


Person = tuple[str, dict[str, Any]]


def _of_split(file: Path, parsed: dict[str, Any], split: str) -> Iterator[tuple[str, dict[str, Any], list[Person]]]:
    """The pictures of a split with their people, by id; one without anybody to evaluate follows its predecessor."""
    rows = list(read_list(file, parsed, "images"))
    for place, row in rows:
        if type(row.get("image_id")) not in (int, str):
            refuse(f"{place}: image_id", "a number or a name is needed", row.get("image_id"))
    counted = 0
    for place, row in sorted(rows, key=lambda one: str(one[1]["image_id"]).zfill(20)):
        people = list(read_list(place, row, "annotations"))
        counted += any(_is_whole(one) for _, one in people)
        if (split == "val") == (counted <= VAL_PICTURES):
            yield place, row, people


def _is_whole(person: dict[str, Any]) -> bool:
    return bool(person.get("keypoints")) and bool(person.get("segms"))


def _joints(at: str, flat: object, places: list[int], count: int) -> list[Any]:
    if not isinstance(flat, list) or len(flat) != 3 * count:
        got = len(flat) if isinstance(flat, list) else flat
        refuse(f"{at}: keypoints", f"{3 * count} numbers, x, y, visibility of each joint, are needed", got)
    for joint in places:
        flag = flat[3 * joint + 2]
        if type(flag) not in (int, float) or flag not in _VISIBILITY:
            refuse(f"{at}: keypoints", "visibility must be 0, 1, 2 or 3", flag)
    return [v for at in places for v in (*flat[3 * at : 3 * at + 2], _VISIBILITY[flat[3 * at + 2]])]
