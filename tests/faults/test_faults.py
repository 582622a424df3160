"""Everything else that may befall a sweep, one fault a test; after each the sweep ends as the undisturbed one."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import chain_job
import pytest
from chain_sweep import COMMAND, HERE, faults, settings

from experiments.launch.inline import InlineLauncher
from experiments.launch.records import Outcome
from experiments.launch.scheduler import launch_plan
from experiments.plan.plan import Plan
from experiments.runs.lease import Watch
from experiments.runs.store import RunDir, Store

Chains = tuple[Plan, Store]


def launched(plan: Plan, store: Store, work: Callable[..., int] = chain_job.main, **changes: Any) -> Outcome:
    return launch_plan(plan, store, InlineLauncher(work=work), settings(**changes))


def stopping_after(calls: int) -> Callable[[], bool]:
    left = [calls]

    def should_stop() -> bool:
        left[0] -= 1
        return left[0] < 0

    return should_stop


def half_done(plan: Plan, store: Store) -> list[RunDir]:
    """The runs of the first cohort of students, stopped in the middle, their teacher finished."""
    for run in plan.runs.values():
        store.run(run.run_id).write_spec(run.spec)
    teacher, students = plan.cohorts[0], plan.cohorts[1]
    assert chain_job.main(store.write_job({"cohort_id": "teacher", "run_ids": list(teacher.run_ids)})) == 0
    job = store.write_job({"cohort_id": "students", "run_ids": list(students.run_ids)})
    assert chain_job.main(job, stopping_after(5)) == chain_job.PREEMPTED
    return [store.run(run_id) for run_id in students.run_ids]


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_a_process_killed_at_any_of_its_instants_leaves_nothing_that_the_next_cannot_go_on_from(
    tmp_path: Path, kills: int | None, undisturbed: dict[str, Any]
) -> None:
    every = 1 if kills else 12
    command = (sys.executable, str(HERE / "die_at.py"), str(tmp_path), "1", str(every))
    instants = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert instants > 100
    for folder in tmp_path.iterdir():
        (run,) = Store(folder / "runs").runs()
        assert run.result().metrics == undisturbed["results"][run.run_id], folder.name
        rows = [(row.step, row.epoch, row.values) for row in run.metrics()]
        assert rows == undisturbed["rows"][run.run_id], folder.name
        assert not list((run.path / "checkpoints").glob(".*")), folder.name


@pytest.mark.parametrize("torn", [b'{"t": 1.0, "event": "metrics", "st', b"\0" * 512, b"\xff\xfe{}", b"null\n3"])
def test_a_torn_or_overwritten_line_in_the_journal_is_passed_over(
    chains: Chains, undisturbed: dict[str, Any], torn: bytes
) -> None:
    plan, store = chains
    for run in half_done(plan, store):
        with (run.path / "journal.jsonl").open("ab") as file:
            file.write(torn)
    assert launched(plan, store).complete
    assert set(faults(store, plan, undisturbed).values()) == {0}


def test_a_damaged_checkpoint_gives_way_to_the_one_before_and_the_journal_says_so(
    chains: Chains, undisturbed: dict[str, Any]
) -> None:
    plan, store = chains
    runs = half_done(plan, store)
    for run in runs:
        newest = max(run.checkpoints.glob("step-*.json"))
        newest.write_bytes(newest.read_bytes()[:-1])
    assert launched(plan, store).complete
    assert all("note" in {event["event"] for event in run.read_journal()} for run in runs)
    assert set(faults(store, plan, undisturbed).values()) == {0}


@pytest.mark.parametrize("years", [-20, 20])
def test_a_clock_that_jumps_by_years_changes_nothing(
    chains: Chains, undisturbed: dict[str, Any], years: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan, store = chains
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now)
    runs = half_done(plan, store)
    assert [run.state() for run in runs] == ["interrupted"] * 2
    now += years * 365 * 86400
    assert launched(plan, store).complete
    assert set(faults(store, plan, undisturbed).values()) == {0}


def test_a_paused_process_that_lost_its_runs_writes_nothing_when_it_goes_on(
    chains: Chains, undisturbed: dict[str, Any]
) -> None:
    plan, store = chains
    runs = half_done(plan, store)
    (store.root / "steps").write_text("5000")
    job = store.write_job({"cohort_id": "paused", "run_ids": [run.run_id for run in runs]})
    with subprocess.Popen([*COMMAND, str(job)]) as process:
        before = [(run.progress() or pytest.fail("no progress")).step for run in runs]
        wait_for(
            lambda: all(
                (run.progress() or pytest.fail("none")).step > step for run, step in zip(runs, before, strict=True)
            )
        )
        process.send_signal(signal.SIGSTOP)
        (store.root / "steps").unlink()
        for run in runs:  # where they stood before, so that they end as the undisturbed ones
            for path in run.checkpoints.iterdir():
                path.unlink()
        seen = {run.run_id: Watch(timeout=0.04) for run in runs}
        wait_for(lambda: all(seen[run.run_id].evict(run.path / "lease") for run in runs))
        assert launched(plan, store).complete
        written = contents(store)
        process.send_signal(signal.SIGCONT)
        assert process.wait(30) == 0  # it noticed, and had nothing left to do
    assert contents(store) == written
    assert set(faults(store, plan, undisturbed).values()) == {0}


def contents(store: Store) -> dict[str, bytes]:
    """Every file of the runs, but the ledger of who did what."""
    return {str(path): path.read_bytes() for path in store.root.glob("*/**/*") if path.is_file()}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of one mebibyte."""
    if os.geteuid() != 0 or not sys.platform.startswith("linux"):
        pytest.skip("mounting a small disk needs root on Linux")
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_leaves_nothing_half_written_and_the_sweep_goes_on_when_there_is_room(
    small_disk: Path, chains: Chains, undisturbed: dict[str, Any]
) -> None:
    plan, _ = chains
    store = Store(small_disk / "runs")
    store.root.mkdir()
    ballast = small_disk / "ballast"

    def filling(job: Path, should_stop: Callable[[], bool]) -> int:
        """A job whose disk is filled to the last byte by others while it works."""
        asked = 0

        def fill() -> bool:
            nonlocal asked
            asked += 1
            if asked == 4:
                with ballast.open("wb", buffering=0) as file:
                    try:
                        while True:
                            file.write(b"x" * 512)
                    except OSError:
                        pass
            return should_stop()

        return chain_job.main(job, fill)

    outcome = launched(plan, store, filling, retries=1)
    assert "No space left on device" in outcome.failed[plan.teachers[0].run_id]
    assert not outcome.finished
    run = store.run(plan.teachers[0].run_id)
    assert run.state() in ("failed", "interrupted")
    for path in store.root.rglob("*.json"):
        json.loads(path.read_text())
    assert not list(store.root.rglob(".*.tmp"))
    ballast.unlink()
    assert launched(plan, store).complete
    assert set(faults(store, plan, undisturbed).values()) == {0}
