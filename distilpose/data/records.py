"""The records of a COCO-format annotation file as checked values, and every fault that keeps one from being read.

This is the one place that looks at what is in the file: who uses `Records` may trust types, bounds and references.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from distilpose.data.errors import DataError
from distilpose.data.foreign import LARGEST_NUMBER, is_id, is_number, is_printable, read_json, shown
from distilpose.data.problem import Problem, problem
from distilpose.data.skeleton import Skeleton, category_of, read_skeleton

Given = Mapping[str, Any]
"""Fields of a category that stand in for those of the file."""

LONGEST_SIDE = 2**20
"""Pixels of a picture's side that OpenCV decodes."""
_LONGEST_NAME = 1000
_WHOLE = "a whole number of at most 2^53 is needed"
_FINITE = f"finite numbers up to {LARGEST_NUMBER:g} are needed"
_NUMERIC = {int, float}


class _Notes:
    """Collects the problems of a file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.problems: list[Problem] = []

    def __call__(self, kind: str, field: str, value: object, rule: str) -> None:
        self.problems.append(problem(kind, self._file, field, value, rule))


class ImageRow(NamedTuple):
    """A picture: its place in the file, its id, its name below the picture folder, its (width, height) in pixels.

    `crowd_index` is how crowded it is, from 0 to 1, where the file says so (`crowdIndex`, as CrowdPose writes it).
    """

    place: str
    image_id: int
    file_name: str
    size: tuple[int, int]
    crowd_index: float | None


class AnnotationRow(NamedTuple):
    """A person, or a crowd of them. Everything is in image pixels.

    place: where the record stands, for messages.
    bbox: x, y, width, height.
    area: None where the file has none.
    keypoints: x, y, visibility of each joint of the skeleton, flat; None where the person has none.
    num_keypoints: as the file counts the labelled joints; None where it does not.
    head_size: by which PCKh measures, in pixels; None where the file has none.
    crop_box: x, y, width, height that the crop is made of, as it is, instead of `bbox`; None where the file has none.
    """

    place: str
    annotation_id: int
    image_id: int
    bbox: tuple[float, float, float, float]
    area: float | None
    keypoints: list[float] | None
    num_keypoints: int | None
    crowd: bool
    category_id: int
    head_size: float | None
    crop_box: tuple[float, float, float, float] | None

    @property
    def labelled(self) -> int:
        """How many joints are labelled."""
        return 0 if self.keypoints is None else sum(flag > 0 for flag in self.keypoints[2::3])


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """What is sound in an annotation file, and the faults of the rest.

    digest: sha256 of the file's bytes, and of the joints where others than the file's were given.
    skeleton, person_id: of the category of people, the first of several; None where it is faulty.
    categories: the names of all categories of people (or of animals), by id.
    annotations: those of people.
    others: place and category id of the annotations that are of no category in the file.
    """

    file: Path
    digest: str
    skeleton: Skeleton | None
    person_id: int | None
    categories: dict[int, str]
    images: tuple[ImageRow, ...]
    annotations: tuple[AnnotationRow, ...]
    others: tuple[tuple[str, int], ...]
    problems: tuple[Problem, ...]

    def refuse_problems(self) -> None:
        """Raise DataError with the first problem, where there is one."""
        if self.problems:
            more = f"; and {len(self.problems) - 1} more" if len(self.problems) > 1 else ""
            raise DataError(f"{self.problems[0]}{more}; `distilpose data check` lists every problem")


def with_joints_of(records: Records, skeleton: Skeleton) -> Records:
    """The records with the joints of another skeleton: those that both have by name, the others as not labelled.

    Raises:
        DataError: they have none in common.
    """
    own = records.skeleton
    assert own is not None
    places = {}
    for joint, name in enumerate(own.names):
        with suppress(ValueError):
            places[skeleton.find(name)] = joint
    if not places:
        raise DataError(f"{records.file}: keypoints: none is one of {', '.join(skeleton.names)}")

    def moved(row: AnnotationRow) -> AnnotationRow:
        if row.keypoints is None:
            return row
        flat = [0.0] * 3 * skeleton.num_joints
        for to, at in places.items():
            flat[3 * to : 3 * to + 3] = row.keypoints[3 * at : 3 * at + 3]
        return row._replace(keypoints=flat, num_keypoints=None)

    return replace(records, skeleton=skeleton, annotations=tuple(map(moved, records.annotations)))


def read_records(file: Path, given: Given | None = None) -> Records:
    """The records of the annotation file; what is `given` of its joints stands in for what it says itself.

    Raises:
        DataError: it cannot be read, or is no JSON object. Every other fault is one of the problems.
    """
    parsed, digest = _read_object(file)
    notes = _Notes(file)
    images_raw, rows, categories = (_list(parsed, field, notes) for field in ("images", "annotations", "categories"))
    category_ids, posed, skeleton = _categories(categories, notes, given or {})
    images, image_ids = _images(images_raw, notes)
    annotations, others = _annotations(rows, image_ids, category_ids, posed, skeleton, notes)
    if given and skeleton is not None:
        digest = hashlib.sha256(f"{digest}\n{json.dumps(category_of(skeleton))}".encode()).hexdigest()
    return Records(
        file=file,
        digest=digest,
        skeleton=skeleton,
        person_id=next(iter(posed), None),
        categories=posed,
        images=images,
        annotations=annotations,
        others=others,
        problems=tuple(notes.problems),
    )


def read_images(file: Path) -> tuple[tuple[ImageRow, ...], str]:
    """The pictures that a file lists, with or without people, and the sha256 of its bytes.

    Raises:
        DataError: it cannot be read, or one of the pictures' records is malformed.
    """
    parsed, digest = _read_object(file)
    notes = _Notes(file)
    images, _ = _images(_list(parsed, "images", notes), notes)
    if notes.problems:
        raise DataError(str(notes.problems[0]))
    return images, digest


def file_skeleton(file: Path) -> Skeleton:
    """The skeleton that an annotation file's category of people describes.

    Raises:
        DataError: it cannot be read, or has no such category.
    """
    parsed, _ = _read_object(file)
    notes = _Notes(file)
    _, _, skeleton = _categories(_list(parsed, "categories", notes), notes, {})
    if notes.problems or skeleton is None:
        raise DataError(str(notes.problems[0]))
    return skeleton


def stays_inside(file_name: str) -> bool:
    """Whether a picture's name stays in the picture directory: it comes from a file that anybody may have written."""
    path = PurePosixPath(file_name.replace("\\", "/"))
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and ":" not in path.parts[0]


def _read_object(file: Path) -> tuple[dict[str, Any], str]:
    """The file's JSON object and the sha256 of its bytes."""
    parsed, raw = read_json(file)
    if not isinstance(parsed, dict):
        kind = type(parsed).__name__
        raise DataError(f"{file}: must be a JSON object with images, annotations and categories, got a {kind}")
    return parsed, hashlib.sha256(raw).hexdigest()


def _list(parsed: dict[str, Any], field: str, note: _Notes) -> list[Any]:
    rows = parsed.get(field)
    if isinstance(rows, list):
        return rows
    value = type(rows).__name__ if field in parsed else ""
    note("malformed", field, value, "a list is needed; add it as COCO's format has it")
    return []


def _categories(rows: list[Any], note: _Notes, given: Given) -> tuple[set[int] | None, dict[int, str], Skeleton | None]:
    """The ids of all categories (None where not all are known), the people's with their names, and their skeleton."""
    ids: set[int] | None = set()
    sound: list[tuple[str, dict[str, Any]]] = []
    for index, row in enumerate(rows):
        at = f"categories[{index}]"
        if not isinstance(row, dict):
            note("malformed", at, row, "an object is needed")
            ids = None
            continue
        if not is_id(row.get("id")):
            note("malformed", f"{at}.id", row.get("id"), _WHOLE)
            ids = None
        elif ids is not None:
            ids.add(row["id"])
        sound.append((at, row))
    posed = [(at, row) for at, row in sound if row.get("keypoints")]
    if not posed and "keypoints" in given:
        posed = sound
    named = [one for one in posed if one[1].get("name") == "person"]
    chosen = posed if len(posed) == 1 or not named else named
    if not chosen or len(named) > 1 or any(row.get("keypoints") != chosen[0][1].get("keypoints") for _, row in chosen):
        rule = "one category with `keypoints`, or one of these named person, or several with the same, is needed"
        note("category", "categories", f"{len(posed)} with keypoints", f"{rule}; add the joint names")
        return None, {}, None
    at, person = chosen[0]
    skeleton, faults = read_skeleton({**person, **given})
    for field, rule in faults:
        note("category", f"{at}.{field}", "", rule)
    return ids, {row["id"]: str(row.get("name")) for _, row in chosen if is_id(row.get("id"))}, skeleton


def _images(rows: list[Any], note: _Notes) -> tuple[tuple[ImageRow, ...], set[int]]:
    """The sound pictures, and the ids of all."""
    images: list[ImageRow] = []
    ids: set[int] = set()
    for index, row in enumerate(rows):
        at = f"images[{index}]"
        if not isinstance(row, dict):
            note("malformed", at, row, "an object with id, file_name, width and height is needed")
            continue
        before = len(note.problems)
        number, name, size = row.get("id"), row.get("file_name"), (row.get("width"), row.get("height"))
        if not is_id(number):
            note("malformed", f"{at}.id", number, _WHOLE)
        elif number in ids:
            note("duplicate_id", f"{at}.id", number, "image ids must differ; renumber one")
        else:
            ids.add(number)
        if not isinstance(name, str) or not name:
            note("malformed", f"{at}.file_name", name, "the name of a picture file is needed")
        elif not stays_inside(name):
            note("unsafe_name", f"{at}.file_name", name, "it must stay in the picture directory")
        elif not is_printable(name) or len(name) > _LONGEST_NAME:
            rule = f"at most {_LONGEST_NAME} characters are needed, none of them a control character; rename the file"
            note("unsafe_name", f"{at}.file_name", name, rule)
        if not all(is_id(side) and 1 <= side <= LONGEST_SIDE for side in size):
            rule = f"whole numbers of pixels from 1 to {LONGEST_SIDE} are needed"
            note("malformed", f"{at}.width, height", list(size), rule)
        crowded = row.get("crowdIndex")
        if crowded is not None and not is_number(crowded):
            note("malformed", f"{at}.crowdIndex", crowded, "a number from 0 to 1 is needed")
        if len(note.problems) == before:
            images.append(ImageRow(at, row["id"], row["file_name"], (row["width"], row["height"]), crowded))
    return tuple(images), ids


def _annotations(
    rows: list[Any],
    image_ids: set[int],
    category_ids: set[int] | None,
    posed: dict[int, str],
    skeleton: Skeleton | None,
    note: _Notes,
) -> tuple[tuple[AnnotationRow, ...], tuple[tuple[str, int], ...]]:
    """The sound annotations of people (of all, where nobody knows which these are), and those of no category."""
    people: list[AnnotationRow] = []
    others: list[tuple[str, int]] = []
    seen: set[int] = set()
    for index, row in enumerate(rows):
        at = f"annotations[{index}]"
        if not isinstance(row, dict):
            note("malformed", at, row, "an object is needed")
            continue
        before = len(note.problems)
        number, category, image = row.get("id"), row.get("category_id"), row.get("image_id")
        if not is_id(number):
            note("malformed", f"{at}.id", number, _WHOLE)
        else:
            if number in seen:
                note("duplicate_id", f"{at}.id", number, "annotation ids must differ; renumber one")
            seen.add(number)
            at = f"{at} (id {number})"
        if not is_id(category):
            note("malformed", f"{at}.category_id", category, _WHOLE)
        elif category_ids is not None and category not in category_ids:
            others.append((at, category))
        if not is_id(image):
            note("malformed", f"{at}.image_id", image, _WHOLE)
        elif image not in image_ids:
            note("dangling_image_id", f"{at}.image_id", image, "must be an image's id; add the image")
        if posed and not (is_id(category) and category in posed):
            continue
        box, area, flat, count, crowd = _box(row, "bbox", at, note), *_labels(row, at, skeleton, note)
        crop = None if row.get("crop_box") is None else _box(row, "crop_box", at, note)
        head = row.get("head_size")
        if head is not None and not (is_number(head) and head > 0):
            note("malformed", f"{at}.head_size", head, "a number of pixels above 0 is needed")
        if len(note.problems) == before:
            assert box is not None
            assert is_id(category)
            people.append(
                AnnotationRow(at, row["id"], row["image_id"], box, area, flat, count, crowd, category, head, crop)
            )
    return tuple(people), tuple(others)


def _box(row: dict[str, Any], field: str, at: str, note: _Notes) -> tuple[float, float, float, float] | None:
    box = row.get(field)
    if not isinstance(box, list) or len(box) != 4 or not {*map(type, box)} <= _NUMERIC:
        note("malformed", f"{at}.{field}", box, "x, y, width and height in pixels are needed")
        return None
    if not all(map(is_number, box)):
        note("nan", f"{at}.{field}", box, _FINITE)
        return None
    x, y, width, height = map(float, box)
    return x, y, width, height


def _labels(
    row: dict[str, Any], at: str, skeleton: Skeleton | None, note: _Notes
) -> tuple[float | None, list[float] | None, int | None, bool]:
    """The area, joints, their claimed number, and whether it is a crowd."""
    area, crowd = row.get("area", 1.0), row.get("iscrowd", 0)
    flat, claimed = row.get("keypoints"), row.get("num_keypoints")
    if not is_number(area):
        note("nan" if type(area) in _NUMERIC else "malformed", f"{at}.area", area, _FINITE)
    if type(crowd) not in (int, bool) or crowd not in (0, 1):
        note("malformed", f"{at}.iscrowd", crowd, "0 or 1 is needed")
    if claimed is not None and not (is_id(claimed) and claimed >= 0):
        note("malformed", f"{at}.num_keypoints", claimed, "a whole number of joints is needed")
    field = f"{at}.keypoints"
    if flat is None:
        if claimed:
            note("malformed", field, flat, f"num_keypoints is {shown(claimed)}, so keypoints are needed")
    elif not isinstance(flat, list) or not {*map(type, flat)} <= _NUMERIC:
        note("malformed", field, flat, "a flat list of x, y, visibility is needed")
    elif skeleton is not None and len(flat) != 3 * skeleton.num_joints:
        rule = f"{skeleton.num_joints} joints need {3 * skeleton.num_joints} numbers"
        note("joint_count", field, f"{len(flat)} numbers ({len(flat) / 3:g} joints)", rule)
    elif not all(map(is_number, flat)):
        wrong = [place for place, value in enumerate(flat) if not is_number(value)]
        joint = f"joint {wrong[0] // 3 + 1}" if skeleton is None else skeleton.names[wrong[0] // 3]
        note("nan", field, flat[wrong[0]], f"{_FINITE} ({len(wrong)} are not, the first at {joint})")
    return area if "area" in row else None, flat, claimed, bool(crowd)
