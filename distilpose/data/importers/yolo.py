"""Ultralytics' YOLO pose format: labels/SPLIT/NAME.txt beside images/SPLIT/NAME.jpg, a line a person."""

from __future__ import annotations

from pathlib import Path

from distilpose.data.errors import DataError
from distilpose.data.importers.gathering import Gathering
from distilpose.data.skeleton import Skeleton

_PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


def read_yolo(folder: Path, pictures: Path, skeleton: Skeleton) -> Gathering:
    """The people of a folder of labels: class, box and joints in shares of the picture, with a visibility or without.

    Without visibilities a joint at (0, 0) is not labelled. Pictures without a file of labels have nobody.
    """
    found = Gathering(pictures, skeleton)
    names = sorted(file.name for file in pictures.iterdir() if file.suffix.lower() in _PICTURES)
    for name in names:
        image_id = found.picture(str(pictures), name)
        size = found.images[-1]["width"], found.images[-1]["height"]
        file = (folder / name).with_suffix(".txt")
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines() if file.is_file() else []
        for number, line in enumerate(lines, 1):
            if line.strip():
                place = f"{file}:{number}"
                box, flat = _person(place, line.split(), size, skeleton.num_joints)
                found.person(place, image_id, flat, box)
    with_pictures = {Path(name).stem for name in names}
    for file in folder.glob("*.txt"):
        if file.stem not in with_pictures:
            people = sum(bool(line.strip()) for line in file.read_text(errors="replace").splitlines())
            found.dropped["its picture is not there"] += people
    return found


def _person(place: str, words: list[str], size: tuple[int, int], joints: int) -> tuple[list[float], list[float]]:
    try:
        numbers = [float(word) for word in words[1:]]
    except ValueError as error:
        raise DataError(f"{place}: numbers are needed: {error}") from error
    if len(numbers) not in (4 + 2 * joints, 4 + 3 * joints):
        rule = f"a class, 4 numbers of the box and 2 or 3 for each of {joints} joints are needed"
        raise DataError(f"{place}: {rule}, got {len(numbers) + 1} numbers")
    (x, y, w, h), rest = numbers[:4], numbers[4:]
    step = len(rest) // joints
    flat: list[float] = []
    for at in range(0, len(rest), step):
        seen = rest[at + 2] if step == 3 else 2 if any(rest[at : at + 2]) else 0
        flat += [round(rest[at] * size[0], 3), round(rest[at + 1] * size[1], 3), seen]
    return [(x - w / 2) * size[0], (y - h / 2) * size[1], w * size[0], h * size[1]], flat
