"""SIGKILL at random instants, to launchers and to their processes, while three launchers race over one sweep.

    pytest tests/faults --kills 200

The processes are the engine's own but for the training, which is a chain of digests: see `chain_job.py`. With `--kills`
real trainings are killed as well, one for every twenty.
"""

import random
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import chain_job
import psutil
import pytest
from chain_sweep import HERE, chain_plan, faults, settings

from experiments.launch.inline import InlineLauncher
from experiments.launch.scheduler import launch_plan
from experiments.plan.plan import Plan
from experiments.runs.status import proof, standings
from experiments.runs.store import Store

LAUNCHERS = 3
SHORT = 6
PAUSE = 0.2  # seconds between two kills, on average
PATIENCE = 600.0  # seconds that one sweep may take


class Race:
    """Launchers over one folder, started again as often as they are killed."""

    def __init__(self, folder: Path) -> None:
        self._jobs = f"{folder / 'runs' / 'jobs'}/"
        command = (sys.executable, str(HERE / "launch_chain.py"), str(folder))
        self._forks = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        self._launchers: list[psutil.Process] = []

    def keep_up(self) -> None:
        """Let there be as many launchers as there should be."""
        assert self._forks.stdin is not None
        assert self._forks.stdout is not None
        self._launchers = [process for process in self._launchers if process.is_running()]
        while len(self._launchers) < LAUNCHERS:
            self._forks.stdin.write("\n")
            with suppress(psutil.NoSuchProcess):  # it has ended already: nothing was left to do
                self._launchers.append(psutil.Process(int(self._forks.stdout.readline())))

    def jobs(self) -> list[psutil.Process]:
        """Every process that was told of this folder, also by a launcher that is dead."""
        processes = list(psutil.process_iter(["cmdline"]))
        return [one for one in processes if any(word.startswith(self._jobs) for word in one.info["cmdline"] or [])]

    def kill_one(self, draw: random.Random) -> str:
        """What was killed, or nobody."""
        jobs = self.jobs()
        what, those = ("job", jobs) if jobs and draw.random() < 0.7 else ("launcher", self._launchers)
        try:
            draw.choice(those).kill()
        except psutil.NoSuchProcess:
            return "nobody"
        return what

    def end(self) -> None:
        """Leave nothing running."""
        for process in (*self._launchers, *self.jobs()):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._forks.kill()
        self._forks.communicate()


def killed(folder: Path, plan: Plan, wanted: int, draw: random.Random) -> Counter[str]:
    """What was killed until the sweep was finished, at most so often; it is finished in any case."""
    store, race, count = Store(folder / "runs"), Race(folder), Counter[str]()
    deadline = time.monotonic() + PATIENCE
    try:
        while not all(store.run(run_id).finished for run_id in plan.runs):
            assert time.monotonic() < deadline
            race.keep_up()
            time.sleep(draw.expovariate(1 / PAUSE))
            if count.total() < wanted:
                count[race.kill_one(draw)] += 1
                del count["nobody"]
            if store.plans():  # a reader never meets half of anything
                standings(store, store.load_plan(plan.sweep, plan.profile))
    finally:
        race.end()
    assert launch_plan(plan, store, InlineLauncher(work=chain_job.main), settings()).complete
    assert proof(store, plan.runs).duplicates == ()
    return count


def test_no_run_is_lost_duplicated_or_half_read_however_often_processes_are_killed(
    tmp_path: Path, kills: int | None, undisturbed: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    wanted, draw = kills or SHORT, random.Random(0)
    count, found, sweeps, runs = Counter[str](), Counter[str](), 0, 0
    began = time.monotonic()
    while count.total() < wanted:
        folder = tmp_path / str(sweeps)
        (folder / "runs").mkdir(parents=True)
        plan = chain_plan(folder)
        count += killed(folder, plan, wanted - count.total(), draw)
        found.update(faults(Store(folder / "runs"), plan, undisturbed))
        sweeps, runs = sweeps + 1, runs + len(plan.runs)
    if kills is not None:
        with capsys.disabled():
            how = ", ".join(f"{number} {what}" for what, number in found.items())
            seconds = time.monotonic() - began
            print(f"\n{sweeps} sweeps, {runs} runs, {dict(count)} killed in {seconds:.0f} s: {how}")
    assert set(found.values()) == {0}
