"""Cohorts as processes on this machine: one per slot, on its GPUs or CPU cores."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from experiments.launch.command import COMMAND, TETHER, cohort_command
from experiments.launch.options import read_options
from experiments.launch.protocol import Opened, Slot, Wish


class LocalHandle:
    """A process in a session of its own, which Ctrl-C reaches only through the launcher."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def poll(self) -> int | None:
        """The exit code, or None while it runs."""
        return self._process.poll()

    def stop(self) -> None:
        """Ask the process to write a checkpoint and end."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the process and all it started."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


BRIEF_WAITS = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "10000"}
"""Threads that spin for long while they wait make a training many times slower where others want the cores too, and
threads that sleep at once make it slower where nobody does."""


class LocalLauncher:
    """Starts `command JOB` for each cohort; its output goes to the job's `.log` file.

    When the launcher dies, its processes are asked for a checkpoint and end (Linux only). They are tied to the *thread*
    that started them: use the main one.
    """

    def __init__(self, slots: Sequence[Slot], *, command: Sequence[str] = COMMAND) -> None:
        if not slots:
            raise ValueError("slots: must be at least one, got none")
        self._slots = tuple(slots)
        self._command = tuple(command)

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The processes there may be at a time."""
        return self._slots

    def start(self, job: Path, slot: Slot) -> LocalHandle:
        """Start the job's process."""
        environment = {**BRIEF_WAITS, **os.environ, "OMP_NUM_THREADS": str(slot.threads)}
        with job.with_suffix(".log").open("ab") as log:
            process = subprocess.Popen(
                [*TETHER, str(os.getpid()), *self._command, str(job)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        return LocalHandle(process)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalOptions:
    """None: `--device` and `--jobs` say it all."""


def open_local(wish: Wish, pairs: Sequence[str]) -> Opened:
    """Processes on this machine."""
    from experiments.launch.device_memory import Rooms
    from experiments.launch.devices import slots_for

    read_options(LocalOptions, pairs)
    launcher = LocalLauncher(slots_for(wish.device, wish.jobs, wish.processes), command=cohort_command(wish.processes))
    if wish.processes > 1:  # cohorts of several GPUs share none
        return Opened(launcher=launcher, is_here=True)
    return Opened(launcher=launcher, rooms=Rooms(), is_here=True)
