"""Cohorts in this very process, one after another: for debugging, notebooks and tests."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from experiments.launch.protocol import Slot

Work = Callable[[Path, Callable[[], bool]], int]


class InlineHandle:
    """Work that is done already."""

    def __init__(self, code: int) -> None:
        self._code = code

    def poll(self) -> int | None:
        """The exit code."""
        return self._code

    def stop(self) -> None:
        """Nothing is left to stop."""

    def kill(self) -> None:
        """Nothing is left to kill."""


class InlineLauncher:
    """Runs `work(job, should_stop)` at once and waits for it; the default is the cohort command's own function.

    Ctrl-C during the work asks it to stop and write a checkpoint, and is raised when it has.
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
            from experiments.run import run_job

            work = run_job
        with _asked_to_stop() as asked:
            code = work(job, lambda: bool(asked))
        if asked:
            raise KeyboardInterrupt
        return InlineHandle(code)


@contextmanager
def _asked_to_stop() -> Iterator[list[int]]:
    """A list that fills when the user asks this process to stop; signals reach the main thread alone."""
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def ask(number: int, _: FrameType | None) -> None:
        asked.append(number)

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
