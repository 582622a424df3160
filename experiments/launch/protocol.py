"""What a place that runs cohorts must offer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from experiments.launch.packing import Room


MOST_WORKERS = 8  # threads that prepare batches in a process


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Room for one process: its device and CPU threads. Slots of one `machine` share its cores."""

    device: str = "cpu"
    threads: int = 1
    machine: str = ""

    @property
    def workers(self) -> int:
        """How many threads prepare batches: none on a CPU, which trains with all its cores."""
        return 0 if self.device == "cpu" else min(self.threads, MOST_WORKERS)


def share_out(devices: Sequence[str], *, slots: int, cores: int) -> tuple[Slot, ...]:
    """`slots` slots with the devices dealt out in turn and the CPU cores shared evenly, at least one each."""
    if slots < 1 or not devices:
        raise ValueError(f"slots: must be at least 1, on at least one device, got {slots} on {list(devices)}")
    return tuple(Slot(device=devices[i % len(devices)], threads=max(1, cores // slots)) for i in range(slots))


class Handle(Protocol):
    """A cohort's process, started."""

    def poll(self) -> int | None:
        """The exit code (negative: the signal that ended it), or None while it runs."""

    def stop(self) -> None:
        """Ask it for a checkpoint and to end; harmless when it has ended."""

    def kill(self) -> None:
        """End it at once; harmless when it has ended."""


class Launcher(Protocol):
    """Starts the process of a cohort's job file, at most one per slot at a time."""

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The processes there may be at a time."""

    def start(self, job: Path, slot: Slot) -> Handle:
        """Start the process that does `job`, in `slot`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What may be asked of any launcher: `jobs` cohorts at a time (0: as many as suit it), of `processes` each."""

    device: str = "auto"
    jobs: int = 0
    processes: int = 1

    def of_workers(self, size: str) -> Wish:
        """The wish for `jobs` workers, one unless said otherwise, of so many GPUs, as 4gpu or 4.

        Raises ValueError for another size, and for several GPUs a run.
        """
        count = size.removesuffix("gpu")
        if not (count.isascii() and count.isdecimal() and int(count)):
            raise ValueError(f"--with worker={size}: must be the GPUs of a worker, such as 4gpu")
        if self.processes > 1:
            raise ValueError(f"--gpus-per-run {self.processes}: cohorts of several GPUs are no work for workers")
        return replace(self, jobs=self.jobs or 1, processes=int(count))

    def kind_of_device(self, place: str) -> str:
        """auto, cuda or cpu: a cluster chooses its GPUs itself. Raises ValueError for another device."""
        if self.device not in ("auto", "cuda", "cpu"):
            raise ValueError(
                f"--device: on {place} must be auto, cuda or cpu (it chooses the GPUs), got {self.device!r}"
            )
        return self.device


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A launcher; the memory of its devices, if known; how often to look at it; what to say after Ctrl-C; whether its
    processes are on this machine; whether they are workers, which need no launcher; what takes the cores that the input
    needs, where nobody said how many a process gets.
    """

    launcher: Launcher
    rooms: Callable[[Slot], Room | None] = lambda slot: None
    poll_seconds: float = 0.1
    farewell: str = "every run has its checkpoint, and the same command goes on from there."
    is_here: bool = False
    by_workers: bool = False
    ask_for_cores: Callable[[int], None] | None = None
