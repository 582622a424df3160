"""What follows from how an attempt ended: preempted or failed, tried again or not, and with how many people at once."""

from __future__ import annotations

import signal
from collections.abc import Iterable
from pathlib import Path

from experiments.runs.job import FINISHED, PREEMPTED
from experiments.runs.store import Failure

_ASKED_TO_STOP = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)


def was_preempted(code: int) -> bool:
    """Whether a process ended because it was asked to, with or without a checkpoint."""
    return code == PREEMPTED or -code in _ASKED_TO_STOP


def is_enough(failure: Failure, *, retries: int, memory_retries: int) -> bool:
    """Whether a run that failed like this is not tried again. Not after a loss that was not finite, which would come
    again; after out of memory with fewer people at once.
    """
    if failure.kind == "nan":
        return True
    if failure.kind == "oom" and failure.did_not_fit is not None:
        return failure.did_not_fit <= 1 or failure.attempts > memory_retries
    return failure.attempts > retries


def pause(failure: Failure, backoff_seconds: float) -> float:
    """The seconds until the next attempt: twice as many after each, up to 64 times."""
    return backoff_seconds * float(2 ** min(failure.attempts - 1, 6))


def micro_batch(failures: Iterable[Failure | None]) -> int | None:
    """Micro-batch for the next attempt: half of the one that ran out of memory; None for the whole batch."""
    sizes = [failure.did_not_fit for failure in failures if failure is not None and failure.did_not_fit is not None]
    return max(1, min(sizes) // 2) if sizes else None


def death_note(code: int, log_file: Path) -> str:
    """Why a process ended without writing a failure: its signal or code, and its last line."""
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
