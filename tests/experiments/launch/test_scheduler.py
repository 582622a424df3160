import dataclasses
import json
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import fake_job
import pytest
from small_sweeps import small_plan

from experiments.launch.inline import InlineLauncher
from experiments.launch.local import LocalLauncher
from experiments.launch.protocol import Launcher, Slot, share_out
from experiments.launch.records import LaunchProgress, LaunchSettings
from experiments.launch.scheduler import launch_plan
from experiments.plan.plan import Plan
from experiments.runs.job import PREEMPTED
from experiments.runs.run_dir import RunDir
from experiments.runs.selection import Selection
from experiments.runs.store import Store

HERE = Path(__file__).parents[1]
COMMAND = (sys.executable, str(HERE / "fake_job.py"))
SETTINGS = LaunchSettings(
    data_root=lambda data: Path(str(data.root)), backoff_seconds=0.01, poll_seconds=0.01, progress_seconds=0.0
)
LAUNCHERS: dict[str, Callable[[], Launcher]] = {
    "inline": lambda: InlineLauncher(work=fake_job.main),
    "local": lambda: LocalLauncher(share_out(["cpu"], slots=2, cores=2), command=COMMAND),
}


@pytest.fixture(params=list(LAUNCHERS))
def launcher(request: pytest.FixtureRequest) -> Launcher:
    return LAUNCHERS[request.param]()


def _ledger(store: Store) -> Counter[str]:
    path = store.root / "ledger"
    return Counter(path.read_text().splitlines()) if path.exists() else Counter()


class TestEveryLauncher:
    """What holds for a plan carried out by any launcher."""

    def test_every_run_is_done_once_and_the_teacher_first(self, plan: Plan, store: Store, launcher: Launcher) -> None:
        outcome = launch_plan(plan, store, launcher, SETTINGS)
        assert outcome.complete
        assert outcome.finished == set(plan.runs)
        ledger = _ledger(store)
        assert set(ledger.values()) == {1}
        assert len(ledger) == 5 * len(plan.runs)
        first = (store.root / "ledger").read_text().split()[0]
        assert first == plan.teachers[0].run_id

    def test_a_second_launch_does_nothing(self, plan: Plan, store: Store, launcher: Launcher) -> None:
        launch_plan(plan, store, launcher, SETTINGS)
        before = _ledger(store)
        assert launch_plan(plan, store, launcher, SETTINGS).complete
        assert _ledger(store) == before

    def test_a_failed_run_is_tried_again(self, plan: Plan, store: Store, launcher: Launcher) -> None:
        run = plan.rows[1].runs[0]
        store.root.mkdir()
        (store.root / f"{run.run_id}.fail").write_text("2")
        assert launch_plan(plan, store, launcher, SETTINGS).complete
        assert store.run(run.run_id).starts == 3

    def test_a_run_that_keeps_failing_is_shown_and_left_until_asked_for(
        self, plan: Plan, store: Store, launcher: Launcher
    ) -> None:
        run = plan.rows[1].runs[0]
        store.root.mkdir()
        wish = store.root / f"{run.run_id}.fail"
        wish.write_text("9")
        outcome = launch_plan(plan, store, launcher, SETTINGS)
        assert outcome.failed == {run.run_id: "as wished (error, attempt 3)"}
        assert len(outcome.finished) == len(plan.runs) - 1
        wish.unlink()
        assert launch_plan(plan, store, launcher, SETTINGS).failed == outcome.failed
        again = LaunchSettings(data_root=SETTINGS.data_root, poll_seconds=0.01, retry_failed=True)
        assert launch_plan(plan, store, launcher, again).complete

    def test_students_of_a_failed_teacher_are_blocked_and_those_without_go_on(
        self, plan: Plan, store: Store, launcher: Launcher
    ) -> None:
        store.root.mkdir()
        (store.root / f"{plan.teachers[0].run_id}.fail").write_text("9")
        outcome = launch_plan(plan, store, launcher, SETTINGS)
        assert set(outcome.failed) == {plan.teachers[0].run_id}
        assert outcome.blocked == {run.run_id for run in plan.rows[1].runs}
        assert outcome.finished == {run.run_id for run in plan.rows[0].runs}

    def test_a_stopped_run_is_not_trained_and_does_not_count_as_failed(
        self, plan: Plan, store: Store, launcher: Launcher
    ) -> None:
        run = store.run(plan.rows[1].runs[0].run_id)
        run.stop()
        outcome = launch_plan(plan, store, launcher, SETTINGS)
        assert outcome.complete
        assert outcome.stopped == {run.run_id}
        assert (run.state(), outcome.failed, len(outcome.finished)) == ("stopped", {}, len(plan.runs) - 1)
        run.forgive()
        assert launch_plan(plan, store, launcher, SETTINGS).finished == set(plan.runs)

    def test_a_run_that_is_stopped_while_it_trains_ends_there_and_a_launch_at_work_takes_it_up_again(
        self, plan: Plan, store: Store, launcher: Launcher
    ) -> None:
        teacher, slow = store.run(plan.teachers[0].run_id), store.root / "slow"
        store.root.mkdir()
        slow.write_text("0.1")
        done: list[str] = []

        def meddle(progress: LaunchProgress) -> None:
            if teacher.starts == 1 and not done:
                done.append("stop")
                teacher.stop()
            elif progress.stopped and progress.blocked and done == ["stop"]:
                done.append("retry")
                slow.write_text("0")
                teacher.forgive()

        settings = dataclasses.replace(SETTINGS, progress_seconds=0.0)
        if isinstance(launcher, InlineLauncher):
            pytest.skip("nobody looks while it works")
        outcome = launch_plan(plan, store, launcher, settings, on_progress=meddle)
        assert outcome.finished == set(plan.runs)
        assert teacher.starts == 2
        assert set(_ledger(store).values()) == {1}

    def test_progress_is_told_up_to_the_end(self, plan: Plan, store: Store, launcher: Launcher) -> None:
        told: list[LaunchProgress] = []
        launch_plan(plan, store, launcher, SETTINGS, on_progress=told.append)
        assert told[-1].finished == set(plan.runs)
        assert told[-1].total == 5
        assert not told[-1].running


def test_a_part_is_trained_alone_under_the_saved_plan_of_the_whole(plan: Plan, store: Store) -> None:
    launcher = LocalLauncher(share_out(["cpu"], slots=2, cores=4), command=COMMAND)
    part = plan.part(Selection(rows=("none",), seeds=(0,)))
    outcome = launch_plan(plan, store, launcher, SETTINGS, part=part)
    assert outcome.complete
    assert outcome.finished == set(part.runs) == {plan.rows[0].runs[0].run_id}
    assert store.load_plan("small", "default") == plan.saved()
    (result,) = [store.run(run_id).path / "result.json" for run_id in part.runs]
    assert json.loads(result.read_text())["threads"] == 2  # as in the whole plan, where another cohort is beside it
    store.save_plan(dataclasses.replace(plan, title="with more seeds").saved())
    launch_plan(plan, store, launcher, SETTINGS, part=plan.part(Selection(rows=("KT",))))
    assert store.load_plan("small", "default").title == "with more seeds"


def test_a_cohort_with_more_runs_than_allowed_is_split(tmp_path: Path) -> None:
    assert [len(cohort.run_ids) for cohort in small_plan(tmp_path, max_cohort=1).cohorts] == [1, 1, 1, 1, 1]


def test_a_plan_with_problems_is_not_launched(plan: Plan, store: Store) -> None:
    broken = dataclasses.replace(plan, problems=("data/people: no such folder",))
    with pytest.raises(ValueError, match="no such folder"):
        launch_plan(broken, store, InlineLauncher(work=fake_job.main), SETTINGS)


def test_a_cohort_alone_gets_the_threads_of_all_slots(plan: Plan, store: Store) -> None:
    launch_plan(plan, store, LocalLauncher(share_out(["cpu"], slots=2, cores=4), command=COMMAND), SETTINGS)
    threads = {
        run_id: json.loads((store.run(run_id).path / "result.json").read_text())["threads"] for run_id in plan.runs
    }
    assert threads.pop(plan.teachers[0].run_id) == 4
    assert set(threads.values()) == {2}


def test_batches_are_prepared_beside_a_gpu_and_not_beside_a_cpu() -> None:
    assert [Slot(device=device, threads=12).workers for device in ("cpu", "cuda:0")] == [0, 8]
    assert Slot(device="cuda:0,1", threads=3).workers == 3


@pytest.mark.parametrize(("asked", "given"), [(None, 0), (5, 5)])
def test_a_job_has_the_workers_that_were_asked_for(plan: Plan, store: Store, asked: int | None, given: int) -> None:
    found = set()

    def work(job: Path, should_stop: Callable[[], bool]) -> int:
        found.add(json.loads(job.read_text())["workers"])
        return fake_job.main(job, should_stop)

    assert launch_plan(plan, store, InlineLauncher(work=work), dataclasses.replace(SETTINGS, workers=asked)).complete
    assert found == {given}


def test_devices_are_dealt_out_in_turn() -> None:
    assert share_out(["cuda:0", "cuda:1"], slots=3, cores=7) == (
        Slot(device="cuda:0", threads=2),
        Slot(device="cuda:1", threads=2),
        Slot(device="cuda:0", threads=2),
    )
    with pytest.raises(ValueError, match="at least 1"):
        share_out(["cpu"], slots=0, cores=2)


def test_a_killed_child_is_shown_as_killed_and_its_runs_go_on_from_their_checkpoints(plan: Plan, store: Store) -> None:
    store.root.mkdir()
    (store.root / "slow").touch()
    killed = []

    def kill_once(progress: LaunchProgress) -> None:
        for run_id, where in progress.running.items():
            if not killed and where is not None and where.step >= 2:
                holder = store.run(run_id).holder()
                if holder is not None:
                    killed.append(run_id)
                    subprocess.run(["kill", "-9", str(holder.pid)], check=True)

    launcher = LocalLauncher([Slot()], command=COMMAND)
    assert launch_plan(plan, store, launcher, SETTINGS, on_progress=kill_once).complete
    assert len(killed) == 1
    assert store.run(killed[0]).starts == 2
    ledger = _ledger(store)
    assert set(ledger) == {f"{run_id} {step}" for run_id in plan.runs for step in range(1, 6)}
    # Only the step that was being done when the process died may have been done twice.
    assert sum(ledger.values()) - len(ledger) <= 1


LAUNCH = """
import sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
from small_sweeps import small_plan

from experiments.launch.local import LocalLauncher
from experiments.launch.protocol import Slot
from experiments.launch.records import LaunchSettings
from experiments.launch.scheduler import launch_plan
from experiments.runs.store import Store

folder = Path(sys.argv[2])
launcher = LocalLauncher([Slot(), Slot()], command=(sys.executable, sys.argv[1] + "/fake_job.py"))
settings = LaunchSettings(data_root=lambda data: Path("x"), poll_seconds=0.01, backoff_seconds=0.01)
outcome = launch_plan(small_plan(folder), Store(folder / "runs"), launcher, settings)
sys.exit(0 if outcome.complete else 3 if outcome.interrupted else 4)
"""


def _launch(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", LAUNCH, str(HERE), str(folder)])


def _wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.parametrize("lines", [2, 11])
def test_a_killed_launcher_takes_its_processes_along_and_the_next_launch_ends_the_work(
    tmp_path: Path, plan: Plan, store: Store, lines: int
) -> None:
    store.root.mkdir()
    (store.root / "slow").touch()
    with _launch(tmp_path) as process:
        _wait_for(lambda: _ledger(store).total() >= lines)
        process.send_signal(signal.SIGKILL)
    assert launch_plan(plan, store, LAUNCHERS["local"](), SETTINGS).complete
    ledger = _ledger(store)
    # The processes were asked to stop, so each step was done once.
    assert set(ledger.values()) == {1}
    assert len(ledger) == 5 * len(plan.runs)
    assert all(store.run(run_id).failure is None for run_id in plan.runs)


def test_a_launch_whose_hours_are_over_ends_cleanly_and_goes_on_later(plan: Plan, store: Store) -> None:
    store.root.mkdir()
    (store.root / "slow").touch()
    outcome = launch_plan(plan, store, LAUNCHERS["local"](), dataclasses.replace(SETTINGS, hours=1 / 3600))
    assert (outcome.over, outcome.interrupted, outcome.complete) == (True, False, False)
    states = Counter(store.run(run_id).state() for run_id in plan.runs)
    assert states["running"] == states["failed"] == 0
    (store.root / "slow").unlink()
    outcome = launch_plan(plan, store, LAUNCHERS["local"](), dataclasses.replace(SETTINGS, hours=1))
    assert (outcome.over, outcome.complete) == (False, True)
    assert set(_ledger(store).values()) == {1}


class _Busy:
    """A process and its launcher's only slot: it trains until it is stopped."""

    slots = (Slot(device="cpu"),)

    def __init__(self, on_poll: Callable[[], None]) -> None:
        self._on_poll = on_poll
        self._code: int | None = None

    def start(self, job: Path, slot: Slot) -> "_Busy":
        return self

    def poll(self) -> int | None:
        self._on_poll()
        return self._code

    def stop(self) -> None:
        self._code = PREEMPTED

    kill = stop


def test_while_no_slot_is_free_no_run_is_looked_at(plan: Plan, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []
    seen: list[int] = []
    state = RunDir.state
    monkeypatch.setattr(RunDir, "state", lambda run: looks.append(run.run_id) or state(run))
    part = plan.part(Selection(rows=("none",)))  # without the teacher: both its cohorts may start

    def note() -> None:
        seen.append(len(looks))
        if len(seen) == 5:
            raise KeyboardInterrupt

    outcome = launch_plan(plan, store, _Busy(note), SETTINGS, part=part)
    assert outcome.interrupted
    assert 0 < min(seen) == max(seen)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_launch_ends_cleanly_and_goes_on_later(
    tmp_path: Path, plan: Plan, store: Store, number: signal.Signals
) -> None:
    store.root.mkdir()
    (store.root / "slow").touch()
    with _launch(tmp_path) as process:
        _wait_for(lambda: _ledger(store).total() >= 7)
        process.send_signal(number)
        assert process.wait(60) == 3
    states = Counter(store.run(run_id).state() for run_id in plan.runs)
    assert states["running"] == states["failed"] == 0
    assert states["interrupted"] >= 1
    assert launch_plan(plan, store, LAUNCHERS["local"](), SETTINGS).complete
    assert set(_ledger(store).values()) == {1}


def test_two_launchers_at_once_share_the_work(tmp_path: Path, plan: Plan, store: Store) -> None:
    store.root.mkdir()
    (store.root / "slow").touch()
    with _launch(tmp_path) as one, _launch(tmp_path) as two:
        assert (one.wait(30), two.wait(30)) == (0, 0)
    assert set(_ledger(store).values()) == {1}
    assert len(_ledger(store)) == 5 * len(plan.runs)


def test_the_small_sweep_has_one_teacher_and_a_cohort_per_seed(plan: Plan) -> None:
    assert len(plan.teachers) == 1
    assert [len(cohort.run_ids) for cohort in plan.cohorts] == [1, 2, 2]


def test_a_job_finds_its_threads_in_the_environment_and_its_words_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GOMP_SPINCOUNT")
    names = "('OMP_NUM_THREADS', 'OMP_WAIT_POLICY', 'GOMP_SPINCOUNT')"
    script = f"import os, sys; print(*map(os.environ.get, {names}), sys.argv[1]); sys.exit(7)"
    launcher = LocalLauncher([Slot(threads=3)], command=(sys.executable, "-c", script))
    job = tmp_path / "job.json"
    handle = launcher.start(job, launcher.slots[0])
    _wait_for(lambda: handle.poll() is not None)
    assert handle.poll() == 7
    assert job.with_suffix(".log").read_text() == f"3 PASSIVE 10000 {job}\n"
    handle.stop()
    handle.kill()
