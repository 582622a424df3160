"""Pictures on a page, made small enough to travel inside it."""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import cv2
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image as Pillow

from reports.formats.html import block_html, environment

VIEWS = "views"  # the PNG text that runs name the columns by
_QUALITY = 82
_WIDEST = 1600  # pixels, of a page of pictures alone


class Embedded(NamedTuple):
    """A picture as a data URI with its size in pixels."""

    uri: str
    width: int
    height: int


def embed_picture(path: Path, *, max_width: int = 1200) -> Embedded | None:
    """The picture as WebP, at most `max_width` pixels wide; None where the file is gone or is no picture."""
    image = _read(path)
    if image is None:
        return None
    height, width = image.shape[:2]
    if width > max_width:
        size = (max_width, max(1, round(height * max_width / width)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return _embedded(image)


def _read(path: Path) -> NDArray[np.uint8] | None:
    try:
        raw = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError:
        return None
    return np.asarray(image) if raw.size and (image := cv2.imdecode(raw, cv2.IMREAD_COLOR)) is not None else None


def _embedded(image: NDArray[np.uint8]) -> Embedded:
    written, data = cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, _QUALITY])
    assert written, "WebP encodes any 8-bit picture"
    height, width = image.shape[:2]
    return Embedded(f"data:image/webp;base64,{base64.b64encode(data.tobytes()).decode()}", width, height)


def views_of(path: Path) -> list[str]:
    """The names of the columns of a picture of people, as its file says; none where it says nothing of them."""
    try:
        with Pillow.open(path) as picture:
            found = json.loads(getattr(picture, "text", {}).get(VIEWS, "[]"))
    except (OSError, ValueError):
        return []
    return found if isinstance(found, list) and all(isinstance(name, str) for name in found) else []


class Picture(NamedTuple):
    """A picture file of a row and seed, and the epoch that drew it."""

    row: str
    seed: int
    epoch: float | None
    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Gallery:
    """One column of each row's picture of people, beside the other rows'; on the page alone."""

    counted: ClassVar = "Figure"
    name: str
    view: str
    caption: str
    pictures: tuple[Picture, ...]

    def files(self) -> dict[str, str | bytes]:
        """None: the pictures stay where they are."""
        return {}

    def markdown(self) -> str:
        """Nothing: a repository shows no people."""
        return ""

    def html(self, number: int) -> Markup:
        """The pictures on the page; unreadable files are left out, and nothing is left without any."""
        columns = ((picture, self._column(picture.path)) for picture in self.pictures)
        views = [(picture, _embedded(column)) for picture, column in columns if column is not None]
        return block_html("pictures", pictures=self, views=views, number=number) if views else Markup()

    def _column(self, path: Path) -> NDArray[np.uint8] | None:
        """The column of the view, of columns as wide as each other."""
        names, image = views_of(path), _read(path)
        if image is None or self.view not in names:
            return None
        width, place = image.shape[1] // len(names), names.index(self.view)
        return image[:, place * width : (place + 1) * width]


class Figure(NamedTuple):
    """A picture file, what it shows in a line, and a sentence or two about it."""

    file: Path
    heading: str
    caption: str


def gallery_page(title: str, lead: str, figures: Sequence[Figure]) -> str:
    """Pictures as one page that needs nothing else. Missing files are listed.

    No request leaves it, it runs no script, and whatever came from a file is escaped.
    """
    shown = [(figure, embed_picture(figure.file, max_width=_WIDEST)) for figure in figures]
    return environment().get_template("gallery.html").render(title=title, lead=lead, figures=shown)
