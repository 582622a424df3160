"""Text on pictures."""

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

import matplotlib as mpl
import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from distilpose.pictures.palette import INK, Colour, Image

Anchor = Literal["left", "middle", "right"]
_ANCHORS: dict[Anchor, str] = {"left": "ls", "middle": "ms", "right": "rs"}


class Label(NamedTuple):
    """A line of text: its baseline starts, is centred or ends at (x, y) in pixels; `halo` sets it off a photograph."""

    x: float
    y: float
    text: str
    size: int = 12
    colour: Colour = INK
    bold: bool = False
    anchor: Anchor = "left"
    halo: bool = False


def lettered(image: Image, labels: Iterable[Label]) -> Image:
    """Return a copy of an image with lines of text on it."""
    picture = Pillow.fromarray(image)
    draw = ImageDraw.Draw(picture)
    for label in labels:
        draw.text(
            (label.x, label.y),
            label.text,
            fill=label.colour,
            font=font(label.size, label.bold),
            anchor=_ANCHORS[label.anchor],
            stroke_width=2 if label.halo else 0,
            stroke_fill=(0, 0, 0),
        )
    return np.asarray(picture).copy()


def text_width(text: str, size: int = 12, *, bold: bool = False) -> int:
    """Return how many pixels wide a line of text is."""
    return round(font(size, bold).getlength(text))


def wrapped(text: str, width: int, size: int = 12) -> list[str]:
    """Return a text as lines of at most `width` pixels, broken between words."""
    lines: list[str] = []
    for word in text.split():
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer, size) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


@functools.cache
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """Return DejaVu Sans, which matplotlib brings along."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(str(Path(mpl.get_data_path()) / "fonts" / "ttf" / name), size)
