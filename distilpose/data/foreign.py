"""JSON that anybody may have written: read, its values checked, and shown in messages."""

from __future__ import annotations

import json
import re
from itertools import islice
from pathlib import Path
from typing import Any, TypeGuard

from distilpose.data.errors import DataError

LARGEST_ID = 2**53
"""Ids beyond it are rounded by programs that read JSON's numbers as floats, and do not fit numpy's integers."""
LARGEST_NUMBER = 1e12
"""Of pixels and scores: far beyond any picture, and squared still a float32."""
_SHOWN = 80  # characters of a value in a message
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")  # also of direction


def read_json(file: Path) -> tuple[Any, bytes]:
    """The parsed file and its bytes.

    Raises:
        DataError: it cannot be read, or is not JSON.
    """
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror}") from error
    try:
        return json.loads(raw), raw
    except RecursionError as error:
        raise DataError(f"{file}: must be JSON, is nested too deeply to be read") from error
    except ValueError as error:
        raise DataError(f"{file}: must be JSON: {str(error).partition(';')[0]}") from error


def is_id(value: object) -> TypeGuard[int]:
    """Whether the value is a whole number (true is none) up to `LARGEST_ID`."""
    return type(value) is int and -LARGEST_ID <= value <= LARGEST_ID


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether the value is a finite number (true is none) up to `LARGEST_NUMBER`."""
    return type(value) in (int, float) and -LARGEST_NUMBER <= value <= LARGEST_NUMBER  # type: ignore[operator]


def is_printable(text: str) -> bool:
    """Whether the text has no control characters and no lone surrogates, which no file name can hold."""
    return _CONTROL.search(text) is None


def shown(value: object) -> str:
    """The value as JSON for a message: one line, no control characters, cut at 80 characters."""
    text = json.dumps(_brief(value, depth=4), default=repr)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def _brief(value: object, depth: int) -> object:
    """The value with no more of it than is shown, so that a huge or deep one costs nothing."""
    if isinstance(value, str):
        return value[:_SHOWN]
    if not isinstance(value, list | dict):
        return value
    if not depth:
        return "..."
    if isinstance(value, list):
        return [_brief(item, depth - 1) for item in value[:_SHOWN]]
    return {str(key)[:_SHOWN]: _brief(item, depth - 1) for key, item in islice(value.items(), _SHOWN)}
