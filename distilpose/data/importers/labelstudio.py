"""Label Studio's JSON export: KeyPointLabels, and RectangleLabels where a picture has several people."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlparse

from distilpose.data.foreign import is_number, read_json
from distilpose.data.importers.gathering import Gathering, read_list, refuse
from distilpose.data.skeleton import Skeleton


def read_labelstudio(file: Path, pictures: Path, skeleton: Skeleton) -> Gathering:
    """The people of every task's last annotation.

    Joints are a person's by their `parentID`, else by the smallest rectangle round them; without rectangles a picture
    shows one person. Names are those of the pictures that were uploaded, with or without what Label Studio puts first.
    """
    found = Gathering(pictures, skeleton)
    for place, task in read_list(file, {"tasks": read_json(file)[0]}, "tasks"):
        data, done = task.get("data"), task.get("annotations")
        url = data.get("image") if isinstance(data, dict) else None
        if not isinstance(url, str) or not isinstance(done, list):
            refuse(f"{place}: data.image, annotations", "a picture's address and a list are needed", [url, done])
        results = done[-1].get("result") if done and isinstance(done[-1], dict) else []
        if not isinstance(results, list) or not all(isinstance(one, dict) for one in results):
            refuse(f"{place}: annotations.result", "a list of objects is needed", results)
        name = PurePosixPath(unquote(urlparse(url).path)).name
        plain = name.partition("-")[2]
        name = plain if plain and not (pictures / name).is_file() and (pictures / plain).is_file() else name
        image_id = found.picture(place, name)
        boxes = {str(one.get("id")): _scaled(place, one) for one in results if one.get("type") == "rectanglelabels"}
        people: dict[str, list[float]] = {number: [0.0] * 3 * skeleton.num_joints for number in boxes}
        for one in results:
            if one.get("type") == "keypointlabels":
                x, y, _, _ = _scaled(place, one)
                number = _owner(one, x, y, boxes)
                joint = skeleton.find(str((one["value"].get("keypointlabels") or [""])[0]))
                flat = people.setdefault(number, [0.0] * 3 * skeleton.num_joints)
                if flat[3 * joint + 2]:
                    refuse(f"{place}: {skeleton.names[joint]}", "must be labelled once a person", "more; draw boxes")
                flat[3 * joint : 3 * joint + 3] = x, y, 2
        for number, flat in people.items():
            found.person(f"{place}: {number}", image_id, flat, boxes.get(number))
    return found


def _owner(one: dict[str, Any], x: float, y: float, boxes: dict[str, list[float]]) -> str:
    """Whose joint it is: the id of a rectangle, or '' for the one person of a picture without."""
    if str(one.get("parentID")) in boxes:
        return str(one["parentID"])
    around = [n for n, (left, top, w, h) in boxes.items() if left <= x <= left + w and top <= y <= top + h]
    return min(around, key=lambda number: boxes[number][2] * boxes[number][3], default="")


def _scaled(place: str, one: dict[str, Any]) -> list[float]:
    """x, y, width, height in pixels of what is kept in per cent of the picture."""
    value, sides = one.get("value"), [one.get("original_width"), one.get("original_height")]
    fields = [value.get(name, 0) for name in ("x", "y", "width", "height")] if isinstance(value, dict) else [None]
    if not all(map(is_number, [*fields, *sides])):
        refuse(f"{place}: value, original_width, original_height", "numbers are needed", [value, *sides])
    return [round(part * side / 100, 3) for part, side in zip(fields, sides * 2, strict=True)]  # type: ignore[operator]
