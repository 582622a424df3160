"""The job of one process: a file in the store that `experiments.train.run` reads. It can be written by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, Self, get_args

from experiments.runs.atomic import read_json

FINISHED, FAILED, PREEMPTED = 0, 1, 75
"""How a process ends: done, unable to work, asked to stop."""
Mode = Literal["auto", "online", "offline", "disabled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class WandbOptions:
    """Whether runs are mirrored to W&B, with the weights too (`artifacts`), and where: see `Project.of`.

    Raises ValueError for an unknown mode.
    """

    mode: Mode = "disabled"
    artifacts: bool = False
    project: str | None = None
    entity: str | None = None

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise ValueError(f"wandb: mode: must be one of {', '.join(get_args(Mode))}, got {self.mode!r}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The runs that a process trains together, and how; no run's id depends on it.

    `cache` is the folder of decoded pictures; `micro_batch` is how many people go through a model at once, None for the
    whole batch; `search` names the search whose trials the runs are, and those of them that are `prunable`.
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
    wandb: WandbOptions = field(default_factory=WandbOptions)
    search: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """The job as plain values."""
        places = {"data_root": str(self.data_root), "cache": None if self.cache is None else str(self.cache)}
        return {**asdict(self), **places, "run_ids": list(self.run_ids)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The job that `to_json` gave. Raises TypeError for a missing or unknown field."""
        job = cls(**values)
        typed = {
            "run_ids": tuple(job.run_ids),
            "data_root": Path(job.data_root),
            "cache": None if job.cache is None else Path(job.cache),
            "wandb": WandbOptions(**values["wandb"]) if "wandb" in values else WandbOptions(),
        }
        return cls(**{**values, **typed})


def read_job(file: Path) -> Job | None:
    """The job in a file, None where there is no file. Raises ValueError, naming the file, for another content."""
    try:
        values = read_json(file, dict[str, Any])
        return None if values is None else Job.from_json(values)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{file}: must be a job: {error}") from error
