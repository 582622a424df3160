"""The journal of a run: one JSON object a line, appended and fsynced; the record of what the run did."""

from __future__ import annotations

import hashlib
import json
import math
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from distilpose.whole_files import refuse_if_fenced, sync_folder
from experiments.runs.atomic import DamagedError, open_plain

Status = Literal["finished", "failed", "preempted", "pruned"]
SYNC_SECONDS = 1.0
_LARGEST = 1e300  # a number beyond it is no measurement, and would not fit a float


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricRow:
    """What was measured at one step. A value that was not finite is NaN."""

    step: int
    epoch: float | None
    values: dict[str, float]
    time: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureRow:
    """A picture drawn at one step; `path` is relative to the run's directory."""

    step: int
    epoch: float | None
    kind: str
    path: str
    caption: str


class Journal:
    """An append handle with the methods of a Tracker.

    Metrics and pictures are written and fsynced together, about once in `sync_seconds`; starts, checkpoints and ends at
    once. `guard` is called before every write and raises once the lease is lost.

    With `aside`, the folder of a lease (see `write_whole`), the journal is replaced by a copy: the writer before,
    should it still live, has a file open that no longer has a name.
    """

    def __init__(
        self,
        path: Path,
        *,
        guard: Callable[[], None] = lambda: None,
        aside: Path | None = None,
        sync_seconds: float = SYNC_SECONDS,
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._handle = _open(path) if aside is None else _take_over(path, aside)
        self._path, self._guard = path, guard
        self._sync_seconds = sync_seconds
        self._synced = time.monotonic()
        self._waiting: list[str] = []
        self._closed = False
        size = os.fstat(self._handle).st_size
        if size and os.pread(self._handle, 1, size - 1) != b"\n":
            self._waiting.append("")  # ends the line that a killed writer left torn

    def start(
        self,
        *,
        attempt: int,
        step: int,
        total_steps: int | None = None,
        device: str | None = None,
        micro_batch: int | None = None,
    ) -> None:
        """The run begins, or resumes from `step`: events about later steps are void.

        `micro_batch` is how many people go through a model at once, None for the whole batch.
        """
        who = {"attempt": attempt, "host": socket.gethostname(), "pid": os.getpid(), "device": device}
        how = {} if micro_batch is None else {"micro_batch": micro_batch}
        self._write("start", {**who, "step": step, "total_steps": total_steps, **how})
        self.sync()

    def note(self, message: str) -> None:
        """Something a reader of the run should know, such as a damaged checkpoint."""
        self._write("note", {"message": message})
        self.sync()

    def metrics(self, step: int, values: Mapping[str, float], *, epoch: float | None = None) -> None:
        """What was measured at `step`. Values that are not finite are kept as null."""
        plain = {name: float(value) for name, value in values.items()}
        safe = {name: value if math.isfinite(value) else None for name, value in plain.items()}
        self._write("metrics", {"step": step, "epoch": epoch, "values": safe})

    def picture(self, step: int, kind: str, path: Path | str, caption: str, *, epoch: float | None = None) -> None:
        """A picture that was drawn at `step`, by its path relative to the run's directory."""
        where = Path(path).as_posix()
        self._write("picture", {"step": step, "epoch": epoch, "kind": kind, "path": where, "caption": caption})

    def summary(self, values: Mapping[str, float]) -> None:
        """The numbers a run ends with."""
        plain = {name: float(value) for name, value in values.items()}
        safe = {name: value if math.isfinite(value) else None for name, value in plain.items()}
        self._write("summary", {"values": safe})

    def checkpoint(self, *, step: int, epoch: float | None, path: Path | str, memory_bytes: int | None = None) -> None:
        """A checkpoint is on disk. `memory_bytes` is the peak of its process so far."""
        used = {} if memory_bytes is None else {"memory_bytes": memory_bytes}
        self._write("checkpoint", {"step": step, "epoch": epoch, "path": Path(path).as_posix(), **used})
        self.sync()

    def stop(self, reason: Literal["preempted", "failed", "pruned"], message: str = "") -> None:
        """The run ends before its time, and why."""
        self._write("stop", {"reason": reason, "message": message})
        self.sync()

    def finish(self) -> None:
        """The run did all it had to."""
        self._write("finish", {})
        self.sync()

    def close(self, status: Status | None = None) -> None:
        """Write what waits and close; with a status, note first how the run ended. Closing twice is harmless."""
        if self._closed:
            return
        try:
            if status == "finished":
                self.finish()
            elif status is not None:
                self.stop(status)
            else:
                self.sync()
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Close without writing what waits."""
        if not self._closed:
            self._closed = True
            os.close(self._handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def sync(self) -> None:
        """Write and fsync what waits."""
        if self._waiting:
            self._guard()
            self._append(("\n".join(self._waiting) + "\n").encode())
            self._waiting.clear()
        self._synced = time.monotonic()

    def _append(self, block: bytes) -> None:
        size = os.fstat(self._handle).st_size
        try:
            _write_synced(self._handle, block)
        except OSError as error:  # a full disk, say: nothing of it, so that it can be written again
            with suppress(OSError):
                os.ftruncate(self._handle, size)
            error.filename = str(self._path)
            raise

    def _write(self, event: str, fields: Mapping[str, Any]) -> None:
        assert not self._closed, "the journal is closed"
        line = {"t": round(time.time(), 3), "event": event, **fields}
        self._waiting.append(json.dumps(line, allow_nan=False, ensure_ascii=False))
        if time.monotonic() - self._synced >= self._sync_seconds:
            self.sync()


def _open(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)


def _take_over(path: Path, aside: Path) -> int:
    """The handle of a copy that takes the journal's name."""
    try:
        before = path.read_bytes()
    except FileNotFoundError:
        before = b""
    copy = aside / path.name
    try:
        handle = _open(copy)
        try:
            _write_synced(handle, before)
            copy.replace(path)
        except OSError:
            os.close(handle)
            copy.unlink(missing_ok=True)
            raise
    except FileNotFoundError as error:
        refuse_if_fenced(aside, error)
        raise
    sync_folder(path.parent)
    return handle


def _write_synced(handle: int, block: bytes) -> None:
    while block:
        block = block[os.write(handle, block) :]
    os.fsync(handle)


def read_events(path: Path) -> list[dict[str, Any]]:
    """Every whole line of a journal, in order; none where there is no journal.

    Skips lines that a killed writer left torn, and lines that are no event of a run. Raises DamagedError where the
    journal is no file or may not be read.
    """
    return list(_whole_lines(_content(path)))


def edge_events(path: Path, *, head_bytes: int = 1024, tail_bytes: int = 16384) -> list[dict[str, Any]]:
    """The first and last events of a journal, read from its two ends alone."""
    try:
        with open_plain(path) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            if size <= head_bytes + tail_bytes:
                return list(_whole_lines(file.read()))
            head = file.read(head_bytes)
            file.seek(size - tail_bytes)
            tail = file.read()
    except FileNotFoundError:
        return []
    # The tail's first line is cut, whatever it looks like.
    return [*_whole_lines(head), *_whole_lines(tail.partition(b"\n")[2])]


def count_events(path: Path, *names: str) -> tuple[int, ...]:
    """How often each of these events occurs, counted without parsing. A torn line counts if its event is readable."""
    text = _content(path)
    # Quotes inside a value are escaped, so this can be nothing but the field.
    return tuple(text.count(f'"event": "{name}"'.encode()) for name in names)


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalMark:
    """The journal as it was when the run finished: its length and the SHA-256 of its bytes."""

    bytes: int
    sha256: str


def journal_mark(path: Path) -> JournalMark | None:
    """The mark of a journal; None where there is no journal."""
    text = _content(path)
    return JournalMark(bytes=len(text), sha256=hashlib.sha256(text).hexdigest()) if text else None


def journal_fault(path: Path, mark: JournalMark) -> str | None:
    """Why a journal is not that of a result with this mark; None where it is. It may have grown since."""
    try:
        text = _content(path)
    except DamagedError as error:
        return str(error)
    if len(text) < mark.bytes:
        return f"journal shorter than its result: {len(text):,} bytes, {mark.bytes:,} when the run finished"
    if hashlib.sha256(text[: mark.bytes]).hexdigest() != mark.sha256:
        return "journal of another life than its result"
    return None


def _content(path: Path) -> bytes:
    try:
        with open_plain(path) as file:
            return file.read()
    except FileNotFoundError:
        return b""


def recent_rate(events: list[dict[str, Any]]) -> float | None:
    """Steps a second over the last attempt's measurements; None where they do not tell."""
    first: dict[str, Any] | None = None
    last: dict[str, Any] | None = None
    for event in events:
        if event["event"] == "start":
            first = last = event
        elif event["event"] == "metrics":
            first, last = first or event, event
    if first is None or last is None or last["step"] <= first["step"] or last["t"] <= first["t"]:
        return None
    return float((last["step"] - first["step"]) / (last["t"] - first["t"]))


def last_event(path: Path) -> dict[str, Any] | None:
    """The last whole line."""
    events = edge_events(path)
    return events[-1] if events else None


def _whole_lines(text: bytes) -> Iterator[dict[str, Any]]:
    whole, _, _torn = text.rpartition(b"\n")
    for line in whole.split(b"\n"):
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if _is_event(event):
            yield event


def _is_event(value: Any) -> bool:
    """Whether a value has the fields of its event, each of its type."""
    if not isinstance(value, dict) or not isinstance(value.get("event"), str) or not _is_number(value.get("t")):
        return False
    return all(name in value and fits(value[name]) for name, fits in _FIELDS.get(value["event"], ())) and all(
        fits(value[name]) for name, fits in _OPTIONAL if name in value
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and abs(value) < _LARGEST


def _is_number_or_none(value: Any) -> bool:
    return value is None or _is_number(value)


def _is_step(value: Any) -> bool:
    return isinstance(value, int) and 0 <= value < _LARGEST


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and "\0" not in value


def _are_values(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_number_or_none, value.values()))


_FIELDS: Mapping[str, Sequence[tuple[str, Callable[[Any], bool]]]] = {
    "start": (("step", _is_step),),
    "metrics": (("step", _is_step), ("epoch", _is_number_or_none), ("values", _are_values)),
    "picture": (
        ("step", _is_step),
        ("epoch", _is_number_or_none),
        ("kind", _is_text),
        ("path", _is_text),
        ("caption", _is_text),
    ),
    "checkpoint": (("step", _is_step),),
    "summary": (("values", _are_values),),
}
_OPTIONAL: Sequence[tuple[str, Callable[[Any], bool]]] = (
    ("step", _is_step),
    ("total_steps", lambda value: value is None or _is_step(value)),
    ("device", lambda value: value is None or _is_text(value)),
    ("memory_bytes", _is_step),
)


def metric_rows(events: list[dict[str, Any]]) -> list[MetricRow]:
    """The measurements of a run by step, as if it had never been interrupted.

    A run that resumes from step s measures the steps after s again: what an earlier attempt wrote about them is
    dropped. Measurements of one step are joined, the last value of a name winning.
    """
    rows: dict[int, MetricRow] = {}
    for event in events:
        if event["event"] == "start":
            rows = {step: row for step, row in rows.items() if step <= event["step"]}
        elif event["event"] == "metrics":
            values = {name: math.nan if value is None else value for name, value in event["values"].items()}
            earlier = rows.get(event["step"])
            rows[event["step"]] = MetricRow(
                step=event["step"],
                epoch=event["epoch"],
                values=values if earlier is None else {**earlier.values, **values},
                time=event["t"],
            )
    return [rows[step] for step in sorted(rows)]


def picture_rows(events: list[dict[str, Any]]) -> list[PictureRow]:
    """The pictures of a run by step and kind, each once, as if it had never been interrupted."""
    rows: dict[tuple[int, str, str], PictureRow] = {}
    for event in events:
        if event["event"] == "start":
            rows = {key: row for key, row in rows.items() if row.step <= event["step"]}
        elif event["event"] == "picture":
            row = PictureRow(**{name: event[name] for name in ("step", "epoch", "kind", "path", "caption")})
            rows[(row.step, row.kind, row.path)] = row
    return [rows[key] for key in sorted(rows)]
