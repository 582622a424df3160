"""What a place that runs cohorts must offer."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

FINISHED, PREEMPTED = 0, 75
_MOST_WORKERS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Room for one process: the device it computes on and how many CPU threads it may use.

    Slots of one `machine` share its cores.
    """

    device: str = "cpu"
    threads: int = 1
    machine: str = ""

    @property
    def workers(self) -> int:
        """How many threads had best prepare batches: none on a CPU, which trains with all its cores."""
        return 0 if self.device == "cpu" else min(self.threads, _MOST_WORKERS)


class Handle(Protocol):
    """A cohort's process, started."""

    def poll(self) -> int | None:
        """The exit code (negative: the signal that ended it), or None while it runs."""

    def stop(self) -> None:
        """Ask it to write a checkpoint and end; harmless when it has ended."""

    def kill(self) -> None:
        """End it at once; harmless when it has ended."""


class Launcher(Protocol):
    """Starts the process of a cohort's job file, at most one per slot at a time."""

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The rooms there are."""

    def start(self, job: Path, slot: Slot) -> Handle:
        """Start the process that does `job`, in `slot`."""
