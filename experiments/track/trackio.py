"""Trackio: a local dashboard, from a SQLite database of each project."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from experiments.track.card import RunCard, flat_config
from experiments.track.protocol import Outputs, Process, Status, Step, needs

WRITE_SECONDS, MOST = 5.0, 500


@dataclass(frozen=True, kw_only=True)
class Trackio:
    """The project, in the folder that TRACKIO_DIR names or Trackio's own."""

    project: str = "distilpose"
    process = Process()

    @property
    def place(self) -> str:
        """The project."""
        return f"trackio {self.project}"

    def check(self, *, reach: bool) -> None:
        """See `Service`."""
        needs("trackio")

    def open(self, card: RunCard, run_dir: Path, *, live: bool) -> "TrackioRun":
        """Open the run, or go on with it."""
        return TrackioRun(card, self.project)


class _Row(NamedTuple):
    step: int
    time: str
    name: str
    values: dict[str, Any]


class TrackioRun:
    """A run in Trackio's database, written by Trackio's own storage: its public `log` would say that all was now."""

    def __init__(self, card: RunCard, project: str) -> None:
        from trackio.sqlite_storage import SQLiteStorage

        self._storage, self._card, self._project = SQLiteStorage, card, project
        self._config: dict[str, Any] = {**flat_config(card.config), "tags": ", ".join(card.tags)}
        self._config |= {"_Group": card.group, "_Created": _when(time.time()), "_Username": None}
        with SQLiteStorage._get_process_lock(project):  # a reader beside the first writer makes that one fail
            self._last = SQLiteStorage.get_max_step_for_run(project, card.name, card.run_id)
        self._rows: list[_Row] = []
        self._written = time.monotonic()

    def log(self, step: Step) -> None:
        """Write a step's numbers and copies of its pictures, with those of other steps."""
        import trackio

        if self._last is not None and step.step <= self._last:
            return
        row: dict[str, Any] = dict(step.numbers)
        for picture in step.pictures:
            image = trackio.Image(picture.file, picture.caption)
            image._save(self._project, self._card.name, step.step)
            row[f"pictures/{picture.kind}"] = image._to_dict()
        self._rows.append(_Row(step.step, _when(step.time), str(step.step), row))
        if len(self._rows) >= MOST or time.monotonic() - self._written > WRITE_SECONDS:
            self._write()

    def summary(self, values: Mapping[str, float]) -> None:
        """Write the numbers that the run ends with as its last row, and into its configuration."""
        last = self._rows[-1].step if self._rows else self._last or 0
        self._rows.append(_Row(last, _when(time.time()), "summary", dict(values)))
        self._config |= values

    def finish(self, status: Status, outputs: Outputs | None) -> None:
        """Write what is left, and how the run ended."""
        self._config["status"] = status
        self._write()

    def _write(self) -> None:
        rows = self._rows or [_Row(0, _when(0), "end", {})]  # without a row it writes no configuration
        self._storage.bulk_log(
            self._project,
            self._card.name,
            [row.values for row in rows],
            steps=[row.step for row in rows],
            timestamps=[row.time for row in rows],
            config=self._config,
            log_ids=[f"{self._card.run_id}-{row.name}" for row in rows],  # of equal ones the database keeps the first
            run_id=self._card.run_id,
        )
        self._rows.clear()
        self._written = time.monotonic()


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
