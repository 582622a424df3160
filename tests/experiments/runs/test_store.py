import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from small_sweeps import bare_plan
from test_lease import pretend

from distilpose.whole_files import FencedError
from experiments.runs.journal import Journal, journal_mark
from experiments.runs.lease import acquire
from experiments.runs.run_files import Result
from experiments.runs.store import AlreadyFinishedError, Failure, Store

SPEC = {
    "role": "student",
    "row": "all",
    "seed": 0,
    "recipe": {"model": {"model": "distilpose_s"}},
    "teacher_id": None,
    "identity": {},
}
ID = "0123456789ab"
PLAN = bare_plan(sweep="losses", profile="tiny")


def test_a_run_goes_from_planned_to_running_to_finished(tmp_path: Path) -> None:
    run = Store(tmp_path).run("abc")
    assert run.state() == "planned"
    run.write_spec(SPEC)
    assert run.state() == "planned"
    lease = run.claim()
    assert lease is not None
    assert run.state() == "running"
    with run.journal(lease) as journal:
        journal.start(attempt=1, step=0)
    run.write_result({"metrics": {"AP": 0.5}}, lease)
    assert run.state() == "finished"
    lease.release()
    assert run.result() == Result(run_id="abc", metrics={"AP": 0.5}, journal=journal_mark(run.path / "journal.jsonl"))
    assert run.starts == 1


def test_a_finished_run_cannot_be_claimed_or_finished_again(tmp_path: Path) -> None:
    run = Store(tmp_path).run("abc")
    run.write_result({"metrics": {}})
    assert run.claim() is None
    with pytest.raises(AlreadyFinishedError, match="abc"):
        run.write_result({"metrics": {}})


def test_a_run_whose_process_ended_early_is_interrupted(tmp_path: Path) -> None:
    run = Store(tmp_path).run("abc")
    lease = run.claim()
    with run.journal(lease) as journal:
        journal.start(attempt=1, step=0)
    assert lease is not None
    lease.release()
    assert run.state() == "interrupted"


def test_failures_are_counted_and_forgotten_when_the_run_finishes(tmp_path: Path) -> None:
    run = Store(tmp_path).run("abc")
    assert run.attempts == 0
    run.fail("loss is not finite", "nan")
    failure = run.fail("out of memory", "oom")
    assert (failure.attempts, failure.kind) == (2, "oom")
    assert run.failure == failure
    assert run.state() == "failed"
    run.write_result({"metrics": {}})
    assert run.failure is None
    run.fail("late")
    run.forgive()
    assert run.attempts == 0


def test_a_process_that_lost_its_lease_cannot_finish_or_fail_the_run(tmp_path: Path) -> None:
    run = Store(tmp_path).run("abc")
    lease = run.claim()
    assert lease is not None
    journal = run.journal(lease)
    journal.start(attempt=1, step=0)
    pretend(lease, started="another process of the same id")
    second = run.claim()
    assert second is not None
    with pytest.raises(FencedError):
        run.write_result({"metrics": {}}, lease)
    with pytest.raises(FencedError):
        run.fail("x", lease=lease)
    with pytest.raises(FencedError):
        journal.note("late")
    with pytest.raises(FencedError):
        run.journal(lease)
    assert not run.finished
    assert run.failure is None
    assert run.starts == 1


def test_a_journal_line_of_a_process_replaced_after_its_last_check_reaches_nobody(tmp_path: Path) -> None:
    run = Store(tmp_path).run("abc")
    lease = run.claim()
    assert lease is not None
    stale = Journal(run.path / "journal.jsonl", aside=lease.aside)  # that no longer looks before it writes
    stale.note("first")
    pretend(lease, started="another process of the same id")
    second = run.claim()
    assert second is not None
    with run.journal(second) as journal:
        stale.note("late")
        journal.note("second")
        stale.note("later")
    assert [event["message"] for event in run.read_journal()] == ["first", "second"]


def test_what_a_run_is_stays_as_first_written(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.run(ID).write_spec(SPEC)
    store.run(ID).write_spec({**SPEC, "role": "teacher"})
    assert store.run(ID).spec()["role"] == "student"
    assert [run.run_id for run in store.runs()] == [ID]
    with pytest.raises(FileNotFoundError, match="no run zzz"):
        store.run("zzz").spec()


def test_plans_are_kept_by_sweep_and_profile_and_a_missing_one_names_those_there(tmp_path: Path) -> None:
    store = Store(tmp_path)
    file = store.save_plan(PLAN).stat().st_ino
    assert store.save_plan(PLAN).stat().st_ino == file  # the same again writes nothing
    store.save_plan(replace(PLAN, title="changed"))
    assert store.load_plan("losses", "tiny").title == "changed"
    with pytest.raises(FileNotFoundError, match=r"plans there: losses \(tiny\)"):
        store.load_plan("losses", "paper")


def test_results_are_whole_or_absent_and_leave_nothing_beside_them(tmp_path: Path) -> None:
    run = Store(tmp_path).run("abc")
    with pytest.raises(ValueError, match="not JSON compliant"):
        run.write_result({"metrics": {"AP": float("nan")}})
    assert not run.finished
    run.write_result({"metrics": {"AP": 0.1}})
    assert [path.name for path in run.path.iterdir()] == ["result.json"]


def test_a_lease_left_by_another_test_process_does_not_hold_the_run(tmp_path: Path) -> None:
    script = "import sys; from experiments.runs.store import Store; assert Store(sys.argv[1]).run('abc').claim()"
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    assert acquire(tmp_path / "abc" / "lease") is not None


def test_the_store_imports_no_torch() -> None:
    script = "import sys, experiments.runs.store, experiments.sweep.recipe; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_the_last_lines_of_a_runs_log_are_those_of_its_last_job(tmp_path: Path) -> None:
    store = Store(tmp_path)
    run = store.run("abc")
    lease = run.claim()
    assert lease is not None
    assert run.log_tail() == []
    jobs = [store.write_job({"cohort_id": "c", "device": device}) for device in ("cpu", "cuda:0")]
    assert len(set(jobs)) == 2
    for job, words in zip(jobs, ("one\ntwo\n", f"{'x' * 50_000}\nthree\nfour\n"), strict=True):
        job.with_suffix(".log").write_text(words)
        run.link_log(job.with_suffix(".log"), lease)
    assert run.log_tail(2) == ["three", "four"]
    assert not run.log.readlink().is_absolute()


def test_what_did_not_fit_is_remembered_over_later_failures(tmp_path: Path) -> None:
    run = Store(tmp_path).run("abc")
    run.fail("out of memory", "oom", did_not_fit=32)
    assert run.fail("lightning").did_not_fit == 32
    run.fail("again", "oom", did_not_fit=16)
    assert run.failure == Failure(attempts=3, kind="oom", message="again", did_not_fit=16)


def test_attempts_are_counted_anew_once_one_got_further(tmp_path: Path) -> None:
    run = Store(tmp_path).run("abc")
    lease = run.claim()
    with run.journal(lease) as journal:
        for step, attempts in ((0, 1), (0, 2), (10, 1), (10, 2), (10, 3), (20, 1)):
            if step:
                journal.checkpoint(step=step, epoch=None, path="x")
            assert run.fail("killed", "killed", lease).attempts == attempts
