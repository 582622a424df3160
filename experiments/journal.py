"""The journal of a run: one JSON object a line, appended and fsynced; the truth about what the run did."""

from __future__ import annotations

import json
import math
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

Status = Literal["finished", "failed", "preempted", "pruned"]
SYNC_SECONDS = 1.0


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
    """An append handle. It has the shape of a Tracker, and is the one that can be relied on.

    Metrics and pictures are written and fsynced together, about once in `sync_seconds`; starts, checkpoints, stops and
    ends at once. `guard` is called before every write and raises where the writer has lost its lease, so that a process
    which was paused and replaced adds nothing.
    """

    def __init__(
        self, path: Path, *, guard: Callable[[], None] | None = None, sync_seconds: float = SYNC_SECONDS
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        self._guard = guard
        self._sync_seconds = sync_seconds
        self._synced = time.monotonic()
        self._waiting: list[str] = []
        self._closed = False
        size = os.fstat(self._handle).st_size
        if size and os.pread(self._handle, 1, size - 1) != b"\n":
            self._waiting.append("")  # ends the line that a killed writer left torn

    def start(self, *, attempt: int, step: int, total_steps: int | None = None, device: str | None = None) -> None:
        """The run begins, or goes on from `step`: what was written about later steps is void."""
        who = {"attempt": attempt, "host": socket.gethostname(), "pid": os.getpid(), "device": device}
        self._write("start", {**who, "step": step, "total_steps": total_steps})
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

    def checkpoint(self, *, step: int, epoch: float | None, path: Path | str) -> None:
        """A checkpoint is on disk: the run can go on from `step`."""
        self._write("checkpoint", {"step": step, "epoch": epoch, "path": Path(path).as_posix()})
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
        """Write what waits and close; with a status, say first how the run ended. Closing twice is harmless."""
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
            self._closed = True
            os.close(self._handle)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def sync(self) -> None:
        """Put everything written so far on the disk."""
        if self._waiting:
            if self._guard is not None:
                self._guard()
            block = ("\n".join(self._waiting) + "\n").encode()
            while block:
                block = block[os.write(self._handle, block) :]
            self._waiting.clear()
            os.fsync(self._handle)
        self._synced = time.monotonic()

    def _write(self, event: str, fields: Mapping[str, Any]) -> None:
        assert not self._closed, "the journal is closed"
        line = {"t": round(time.time(), 3), "event": event, **fields}
        self._waiting.append(json.dumps(line, allow_nan=False, ensure_ascii=False))
        if time.monotonic() - self._synced >= self._sync_seconds:
            self.sync()


def read_events(path: Path) -> list[dict[str, Any]]:
    """Every whole line of a journal, in order. Lines that a killed writer left torn are passed over."""
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return []
    return list(_whole_lines(text))


def edge_events(path: Path, *, head_bytes: int = 1024, tail_bytes: int = 16384) -> list[dict[str, Any]]:
    """The first and the last events of a journal, reading only its two ends: cheap for a journal of any length."""
    try:
        with path.open("rb") as file:
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
    """How often each of these events occurs, by a look through the whole journal that parses nothing.

    A line that a killed writer left torn counts if its event can still be read.
    """
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        return (0,) * len(names)
    # Quotes inside a value are escaped, so this can be nothing but the field.
    return tuple(text.count(f'"event": "{name}"'.encode()) for name in names)


def recent_rate(events: list[dict[str, Any]]) -> float | None:
    """Steps a second over the last attempt's measurements among these events; None where they do not tell."""
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
    """The last whole line, reading only the journal's ends."""
    events = edge_events(path)
    return events[-1] if events else None


def _whole_lines(text: bytes) -> Iterator[dict[str, Any]]:
    whole, _, _torn = text.rpartition(b"\n")
    for line in whole.split(b"\n"):
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict) and "event" in event:
            yield event


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
