"""Where the people are: in a COCO file, where a detector sees them, or all over the picture."""

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from distilpose.data.coco import clean_box
from distilpose.pictures.palette import Image

Box = tuple[float, float, float, float]


class Boxes(NamedTuple):
    """People of one picture: (x, y, width, height) in its pixels, and how sure each is."""

    boxes: Float[NDArray[np.float64], "people 4"]
    scores: Float[NDArray[np.float64], " people"]


class Frame(NamedTuple):
    """One picture, or one frame of a video.

    `image_id` is COCO's, or the frame's number; `numbered` says that it is meant, and does not only count files.
    """

    file_name: str
    image_id: int
    image: Image
    numbered: bool = True


BoxSource = Callable[[Frame], Boxes]


def whole_picture(frame: Frame) -> Boxes:
    """Return one person as large as the picture."""
    height, width = frame.image.shape[:2]
    return Boxes(np.array([[0.0, 0.0, width, height]]), np.ones(1))


@dataclass(frozen=True, slots=True)
class FileBoxes:
    """The boxes of a COCO file, as a source of them.

    A picture is found by its file name where the file has names, and else by its `image_id`; a video's frame by its
    number. `ids` are the image ids that the file gives to names.
    """

    file: Path
    ids: Mapping[str, int]
    found: Mapping[tuple[str | None, int], list[tuple[Box, float]]]
    complete: bool
    """Whether the file names every picture it was made of, those without people too (annotations do)."""

    def __call__(self, frame: Frame) -> Boxes:
        """Return the boxes inside the picture, clipped to it. Raises ValueError for one the file cannot know of."""
        known = frame.file_name in self.ids
        if not known and (self.complete or (self.ids == {} and not frame.numbered)):
            raise ValueError(
                f"{frame.file_name}: {self.file} has no boxes of it: it names no such file, and without names a "
                "picture is found by its image_id, which must be the picture's name"
            )
        found = self.found.get((frame.file_name if known else None, frame.image_id), [])
        height, width = frame.image.shape[:2]
        cleaned = [(clean_box(box, (width, height)), score) for box, score in found]
        kept = [(box, score) for box, score in cleaned if box is not None]
        return Boxes(
            np.array([box for box, _ in kept], np.float64).reshape(-1, 4),
            np.array([score for _, score in kept], np.float64),
        )


def read_boxes(file: Path, *, at_least: float) -> FileBoxes:
    """Return the boxes of a COCO file: results (a list; `file_name` may be given) or annotations (an object).

    Left out are boxes scored less than `at_least`, crowds, and other categories than the person's (the one named so in
    annotations, 1 in results).

    Raises ValueError when the file is neither, or a row is malformed.
    """
    try:
        content = json.loads(file.read_bytes())
    except OSError as error:
        raise ValueError(f"{file}: boxes cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise ValueError(f"{file}: boxes must be JSON: {error}") from error
    complete = isinstance(content, dict)
    rows = content.get("annotations") if complete else content
    if not isinstance(rows, list):
        raise ValueError(f"{file}: must be COCO's results (a list) or annotations (an object with a list of them)")
    names: dict[int, str] = {}
    person: object = 1
    if complete:
        try:
            names = {image["id"]: Path(str(image["file_name"])).name for image in content["images"]}
            person = next((c["id"] for c in content["categories"] if c["name"] == "person"), 1)
        except (KeyError, TypeError) as error:
            raise ValueError(f"{file}: must have images with id and file_name, categories with id and name") from error
    ids = {name: image_id for image_id, name in names.items()}
    found: dict[tuple[str | None, int], list[tuple[Box, float]]] = {}
    for number, row in enumerate(rows):
        box, score = _checked(row, f"{file}: [{number}]")
        image_id = row["image_id"]
        name = names.get(image_id)
        if "file_name" in row:
            name = Path(str(row["file_name"])).name
            ids[name] = image_id
        if row.get("category_id", 1) == person and not row.get("iscrowd", 0) and score >= at_least:
            found.setdefault((name, image_id), []).append((box, score))
    return FileBoxes(file, ids, found, complete)


def _checked(row: Any, at: str) -> tuple[Box, float]:
    if not isinstance(row, dict) or "bbox" not in row or not isinstance(row.get("image_id"), int):
        raise ValueError(f"{at}: must have a bbox and a number as image_id, got {str(row)[:80]}")
    box, score = row["bbox"], row.get("score", 1.0)
    numbers = [*box, score] if isinstance(box, list) and len(box) == 4 else [None]
    if not all(isinstance(v, int | float) and math.isfinite(v) for v in numbers):
        raise ValueError(f"{at}: bbox must be x, y, width, height and score a number, got {box!r}, {score!r}")
    x, y, w, h = map(float, box)
    return (x, y, w, h), float(score)
