"""Cohorts in this very process, one after another: for debugging, notebooks and tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from experiments.launch.local import LocalOptions
from experiments.launch.options import read_options
from experiments.launch.protocol import Opened, Slot, Wish
from experiments.launch.signals import asked_to_stop

Work = Callable[[Path, Callable[[], bool]], int]


class InlineHandle:
    """Work that is done."""

    def __init__(self, code: int) -> None:
        self._code = code

    def poll(self) -> int | None:
        """The exit code."""
        return self._code

    def stop(self) -> None:
        """Does nothing."""

    def kill(self) -> None:
        """Does nothing."""


class InlineLauncher:
    """Runs `work(job, should_stop)` and waits for it; by default the cohort command's function.

    Ctrl-C asks the work for a checkpoint, and is raised after it.
    """

    def __init__(self, *, device: str = "cpu", threads: int = 1, work: Work | None = None) -> None:
        self._slot = Slot(device=device, threads=threads)
        self._work = work

    @property
    def slots(self) -> tuple[Slot, ...]:
        """One: this process."""
        return (self._slot,)

    def start(self, job: Path, slot: Slot) -> InlineHandle:
        """Do the job, then return."""
        work = self._work
        if work is None:
            from experiments.train.run import run_job

            work = run_job
        with asked_to_stop() as asked:
            code = work(job, lambda: bool(asked))
        if asked:
            raise KeyboardInterrupt
        return InlineHandle(code)


def open_inline(wish: Wish, pairs: Sequence[str]) -> Opened:
    """This process, where a debugger stops in a loss or model."""
    import torch

    from experiments.launch.devices import slots_for

    read_options(LocalOptions, pairs)
    for option, count in (("--jobs", wish.jobs), ("--gpus-per-run", wish.processes)):
        if count > 1:
            raise ValueError(f"{option}: must be 1 with --on here, which is one process, got {count}")
    (slot,) = slots_for(wish.device, 1, 1)
    threads = min(slot.threads, torch.get_num_threads())  # fewer where OMP_NUM_THREADS says so
    return Opened(launcher=InlineLauncher(device=slot.device, threads=threads), is_here=True)
