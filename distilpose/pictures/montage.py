"""Panels with their captions on one sheet, under a title and over a legend."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import cv2
import numpy as np

from distilpose.pictures.lettering import Label, lettered, text_width, wrapped
from distilpose.pictures.palette import FAINT, INK, PAPER, RULE, Colour, Image, heat

MARGIN = 14


class Panel(NamedTuple):
    """A picture with a line above it and one below; empty lines keep their place."""

    image: Image
    above: str = ""
    below: str = ""


class Key(NamedTuple):
    """An entry of a legend: a sign of a colour, and what it stands for."""

    sign: Literal["line", "dot", "ring", "cross", "heat"]
    text: str
    colour: Colour = INK


def sheet(
    rows: Sequence[Sequence[Panel]],
    *,
    title: str,
    subtitle: str = "",
    legend: Sequence[Key] = (),
    gap: int = 8,
    row_gap: int = 6,
) -> Image:
    """Return rows of panels on one white sheet. Panels of a row share their height.

    Lines above or below that no panel of a row has take no room.

    Raises ValueError where there is no panel.
    """
    if not rows or not all(rows):
        raise ValueError("rows: each needs at least one panel, got none")
    body = [_row(row, gap) for row in rows]
    width = max(max(row.shape[1] for row in body), 420)
    lines = wrapped(subtitle, width, 12)
    head = 30 + 16 * len(lines)
    keys = _legend(legend, width)
    height = MARGIN + head + sum(row.shape[0] + row_gap for row in body) + keys.shape[0] + MARGIN
    paper = np.full((height, width + 2 * MARGIN, 3), PAPER, np.uint8)
    y = MARGIN + head
    for row in body:
        paper[y : y + row.shape[0], MARGIN : MARGIN + row.shape[1]] = row
        y += row.shape[0] + row_gap
    paper[y : y + keys.shape[0], MARGIN : MARGIN + width] = keys
    labels = [Label(MARGIN, MARGIN + 14, title, _fitting(title, width, 16, bold=True), INK, bold=True)]
    labels += [Label(MARGIN, MARGIN + 34 + 16 * n, line, 12, FAINT) for n, line in enumerate(lines)]
    return lettered(paper, labels)


def stacked(images: Sequence[Image], gap: int = 4) -> Image:
    """Return sheets below each other on one, a rule between."""
    width = max(image.shape[1] for image in images)
    parts: list[Image] = []
    for image in images:
        paper = np.full((image.shape[0] + gap, width, 3), PAPER, np.uint8)
        paper[: image.shape[0], : image.shape[1]] = image
        paper[-1, MARGIN:-MARGIN] = RULE
        parts.append(paper)
    return np.concatenate(parts)


def beside(images: Sequence[Image], gap: int = 6) -> Image:
    """Return pictures of one height next to each other, white between."""
    height = images[0].shape[0]
    parts: list[Image] = []
    for image in images:
        parts += [image, np.full((height, gap, 3), PAPER, np.uint8)]
    return np.concatenate(parts[:-1], axis=1)


def _row(panels: Sequence[Panel], gap: int) -> Image:
    """Return panels next to each other with their lines."""
    above = 18 if any(panel.above for panel in panels) else 0
    below = 18 if any(panel.below for panel in panels) else 0
    height = max(panel.image.shape[0] for panel in panels)
    width = sum(panel.image.shape[1] for panel in panels) + gap * (len(panels) - 1)
    row = np.full((above + height + below, width, 3), PAPER, np.uint8)
    labels = []
    x = 0
    for panel in panels:
        panel_height, panel_width = panel.image.shape[:2]
        row[above : above + panel_height, x : x + panel_width] = panel.image
        labels.append(Label(x, 12, panel.above, _fitting(panel.above, panel_width, 12, bold=True), INK, bold=True))
        size = _fitting(panel.below, panel_width, 11)
        labels.append(Label(x, above + panel_height + 13, panel.below, size, FAINT))
        x += panel_width + gap
    return lettered(row, [label for label in labels if label.text])


def _fitting(text: str, width: int, size: int, *, bold: bool = False) -> int:
    """Return the largest size of letters, 8 at least, at which a line fits a width."""
    while size > 8 and text_width(text, size, bold=bold) > width:
        size -= 1
    return size


def _legend(keys: Sequence[Key], width: int) -> Image:
    """Return the legend, as many lines high as the entries need."""
    if not keys:
        return np.full((0, width, 3), PAPER, np.uint8)
    places: list[tuple[int, int]] = []
    x, line = 0, 0
    for key in keys:
        length = _sign_width(key) + 6 + text_width(key.text, 11) + 20
        if x and x + length - 20 > width:
            x, line = 0, line + 1
        places.append((x, line))
        x += length
    legend = np.full((12 + 20 * (line + 1), width, 3), PAPER, np.uint8)
    legend[4] = RULE
    labels = []
    for key, (left, line) in zip(keys, places, strict=True):
        middle = 20 + 20 * line
        _sign(legend, key, left, middle)
        labels.append(Label(left + _sign_width(key) + 6, middle + 4, key.text, 11, FAINT))
    return lettered(legend, labels)


def _sign_width(key: Key) -> int:
    return {"line": 20, "heat": 80, "dot": 12, "ring": 12, "cross": 12}[key.sign]


def _sign(legend: Image, key: Key, x: int, y: int) -> None:
    """Draw an entry's sign, as it looks in the panels, onto the legend."""
    dark = (0, 0, 0)
    if key.sign == "line":
        cv2.line(legend, (x + 2, y), (x + 18, y), dark, 5, cv2.LINE_AA)
        cv2.line(legend, (x + 2, y), (x + 18, y), key.colour, 3, cv2.LINE_AA)
    elif key.sign == "heat":
        ramp = heat(np.linspace(0, 1, 80, dtype=np.float32)[None].repeat(10, 0))
        legend[y - 5 : y + 5, x : x + 80] = ramp
    elif key.sign == "cross":
        for colour, thick in ((dark, 4), (key.colour, 2)):
            cv2.line(legend, (x + 2, y - 4), (x + 10, y + 4), colour, thick, cv2.LINE_AA)
            cv2.line(legend, (x + 2, y + 4), (x + 10, y - 4), colour, thick, cv2.LINE_AA)
    else:
        cv2.circle(legend, (x + 6, y), 6, dark, -1, cv2.LINE_AA)
        cv2.circle(legend, (x + 6, y), 4, key.colour, -1, cv2.LINE_AA)
        if key.sign == "ring":
            cv2.circle(legend, (x + 6, y), 2, dark, -1, cv2.LINE_AA)
