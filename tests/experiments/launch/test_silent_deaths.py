"""Processes that die without a word of their own: tried again as often as was said, then shown as failed."""

import dataclasses
import sys
from pathlib import Path

import pytest
from small_sweeps import SMALL, small_plan
from test_scheduler import SETTINGS

from experiments.launch.inline import InlineLauncher
from experiments.launch.local import LocalLauncher
from experiments.launch.protocol import Launcher, Slot
from experiments.launch.records import LaunchSettings, Outcome
from experiments.launch.scheduler import launch_plan
from experiments.plan.plan import Plan
from experiments.runs.store import Store

ALONE = SMALL.replace("seeds: [0, 1]", "seeds: [0]").partition("  - {row: KT")[0].replace("KT: 5e-4", "KT: 0")
LIMIT = 20  # starts after which a launch is taken to be endless
DIES = "import os, pathlib, sys; pathlib.Path(sys.argv[1], 'starts').open('a').write('x'); {end}"


class Counting:
    """A launcher that gives up on a launch which starts processes for ever."""

    def __init__(self, launcher: Launcher) -> None:
        self._launcher, self.starts = launcher, 0

    @property
    def slots(self) -> tuple[Slot, ...]:
        return self._launcher.slots

    def start(self, job: Path, slot: Slot):
        self.starts += 1
        assert self.starts <= LIMIT, "started for ever"
        return self._launcher.start(job, slot)


@pytest.fixture
def alone(tmp_path: Path) -> Plan:
    """One run, which needs no teacher."""
    plan = small_plan(tmp_path, ALONE)
    assert len(plan.runs) == 1
    return plan


def launched(plan: Plan, store: Store, launcher: Launcher, **changes: object) -> Outcome:
    settings: LaunchSettings = dataclasses.replace(SETTINGS, **changes)
    return launch_plan(plan, store, launcher, settings)


def test_a_process_that_kills_itself_at_once_is_started_three_times_and_then_failed(
    alone: Plan, store: Store, tmp_path: Path
) -> None:
    script = DIES.format(end="os.kill(os.getpid(), 9)")
    launcher = Counting(LocalLauncher([Slot()], command=(sys.executable, "-c", script, str(tmp_path))))
    (why,) = launched(alone, store, launcher).failed.values()
    assert "SIGKILL" in why
    assert "(killed, attempt 3)" in why
    assert (tmp_path / "starts").read_text() == "xxx"


def test_a_command_that_cannot_be_imported_is_started_three_times_and_its_last_line_is_shown(
    alone: Plan, store: Store
) -> None:
    launcher = Counting(LocalLauncher([Slot()], command=(sys.executable, "-m", "experiments.no_such_module")))
    (why,) = launched(alone, store, launcher).failed.values()
    assert "No module named experiments.no_such_module (killed, attempt 3)" in why
    assert launcher.starts == 3


@pytest.mark.parametrize("begins", [False, True])
@pytest.mark.parametrize("retries", [0, 1, 2])
def test_a_silent_death_is_an_attempt_before_and_after_the_run_has_begun(
    alone: Plan, store: Store, *, begins: bool, retries: int
) -> None:
    (run_id,) = alone.runs

    def work(job: Path, should_stop: object) -> int:
        if begins:
            run = store.run(run_id)
            lease = run.claim()
            assert lease is not None
            with lease, run.journal(lease) as journal:
                journal.start(attempt=run.attempts + 1, step=0, total_steps=5)
        return -9

    launcher = Counting(InlineLauncher(work=work))
    assert set(launched(alone, store, launcher, retries=retries).failed) == {run_id}
    assert launcher.starts == retries + 1
    assert store.run(run_id).attempts == retries + 1


def test_a_run_that_fails_by_its_own_word_and_then_silently_has_as_many_attempts(alone: Plan, store: Store) -> None:
    (run_id,) = alone.runs

    def work(job: Path, should_stop: object) -> int:
        run = store.run(run_id)
        lease = run.claim()
        assert lease is not None
        with lease:
            if run.attempts == 0:
                run.fail("as wished", "error", lease)
                return 1
        return -11

    launcher = Counting(InlineLauncher(work=work))
    assert "(killed, attempt 3)" in launched(alone, store, launcher).failed[run_id]
    assert launcher.starts == 3
