"""Files that are whole or absent, also after a power cut."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_beside(path: Path, content: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    with beside.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return beside


def _put(path: Path, content: bytes, place: Callable[[Path, Path], object]) -> None:
    beside = _write_beside(path, content)
    try:
        place(beside, path)
        sync_directory(path.parent)
    finally:
        beside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write or replace a file; a reader sees the old text or the new, never a part."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Write or replace a file that is no text, in the same way."""
    _put(path, content, lambda beside, target: beside.replace(target))


def create_text(path: Path, text: str) -> None:
    """Write a file that must not exist yet: of several writers one succeeds, the others get a FileExistsError."""
    _put(path, text.encode(), lambda beside, target: os.link(beside, target))


def json_text(value: Any) -> str:
    """JSON for people and programs to read. NaN and infinity are refused: they are no JSON."""
    return json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def read_json(path: Path) -> Any:
    """The value of a JSON file, or None where there is no such file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
