"""Sets published in COCO's format, each with its own fields and gaps: see the table of importers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from distilpose.data.importers.gathering import Gathering, read_list, read_object, refuse
from distilpose.data.skeleton import Skeleton

Row = dict[str, Any]
Joints = Callable[[Row, Skeleton], object]
More = Callable[[Row], dict[str, object]]


def whole(row: Row, skeleton: Skeleton) -> object:
    """The joints as they stand, or the first of them where the skeleton has fewer (as Halpe's 26 of 136)."""
    flat = row.get("keypoints")
    wanted = 3 * skeleton.num_joints
    return flat[:wanted] if isinstance(flat, list) and len(flat) in (26 * 3, 136 * 3) else flat


def reordered(file: Path, skeleton: Skeleton) -> Joints:
    """What finds a record's joints by the names that the file's category gives them, in the skeleton's order."""
    named = [row.get("keypoints") for row in read_object(file).get("categories", []) if isinstance(row, dict)]
    names = next((names for names in named if names), None)
    if not isinstance(names, list):
        refuse(f"{file}: categories", "a category with the names of the joints is needed", names)
    places = [skeleton.find(str(name)) for name in names]

    def joints(row: Row, skeleton: Skeleton) -> object:
        given = row.get("keypoints")
        if not isinstance(given, list) or len(given) != 3 * len(places):
            return given
        flat: list[Any] = [0] * 3 * skeleton.num_joints
        for at, joint in enumerate(places):
            flat[3 * joint : 3 * joint + 3] = given[3 * at : 3 * at + 3]
        return flat

    return joints


def read_coco(
    file: Path,
    pictures: Path,
    skeleton: Skeleton,
    *,
    joints: Joints = whole,
    more: More = lambda row: {},
    prefix: str = "",
    by_category: bool = False,
) -> Gathering:
    """One file of COCO's format, or a folder of them.

    Args:
        file: the annotations.
        pictures: their folder.
        skeleton: of the people.
        joints: of a record, flat; a record without any is of a person without a labelled joint.
        more: fields of ours that a record gives.
        prefix: of picture names, above the folder of pictures.
        by_category: keep the source's categories; otherwise all are people.
    """
    parsed = read_object(file) if file.is_file() else _joined(file)
    names: Mapping[int, str] | None = None
    if by_category:
        rows = read_list(file, parsed, "categories")
        names = {row.get("id"): row.get("name") for _, row in rows}  # type: ignore[misc]
        if not all(type(number) is int and isinstance(name, str) for number, name in names.items()):
            refuse(f"{file}: categories", "an id and a name each are needed", list(names.items()))
    found = Gathering(pictures, skeleton, names)
    crowded = {}
    for place, row in read_list(file, parsed, "images"):
        size = (row.get("width"), row.get("height"))
        name = row.get("file_name")
        name = name.removeprefix(prefix) if isinstance(name, str) else name
        number = found.picture(place, name, size, number=row.get("id"))
        if "crowdIndex" in row:
            crowded[number] = row["crowdIndex"]
    for image in found.images:
        if image["id"] in crowded:
            image["crowdIndex"] = crowded[image["id"]]
    nothing = [0] * 3 * skeleton.num_joints
    for place, row in read_list(file, parsed, "annotations"):
        place = f"{place} (id {row.get('id')})"
        found.person(
            place,
            row.get("image_id"),
            joints(row, skeleton) or nothing,
            row.get("bbox") or None,
            area=row.get("area"),
            crowd=bool(row.get("iscrowd")),
            category=row.get("category_id", 1) if by_category else 1,
            number=row.get("id"),
            **more(row),
        )
    return found


def _joined(folder: Path) -> dict[str, Any]:
    """The pictures and people of all files of a folder, in the order of their names."""
    joined: dict[str, Any] = {"images": [], "annotations": []}
    for file in sorted(folder.glob("*.json")):
        parsed = read_object(file)
        for field, rows in joined.items():
            found = parsed.get(field)
            if not isinstance(found, list):
                refuse(f"{file}: {field}", "a list is needed", found)
            rows += found
    return joined
