"""W&B's offline files read back: what of a run's journal is in them, and what is not."""

import json
import math
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.runs.journal import MetricRow, PictureRow
from experiments.track.card import shown_name

BLOCK = 32768  # W&B writes the log format of LevelDB, after a header of its own
FILE_HEADER, CHUNK_HEADER = 7, 7
WHOLE, FIRST, MIDDLE, LAST = 1, 2, 3, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """What one offline folder holds. A picture is named by its step and kind; only one whose file is there counts."""

    folder: Path
    values: dict[tuple[int, str], float]
    pictures: frozenset[tuple[int, str]]
    exit_code: int | None


def folders(run_dir: Path) -> list[Path]:
    """The folders of a run's offline files, the oldest first."""
    return sorted(run_dir.glob("wandb/offline-run-*"))


def log_file(folder: Path) -> Path | None:
    """The file of records in an offline folder."""
    return next(iter(folder.glob("*.wandb")), None)


def read_folder(folder: Path) -> Logged:
    """What an offline folder holds. The end that a killed process left torn is passed over."""
    values: dict[tuple[int, str], float] = {}
    pictures: set[tuple[int, str]] = set()
    exit_code = None
    file = log_file(folder)
    for record in records(file) if file is not None else ():
        if record.HasField("exit"):
            exit_code = record.exit.exit_code
        if not record.HasField("history"):
            continue
        row = {".".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item}
        step = int(row.get("_step", record.history.step.num))
        for name, value in row.items():
            picture = value.get("path") if isinstance(value, dict) else value if name.endswith(".path") else None
            if picture is not None:
                if (folder / "files" / picture).is_file():
                    pictures.add((step, name.removesuffix(".path")))
            elif isinstance(value, int | float) or value in ("NaN", "Infinity", "-Infinity"):
                values[(step, name)] = float(value)
    return Logged(folder=folder, values=values, pictures=frozenset(pictures), exit_code=exit_code)


def missing(rows: Iterable[MetricRow], pictures: Iterable[PictureRow], logged: Logged) -> list[str]:
    """What of a journal is not logged with the same value, in words."""
    lost = [
        f"step {row.step}: {name}"
        for row in rows
        for name, value in row.values.items()
        if not _same(value, logged.values.get((row.step, shown_name(name))))
    ]
    for picture in pictures:
        name = f"pictures/{picture.kind}"
        if (picture.step, name) not in logged.pictures:
            lost.append(f"step {picture.step}: {name}")
    return lost


def records(file: Path) -> Iterator[Any]:
    """The records of an offline file, as W&B's messages."""
    from wandb.proto.wandb_internal_pb2 import Record

    for message in _messages(file.read_bytes()):
        yield Record.FromString(message)


def _messages(data: bytes) -> Iterator[bytes]:
    place, parts = FILE_HEADER, list[bytes]()
    while place + CHUNK_HEADER <= len(data):
        left = BLOCK - place % BLOCK
        if left < CHUNK_HEADER:
            place += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, place)
        chunk = data[place + CHUNK_HEADER : place + CHUNK_HEADER + length]
        if kind not in (WHOLE, FIRST, MIDDLE, LAST) or len(chunk) < length:
            return
        place += CHUNK_HEADER + length
        parts = [*parts, chunk] if kind in (MIDDLE, LAST) else [chunk]
        if kind in (WHOLE, LAST):
            yield b"".join(parts)


def _same(value: float, other: float | None) -> bool:
    # The journal keeps what is not finite as null, so which of the three it was is not known any more.
    return value == other or (other is not None and math.isnan(value) and not math.isfinite(other))
