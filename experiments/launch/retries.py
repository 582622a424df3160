"""What follows from how an attempt ended: preempted or failed, tried again or not, and with how many people at once."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from pathlib import Path

from experiments.launch.protocol import FINISHED, PREEMPTED
from experiments.runs.store import Failure

_ASKED_TO_STOP = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)


def was_preempted(code: int) -> bool:
    """Whether a process ended because it was asked to: after its checkpoint, or before it could take the signal."""
    return code == PREEMPTED or -code in _ASKED_TO_STOP


def is_enough(failure: Failure, *, retries: int, memory_retries: int) -> bool:
    """Whether a run that failed so is not to be tried again.

    A loss that was not finite would not be finite again. Out of memory is tried again with fewer people at once.
    """
    if failure.kind == "nan":
        return True
    if failure.kind == "oom" and failure.did_not_fit is not None:
        return failure.did_not_fit <= 1 or failure.attempts > memory_retries
    return failure.attempts > retries


def pause(failure: Failure, backoff_seconds: float) -> float:
    """The seconds until a run that failed so is tried again: twice as many after each attempt, up to 64 times."""
    return backoff_seconds * float(2 ** min(failure.attempts - 1, 6))


def micro_batch(failures: Iterable[Failure | None]) -> int | None:
    """How many people at once the runs that failed so are tried with: half of what did not fit, None for all."""
    sizes = [failure.did_not_fit for failure in failures if failure is not None and failure.did_not_fit is not None]
    return max(1, min(sizes) // 2) if sizes else None


def death_note(code: int, log_file: Path) -> str:
    """Why a process ended without a word of its own: its signal or code, and the last line it printed."""
    if code == -signal.SIGKILL:
        how = "the process was ended by SIGKILL (by hand, or by the system when memory ran out)"
    elif code < 0:
        how = f"the process was ended by {signal.Signals(-code).name}"
    elif code == FINISHED:
        how = "the process ended without finishing the run"
    else:
        how = f"the process ended with code {code}"
    try:
        lines = log_file.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except FileNotFoundError:
        lines = []
    return f"{how}; its last line: {lines[-1]}" if lines else how
