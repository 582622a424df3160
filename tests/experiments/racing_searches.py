"""Launchers of one small search, each a process of its own that trains what it launches.

    python racing_searches.py FOLDER race COUNT       so many at once; exit code 0 when each saw the search complete
    python racing_searches.py FOLDER kill LINES...    one after another, each killed when the ledger is that long

They are forks of one process, so that what is heavy is imported once.
"""

import os
import signal
import sys
import time
import traceback
from pathlib import Path

import fake_trial
from small_searches import CONFIRMED, small_searcher

from experiments.launch.inline import InlineLauncher
from experiments.launch.records import LaunchSettings
from experiments.launch.scheduler import launch_plan
from experiments.runs.store import Store


def start(folder: Path) -> int:
    """The process id of a launcher."""
    child = os.fork()
    if child:
        return child
    settings = LaunchSettings(data_root=lambda data: Path("x"), poll_seconds=0.01, backoff_seconds=0.01)
    code = 3
    try:
        searcher = small_searcher(folder, CONFIRMED)
        store = Store(folder / "runs")
        launcher = InlineLauncher(work=fake_trial.main)
        code = 0 if launch_plan(searcher.begin(), store, launcher, settings, grow=searcher.grow).complete else 4
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def race(folder: Path, count: int) -> int:
    """0 when every one of so many launchers saw the search complete."""
    children = [start(folder) for _ in range(count)]
    return max(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)


def kill(folder: Path, lines: list[int]) -> int:
    """0 when every launcher was killed at work."""
    ledger = folder / "runs" / "ledger"
    for wanted in lines:
        child = start(folder)
        while not ledger.exists() or len(ledger.read_text().splitlines()) < wanted:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                print(f"a launcher ended by itself with {os.waitstatus_to_exitcode(status)}", file=sys.stderr)
                return 5
            time.sleep(0.002)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    return 0


if __name__ == "__main__":
    where, what, numbers = Path(sys.argv[1]), sys.argv[2], [int(number) for number in sys.argv[3:]]
    sys.exit(race(where, numbers[0]) if what == "race" else kill(where, numbers))
