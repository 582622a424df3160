"""A square of numbers with names along both sides."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from distilpose.pictures.lettering import Label, lettered, text_width
from distilpose.pictures.palette import INK, PAPER, RULE, Image, heat

CELL = 17
_LETTERS = 11


def matrix_picture(
    values: Float[NDArray[np.floating], "rows columns"], columns: Sequence[str], rows: Sequence[str] | None
) -> Image:
    """Return values of [0, 1] as coloured cells, the columns' names (read upwards) below and the rows' at the left.

    Without `rows` the names at the left are absent, as in a matrix beside another of the same rows.
    """
    cells = heat(np.asarray(values, np.float32)).repeat(CELL, 0).repeat(CELL, 1)
    cells[::CELL] = cells[:, ::CELL] = RULE
    names = _names(columns)
    below = np.rot90(names)  # the first row becomes the first column
    left = _names(rows) if rows is not None else np.full((len(cells), 0, 3), PAPER, np.uint8)
    height = len(cells) + len(below)
    picture = np.full((height, left.shape[1] + cells.shape[1], 3), PAPER, np.uint8)
    picture[: len(cells), : left.shape[1]] = left
    picture[: len(cells), left.shape[1] :] = cells
    picture[len(cells) :, left.shape[1] :] = below
    return picture


def _names(names: Sequence[str]) -> Image:
    """Return names below each other, a cell apart, flush right."""
    width = max(text_width(name, _LETTERS) for name in names) + 8
    paper = np.full((CELL * len(names), width, 3), PAPER, np.uint8)
    labels = [
        Label(width - 4, (n + 0.5) * CELL + _LETTERS * 0.36, name, _LETTERS, INK, anchor="right")
        for n, name in enumerate(names)
    ]
    return lettered(paper, labels)
