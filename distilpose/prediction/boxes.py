"""Where the people are: in a COCO file, where a detector sees them, or all over the picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from distilpose.data.coco import clean_box
from distilpose.data.foreign import is_id, is_printable, read_json, shown
from distilpose.evaluation.boxes import read_detection
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
        """Return the picture's boxes as evaluation uses them: annotated ones clipped to it, a detector's as they are.

        Raises ValueError for a picture the file cannot know of.
        """
        known = frame.file_name in self.ids
        if not known and (self.complete or (self.ids == {} and not frame.numbered)):
            raise ValueError(
                f"{frame.file_name}: {self.file} has no boxes of it: it names no such file, and without names a "
                "picture is found by its image_id, which must be the picture's name"
            )
        found = self.found.get((frame.file_name if known else None, frame.image_id), [])
        height, width = frame.image.shape[:2]
        if self.complete:
            cleaned = [(clean_box(box, (width, height)), score) for box, score in found]
        else:
            cleaned = [(box if min(box[2:]) > 0 else None, score) for box, score in found]
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
    content, _ = read_json(file)
    complete = isinstance(content, dict)
    rows = content.get("annotations") if isinstance(content, dict) else content
    if not isinstance(rows, list):
        raise ValueError(f"{file}: must be COCO's results (a list) or annotations (an object with a list of them)")
    names: dict[int, str] = {}
    person = 1
    if isinstance(content, dict):
        for at, image_id, image in _identified(content, "images", file):
            name = image.get("file_name")
            if not isinstance(name, str) or not is_printable(name):
                raise ValueError(f"{at}: file_name must be text without control characters, got {shown(name)}")
            names[image_id] = Path(name).name
        categories = _identified(content, "categories", file)
        person = next((number for _, number, row in categories if row.get("name") == "person"), 1)
    ids = {name: image_id for image_id, name in names.items()}
    found: dict[tuple[str | None, int], list[tuple[Box, float]]] = {}
    for number, row in enumerate(rows):
        box = read_detection(row, f"{file}: [{number}]")
        name = names.get(box.image_id)
        if box.file_name:
            name = Path(box.file_name).name
            ids[name] = box.image_id
        if box.category_id == person and not box.crowd and box.score >= at_least:
            found.setdefault((name, box.image_id), []).append((box.bbox, box.score))
    return FileBoxes(file, ids, found, complete)


def _identified(content: dict[str, Any], field: str, file: Path) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Return where each record of a field stands, its id, and the record."""
    rows = content.get(field)
    if not isinstance(rows, list):
        raise ValueError(f"{file}: annotations must have {field}, a list, got {shown(rows)}")
    for number, row in enumerate(rows):
        at = f"{file}: {field}[{number}]"
        if not isinstance(row, dict) or not is_id(row.get("id")):
            raise ValueError(f"{at}: must be an object whose id is a whole number of at most 2^53, got {shown(row)}")
        yield at, row["id"], row
