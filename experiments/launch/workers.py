"""Workers on a cluster: each trains whatever a sweep lacks, on all devices that it is given, until its time is up."""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from distilpose.whole_files import write_whole
from experiments.launch.protocol import Launcher
from experiments.runs.job import PREEMPTED

COMMAND = (sys.executable, "-P", "-m", "experiments.cli.work")


def start_workers(launcher: Launcher, runs: Path, words: Sequence[str], *, poll_seconds: float) -> list[int]:
    """Have `distilpose work WORDS` done in each slot, again where its machine was lost; returns the exit codes."""
    name = f"worker-{hashlib.sha256(json.dumps(words).encode()).hexdigest()[:8]}"
    files = [runs.resolve() / "jobs" / f"{name}-{number}.json" for number in range(len(launcher.slots))]
    for file in files:
        write_whole(file, json.dumps(list(words)))
    handles = [launcher.start(file, slot) for file, slot in zip(files, launcher.slots, strict=True)]
    try:
        while None in (codes := [handle.poll() for handle in handles]) or PREEMPTED in codes:
            for number, code in enumerate(codes):
                if code == PREEMPTED:
                    handles[number] = launcher.start(files[number], launcher.slots[number])
            time.sleep(poll_seconds)
    except KeyboardInterrupt:
        for handle in handles:
            handle.stop()
        raise
    return [code for code in codes if code is not None]


def seconds_until(text: str, now: datetime) -> float:
    """The seconds to HH:MM, when it is that late next, or to YYYY-MM-DDTHH:MM, by the local clock.

    Raises ValueError for anything else, and for a time that is over.
    """
    try:
        if len(text) <= len("HH:MM"):
            then = datetime.combine(now.date(), datetime.strptime(text, "%H:%M").time())
            then += timedelta(days=then <= now)
        else:
            then = datetime.fromisoformat(text)
            then = then if then.tzinfo is None else then.astimezone().replace(tzinfo=None)
    except ValueError:
        raise ValueError(f"--until: must be a time such as 18:30 or 2026-11-30T08:00, got {text!r:.80}") from None
    if then <= now:
        raise ValueError(f"--until {text}: is over, it is {now:%Y-%m-%dT%H:%M}")
    return (then - now).total_seconds()
