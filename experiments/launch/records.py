"""What a launch is told, where it stands, and how it ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.launch.packing import Room
from experiments.launch.protocol import Slot
from experiments.runs.store import Progress
from experiments.sweep.recipe import DataChoice


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchSettings:
    """What a launch decides and no run's id depends on. `data_root` tells the folder where the data of a recipe lie.

    A run gets `retries` more attempts after its first failure, and anew whenever one got further than those before it;
    the first of them after `backoff_seconds`, each later one after twice as long. One whose loss was not finite gets
    none, since the same numbers would come again. One that ran out of memory gets `memory_retries`, each with half the
    people at once. Runs that used up their attempts in an earlier launch stay as they are unless `retry_failed`, or the
    disk was full. `rooms` tells the memory of a slot's device where several slots may share one; None stands for a
    device of its own. `workers` threads prepare batches in each process, by default as many as suit its slot. Decoded
    pictures are kept in the folder `cache`, if any. `track` are the trackers, as a job has
    them. On Ctrl-C processes have `grace_seconds` to end.
    """

    data_root: Callable[[DataChoice], Path]
    workers: int | None = None
    cache: Path | None = None
    track: tuple[Mapping[str, Any], ...] = ()
    retries: int = 2
    memory_retries: int = 4
    backoff_seconds: float = 5.0
    retry_failed: bool = False
    rooms: Callable[[Slot], Room | None] = lambda slot: None
    grace_seconds: float = 60.0
    poll_seconds: float = 0.1
    progress_seconds: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchProgress:
    """Where a launch stands: run ids by what they are at, and how far the running ones have come.

    `elsewhere` are runs another launcher's process has; `blocked` those whose teacher failed.
    """

    total: int
    finished: frozenset[str]
    running: dict[str, Progress | None]
    elsewhere: frozenset[str]
    failed: dict[str, str]
    blocked: frozenset[str]
    seconds: float
    pruned: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a launch ended."""

    finished: frozenset[str]
    failed: dict[str, str]
    blocked: frozenset[str]
    unfinished: frozenset[str]
    interrupted: bool
    pruned: frozenset[str] = frozenset()

    @property
    def complete(self) -> bool:
        """Whether every run of the plan has its result, or was ended early by the search that wanted it."""
        return not (self.failed or self.blocked or self.unfinished)
