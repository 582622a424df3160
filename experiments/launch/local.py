"""Cohorts as processes on this machine: one per slot, on its GPUs or CPU cores."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from experiments.launch.protocol import Slot

# -P everywhere: the user's folder may have packages of the same names as ours.
COMMAND = (sys.executable, "-P", "-m", "experiments.train.run")
TETHER = (sys.executable, "-I", "-S", str(Path(__file__).with_name("parent_death.py")))


def share_out(devices: Sequence[str], *, slots: int, cores: int) -> tuple[Slot, ...]:
    """`slots` slots with the devices dealt out in turn and the CPU cores shared evenly, at least one each."""
    if slots < 1 or not devices:
        raise ValueError(f"slots: must be at least 1, on at least one device, got {slots} on {list(devices)}")
    return tuple(Slot(device=devices[i % len(devices)], threads=max(1, cores // slots)) for i in range(slots))


class LocalHandle:
    """A process of its own session, so that Ctrl-C reaches it through the launcher alone."""

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


class LocalLauncher:
    """Starts `command JOB` per cohort; what it prints goes to the job's `.log` file.

    Should the launcher die, however suddenly, its processes are asked to stop, as on Ctrl-C (Linux only): they write a
    checkpoint, and the next launch goes on from there. They die with the *thread* that started them: use the main one.
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
        environment = {**os.environ, "OMP_NUM_THREADS": str(slot.threads)}
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
