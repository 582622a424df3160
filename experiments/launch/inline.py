"""Cohorts in this very process, one after another: for debugging, notebooks and tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from experiments.launch.protocol import Slot
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
