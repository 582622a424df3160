"""The job of one process: a file in the store that `experiments.train.run` reads. It can be written by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from experiments.runs.atomic import read_json

FINISHED, FAILED, PREEMPTED = 0, 1, 75
"""How a process ends: done, unable to work, asked to stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The runs that a process trains together, and how; no run's id depends on it.

    `cache` is the folder of decoded pictures, `micro_batch` the people that go through a model at once (None: the whole
    batch). `track` are the trackers, each its `kind` and options, for `open_service` to read. `search` says of which
    search the runs are trials, and which of them are `prunable`. `metric` is the sweep's with its options, where an
    evaluation would not have it anyway. `evaluate_on` are the sets that runs are measured on at their end, by name:
    `root`, `split`, and what is `given` of their joints.
    """

    cohort_id: str
    run_ids: tuple[str, ...]
    sweep: str
    profile: str
    data_root: Path
    device: str
    threads: int
    workers: int = 0
    cache: Path | None = None
    micro_batch: int | None = None
    track: tuple[Mapping[str, Any], ...] = ()
    search: Mapping[str, Any] | None = None
    metric: str | Mapping[str, Any] | None = None
    evaluate_on: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The job as plain values."""
        places = {"data_root": str(self.data_root), "cache": None if self.cache is None else str(self.cache)}
        return {**asdict(self), **places, "run_ids": list(self.run_ids), "track": list(self.track)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The job that `to_json` gave. Raises TypeError for a missing or unknown field."""
        job = cls(**values)
        typed = {
            "run_ids": tuple(job.run_ids),
            "data_root": Path(job.data_root),
            "cache": None if job.cache is None else Path(job.cache),
            "track": tuple(job.track),
        }
        return cls(**{**values, **typed})


def read_job(file: Path) -> Job | None:
    """The job in a file, None where there is no file. Raises ValueError, naming the file, for another content."""
    try:
        values = read_json(file, dict[str, Any])
        return None if values is None else Job.from_json(values)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{file}: must be a job: {error}") from error
