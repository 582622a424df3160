"""Pictures on a page, made small enough to travel inside it."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import cv2
import numpy as np
from markupsafe import Markup

from reports.formats.html import block_html, environment

_QUALITY = 82
_WIDEST = 1600  # pixels, of a page of pictures alone


class Embedded(NamedTuple):
    """A picture as a data URI with its size in pixels."""

    uri: str
    width: int
    height: int


def embed_picture(path: Path, *, max_width: int = 1200) -> Embedded | None:
    """The picture as WebP, at most `max_width` pixels wide; None where the file is gone or is no picture."""
    try:
        raw = np.frombuffer(path.read_bytes(), np.uint8)
    except OSError:
        return None
    image = cv2.imdecode(raw, cv2.IMREAD_COLOR) if raw.size else None
    if image is None:
        return None
    height, width = image.shape[:2]
    if width > max_width:
        size = (max_width, max(1, round(height * max_width / width)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    written, data = cv2.imencode(".webp", image, [cv2.IMWRITE_WEBP_QUALITY, _QUALITY])
    assert written, "WebP encodes any 8-bit picture"
    height, width = image.shape[:2]
    return Embedded(f"data:image/webp;base64,{base64.b64encode(data.tobytes()).decode()}", width, height)


class Picture(NamedTuple):
    """A picture file of a row and seed, what it shows, and the epoch that drew it."""

    row: str
    seed: int
    epoch: float | None
    path: Path
    caption: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gallery:
    """Pictures of one kind, every row's beside the others'; on the page alone."""

    counted: ClassVar = "Figure"
    name: str
    title: str
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
        embedded = [(picture, embed_picture(picture.path)) for picture in self.pictures]
        views = [(picture, image) for picture, image in embedded if image is not None]
        if not views:
            return Markup()
        wide = max(image.width / image.height for _, image in views) > 2
        return block_html("pictures", pictures=self, views=views, wide=wide, number=number)


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
