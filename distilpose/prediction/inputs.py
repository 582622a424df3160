"""The pictures and videos that a user names, and what each is called in the results."""

import itertools
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
VIDEOS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm")
_LONGEST = 60


class Input(NamedTuple):
    """One file: its place, what it is, and the name its results go by, which is safe in any folder."""

    path: Path
    kind: Literal["picture", "video"]
    name: str


def find_inputs(path: Path) -> list[Input]:
    """Return the file, or every picture and video that lies directly in the folder, by name.

    Results are named by number and by what is harmless in the file's name, so that no two collide and none leaves its
    folder.

    Raises ValueError where there is nothing to look at.
    """
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file() and _kind(file) is not None)
    elif path.exists():
        files = [path]
    else:
        raise ValueError(f"{path}: there is no such picture, folder or video")
    if not files:
        known = " ".join((*PICTURES, *VIDEOS))
        raise ValueError(f"{path}: at least one picture or video directly in this folder is needed ({known}), got none")
    return [
        Input(file, _kind(file) or "picture", f"{number:04d}-{safe_name(file.stem)}")
        for number, file in enumerate(files, 1)
    ]


def safe_name(name: str) -> str:
    """Return what is harmless of a name: letters, digits, dots, dashes and underscores, at most 60 of them."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._")[:_LONGEST] or "unnamed"


class ImageId(NamedTuple):
    """A picture's COCO image id. `meant` says that the picture is named by it, and it does not only count files."""

    number: int
    meant: bool


def image_ids(files: Sequence[Path]) -> list[ImageId]:
    """Return an id for each picture, no two alike: the number it is named by, as COCO's are, or else a free one."""
    named = [int(file.stem) if re.fullmatch(r"[0-9]{1,15}", file.stem) else None for file in files]
    first = {number: place for place, number in reversed(list(enumerate(named))) if number is not None}
    free = (number for number in itertools.count(1) if number not in first)
    return [
        ImageId(number, meant=True)
        if number is not None and first[number] == place
        else ImageId(next(free), meant=False)
        for place, number in enumerate(named)
    ]


def others(path: Path, inputs: Iterable[Input]) -> int:
    """Return how many files of a folder are not looked at."""
    if not path.is_dir():
        return 0
    return sum(file.is_file() for file in path.iterdir()) - len({found.path for found in inputs})


def _kind(file: Path) -> Literal["picture", "video"] | None:
    suffix = file.suffix.lower()
    if suffix in VIDEOS:
        return "video"
    return "picture" if suffix in PICTURES else None
