"""How long one waits: for help, for a plan, and from the command to the first training step of `tiny`."""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Figure, Settings, seconds_of, timing

HELP_S, PLAN_S, FIRST_STEP_S = 0.3, 1.0, 8.0
_COMMAND = (sys.executable, "-m", "experiments.cli.main")


def figures(settings: Settings) -> Iterator[Figure]:
    """Each against the seconds it may take. Python's own start is part of it."""
    rounds = range(settings.rounds)
    with tempfile.TemporaryDirectory() as directory:
        runs = Path(directory) / "runs"
        _run("--help")
        yield _within(HELP_S, "distilpose --help", [seconds_of(lambda: _run("--help")) for _ in rounds])
        plan = ("plan", "losses", "--profile", "tiny", "--runs", str(runs))
        yield _within(
            PLAN_S, "distilpose plan losses --profile tiny", [seconds_of(lambda: _run(*plan)) for _ in rounds]
        )
        if settings.quick:
            return
        first, with_people = [], []
        for _ in rounds:
            first.append(_first_step(runs))
            people = runs / "data"
            kept = people.rename(Path(directory) / "data")
            shutil.rmtree(runs)
            runs.mkdir()
            kept.rename(people)
            with_people.append(_first_step(runs))
            shutil.rmtree(runs)
    what = "first training step of `launch losses --profile tiny`"
    yield _within(FIRST_STEP_S, f"{what}, people drawn before", with_people)
    yield _within(FIRST_STEP_S, f"{what}, people to be drawn", first)


def _run(*arguments: str) -> None:
    subprocess.run([*_COMMAND, *arguments], check=True, capture_output=True)


def _within(limit: float, what: str, seconds: list[float]) -> Figure:
    return Figure(
        what=what,
        against=f"the {limit:g} s wanted",
        ratios=tuple(limit / taken for taken in seconds),
        aim=1.0,
        note=timing(seconds),
    )


def _first_step(runs: Path) -> float:
    """Seconds from the command to the end of the first optimiser step; the launch is then interrupted.

    The journal's first numbers come after several steps: the first step's end is where a straight line from the start
    to them has it.
    """
    command = [*_COMMAND, "launch", "losses", "--profile", "tiny", "--runs", str(runs), "--track", "none"]
    began = time.time()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            for journal in runs.glob("*/journal.jsonl"):
                events = [
                    json.loads(line) for line in journal.read_text().splitlines(keepends=True) if line[-1] == "\n"
                ]
                start = next((event for event in events if event["event"] == "start"), None)
                numbers = next((event for event in events if event["event"] == "metrics"), None)
                if start and numbers:
                    after: float = start["t"] + (numbers["t"] - start["t"]) / numbers["step"]
                    return after - began
            time.sleep(0.2)
        raise AssertionError("the launch ended before its first step")
    finally:
        process.terminate()  # which a launch takes for Ctrl-C
        process.wait()
