"""What an importer gathers of one split: pictures, people, and where every person of the source went."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from PIL import Image, UnidentifiedImageError

from distilpose.data.editing import write_split
from distilpose.data.errors import DataError
from distilpose.data.foreign import is_id, is_number, is_printable, read_json, shown
from distilpose.data.records import stays_inside
from distilpose.data.skeleton import Skeleton, category_of

KEPT, CROWDS, UNLABELLED = "people", "crowds, to be ignored", "people without a labelled joint, to be ignored"
_GROWN = 0.125
"""Of the joints' extent, on each side: the box of a person who has none."""


def refuse(place: str, rule: str, got: object) -> NoReturn:
    """Raise DataError for what stands at a place: a file, and a field, line or record in it."""
    raise DataError(f"{place}: {rule}, got {shown(got)}")


class Gathering:
    """One split on its way into our form. Boxes and joints are in image pixels, the first pixel's middle at (0, 0).

    Args:
        pictures: their folder.
        skeleton: of everybody.
        categories: names by id; by default the people's alone.
    """

    def __init__(self, pictures: Path, skeleton: Skeleton, categories: Mapping[int, str] | None = None) -> None:
        self.pictures, self.skeleton = pictures, skeleton
        self.categories = dict(categories or {1: "person"})
        self.images: list[dict[str, Any]] = []
        self.annotations: list[dict[str, Any]] = []
        self.kept: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self._sizes: dict[int, tuple[int, int] | None] = {}
        self._ids: set[int] = set()
        self._last = 0

    def picture(self, place: str, name: object, size: Sequence[object] | None = None, *, number: object = None) -> int:
        """The id of a picture, new by default. Where its file is not there, its people will be dropped.

        Args:
            place: of the record, for messages.
            name: of the file, below the folder of pictures.
            size: (width, height); read off the file by default.
            number: its id in the source.
        """
        image_id = len(self._sizes) + 1 if number is None else number
        if not is_id(image_id) or image_id in self._sizes:
            refuse(f"{place}: id", "a whole number that no other picture has is needed", number)
        if not isinstance(name, str) or not is_printable(name) or not stays_inside(name):
            refuse(f"{place}: file_name", "the name of a picture in its folder is needed", name)
        file = self.pictures / name
        if not file.is_file():
            self._sizes[image_id] = None
            return image_id
        width, height = _size_of(file) if size is None else size
        if not (is_id(width) and is_id(height) and width > 0 and height > 0):
            refuse(f"{place}: width, height", "whole numbers of pixels are needed", [width, height])
        self._sizes[image_id] = width, height
        self.images.append({"id": image_id, "file_name": name, "width": width, "height": height})
        return image_id

    def person(
        self,
        place: str,
        image_id: object,
        keypoints: object,
        box: object = None,
        *,
        area: object = None,
        crowd: bool = False,
        category: int = 1,
        number: object = None,
        **more: object,
    ) -> None:
        """Keep a person, or drop it and count why.

        Args:
            place: of the record, for messages.
            image_id: of its picture.
            keypoints: x, y, visibility (0, 1 or 2) of each joint, flat; what is not labelled may have any position.
            box: x, y, width, height; by default round the joints.
            area: in pixels, where the source has one.
            crowd: of several people, whom evaluation ignores.
            category: by its id.
            number: the person's id in the source.
            more: other fields of the record; `num_keypoints` where evaluation counts other joints than the labelled.
        """
        if not is_id(image_id) or image_id not in self._sizes:
            refuse(f"{place}: image_id", "must be the id of one of the pictures", image_id)
        if category not in self.categories:
            refuse(f"{place}: category_id", "must be the id of one of the categories", category)
        size = self._sizes[image_id]
        if size is None:
            self.dropped["its picture is not there"] += 1
            return
        flat = self._joints(place, keypoints)
        counted, labelled = more.get("num_keypoints"), sum(flag > 0 for flag in flat[2::3])
        labelled = min(labelled, counted) if is_id(counted) and counted >= 0 else labelled
        if box is None:
            box = _round_joints(flat)
        elif not isinstance(box, list | tuple) or len(box) != 4 or not all(map(is_number, box)):
            refuse(f"{place}: bbox", "x, y, width and height in pixels are needed", box)
        clipped = None if box is None else _clipped(box, size)
        if clipped is None:
            self.dropped["no box inside its picture" if box else "too few joints for a box"] += 1
            return
        self.kept[CROWDS if crowd else KEPT if labelled else UNLABELLED] += 1
        new = number if is_id(number) and number not in self._ids else self._last + 1
        self._ids.add(new)
        self._last = max(self._last, new)
        row = {"id": new, "image_id": image_id, "category_id": category, "bbox": clipped, "iscrowd": int(crowd)}
        if is_number(area) and area > 0:
            row["area"] = area
        self.annotations.append({**row, **more, "num_keypoints": labelled, "keypoints": flat})

    def _joints(self, place: str, keypoints: object) -> list[float]:
        wanted = 3 * self.skeleton.num_joints
        if not isinstance(keypoints, list) or len(keypoints) != wanted:
            got = len(keypoints) if isinstance(keypoints, list) else keypoints
            refuse(f"{place}: keypoints", f"{wanted} numbers, x, y, visibility of each joint, are needed", got)
        flat = list(keypoints)
        for at in range(0, wanted, 3):
            if flat[at + 2] not in (0, 1, 2):
                joint = self.skeleton.names[at // 3]
                refuse(f"{place}: keypoints of {joint}", "visibility must be 0, 1 or 2", flat[at + 2])
            if flat[at + 2] == 0:
                flat[at : at + 3] = 0, 0, 0
            elif not (is_number(flat[at]) and is_number(flat[at + 1])):
                refuse(f"{place}: keypoints of {self.skeleton.names[at // 3]}", "finite numbers are needed", flat[at])
            else:
                flat[at + 2] = int(flat[at + 2])
        return flat

    def write(self, out: Path, split: str, *, copy: bool = False) -> None:
        """Write the split below `out`: annotations, and the folder of pictures as a link, or its pictures as copies.

        Raises:
            DataError: nobody is left, or there is such a split already.
        """
        if not self.kept[KEPT]:
            reasons = "; ".join(f"{count:,} {why}" for why, count in (self.kept + self.dropped).items())
            raise DataError(f"{split}: nobody with a labelled joint is left: {reasons or 'there are no people'}")
        joints = category_of(self.skeleton)
        categories = [{**joints, "id": number, "name": name} for number, name in self.categories.items()]
        content = {"images": self.images, "annotations": self.annotations, "categories": categories}
        write_split(out, split, content, {"": self.pictures}, copy=copy)

    def table(self) -> list[tuple[str, str, int]]:
        """Where every person of the source went: kept or dropped, what or why, how many."""
        return [("kept", what, count) for what, count in self.kept.items()] + [
            ("dropped", why, count) for why, count in self.dropped.items()
        ]


def read_list(file: Path | str, parsed: Any, field: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The records of a list with the place of each; the list is emptied on the way, for the sake of memory."""
    rows = parsed.get(field) if isinstance(parsed, dict) else None
    if not isinstance(rows, list):
        refuse(f"{file}: {field}", "a list is needed", rows)
    rows.reverse()
    for index in range(len(rows)):
        row = rows.pop()
        place = f"{file}: {field}[{index}]"
        if not isinstance(row, dict):
            refuse(place, "an object is needed", row)
        yield place, row


def read_object(file: Path) -> dict[str, Any]:
    """The JSON object of a file."""
    parsed = read_json(file)[0]
    if not isinstance(parsed, dict):
        refuse(str(file), "a JSON object with images and annotations is needed", type(parsed).__name__)
    return parsed


def _size_of(file: Path) -> tuple[int, int]:
    """(width, height) of a picture as OpenCV decodes it, turned as its EXIF says, from its header alone."""
    try:
        with Image.open(file) as image:
            turned = image.getexif().get(0x0112, 1) >= 5
            return image.size[::-1] if turned else image.size
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise DataError(f"{file}: is no picture that can be read: {error}") from error


def _round_joints(flat: Sequence[float]) -> list[float] | None:
    """The box round the labelled joints, somewhat grown; None where they span none."""
    points = [(x, y) for x, y, flag in zip(flat[::3], flat[1::3], flat[2::3], strict=True) if flag > 0]
    if not points:
        return None
    (left, right), (top, bottom) = ((min(side), max(side)) for side in zip(*points, strict=True))
    margin = _GROWN * max(right - left, bottom - top)
    return [left - margin, top - margin, right - left + 2 * margin, bottom - top + 2 * margin] if margin else None


def _clipped(box: Sequence[float], size: tuple[int, int]) -> list[float] | None:
    """The box within its picture, or None where nothing of more than a pixel is left."""
    left, top = max(box[0], 0), max(box[1], 0)
    width, height = min(box[0] + box[2], size[0]) - left, min(box[1] + box[3], size[1]) - top
    clipped = [round(side, 3) for side in (left, top, width, height)]
    return clipped if min(clipped[2:]) > 1 else None
