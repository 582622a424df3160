"""Text and JSON files that are whole or absent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from distilpose.whole_files import write_whole


def write_text(path: Path, text: str, *, aside: Path | None = None) -> None:
    """Write or replace a file; a reader sees the old text or the new, never a part. See `write_whole` for `aside`."""
    write_whole(path, text, aside=aside)


def write_bytes(path: Path, content: bytes) -> None:
    """Write or replace a file that is no text, in the same way."""
    write_whole(path, content)


def create_text(path: Path, text: str, *, aside: Path | None = None) -> None:
    """Write a file that must not exist yet: of several writers one succeeds, the others get a FileExistsError."""
    write_whole(path, text, aside=aside, exclusive=True)


def json_text(value: Any) -> str:
    """JSON for people and programs to read. NaN and infinity are refused: they are no JSON."""
    return json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def read_json(path: Path) -> Any:
    """The value of a JSON file, or None where there is no such file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
