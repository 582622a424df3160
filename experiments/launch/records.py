"""The settings, progress and outcome of a launch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from experiments.launch.neighbours import Neighbours
from experiments.launch.packing import Room
from experiments.launch.protocol import Slot
from experiments.runs.store import Progress
from experiments.sweep.choices import DataChoice


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchSettings:
    """What a launch decides and no run's id depends on. `data_root` tells the folder of a recipe's data.

    A run gets `retries` more attempts after its first failure, and anew after progress: the first after
    `backoff_seconds`, each later one after twice as long. A loss that was not finite gets none: the same numbers would
    come again. Out of memory gets `memory_retries`, each with half the people at once. Runs that failed for good in an
    earlier launch stay failed unless `retry_failed`, or the disk was full. `rooms` tells the memory of a slot's device;
    None stands for a device of its own. `workers` threads prepare batches in each process, by default as many as suit
    its slot. Decoded pictures are kept in `cache`, if any. `track` are the trackers, as a job has them. After `hours`
    all that is left stops as after Ctrl-C, when processes have `grace_seconds` to end. With `neighbours` a launch takes
    only cohorts that no other has, and GPUs as far as others leave room; it does not `stay` for what others train.
    """

    data_root: Callable[[DataChoice], Path]
    workers: int | None = None
    cache: Path | None = None
    evaluate_on: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    track: tuple[Mapping[str, Any], ...] = ()
    retries: int = 2
    memory_retries: int = 4
    backoff_seconds: float = 5.0
    retry_failed: bool = False
    rooms: Callable[[Slot], Room | None] = lambda slot: None
    neighbours: Neighbours | None = None
    stay: bool = True
    hours: float | None = None
    grace_seconds: float = 60.0
    poll_seconds: float = 0.1
    progress_seconds: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchProgress:
    """Where a launch stands, by run id. `elsewhere`: another launcher holds it; `blocked`: its teacher failed, or was
    stopped by the user.
    """

    total: int
    finished: frozenset[str]
    running: dict[str, Progress | None]
    elsewhere: frozenset[str]
    failed: dict[str, str]
    blocked: frozenset[str]
    seconds: float
    pruned: frozenset[str] = frozenset()
    stopped: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome(LaunchProgress):
    """How a launch ended."""

    unfinished: frozenset[str]
    interrupted: bool
    over: bool = False
    """Whether its hours were over first."""

    @property
    def complete(self) -> bool:
        """Whether every run of the plan has its result, was pruned by its search or stopped by the user."""
        return not (self.failed or self.blocked or self.unfinished)
