import subprocess
import sys
from pathlib import Path

import pytest

from experiments.lease import LeaseLostError, acquire
from experiments.store import AlreadyFinishedError, Store


def test_a_run_goes_from_planned_to_running_to_finished(tmp_path: Path) -> None:
    run = Store(tmp_path).run("abc")
    assert run.state() == "planned"
    run.write_spec({"role": "student"})
    assert run.state() == "planned"
    lease = run.claim()
    assert lease is not None
    assert run.state() == "running"
    with run.journal(lease) as journal:
        journal.start(attempt=1, step=0)
    run.write_result({"metrics": {"AP": 0.5}}, lease)
    assert run.state() == "finished"
    lease.release()
    assert run.result() == {"schema": 1, "run_id": "abc", "metrics": {"AP": 0.5}}
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
    (run.path / "lease" / "00000002").touch()
    with pytest.raises(LeaseLostError):
        run.write_result({"metrics": {}}, lease)
    with pytest.raises(LeaseLostError):
        run.fail("x", lease=lease)
    assert not run.finished
    assert run.failure is None


def test_what_a_run_is_stays_as_first_written(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.run("abc").write_spec({"role": "student"})
    store.run("abc").write_spec({"role": "teacher"})
    assert store.run("abc").spec()["role"] == "student"
    assert [run.run_id for run in store.runs()] == ["abc"]
    with pytest.raises(FileNotFoundError, match="no run zzz"):
        store.run("zzz").spec()


def test_plans_are_kept_by_sweep_and_profile_and_a_missing_one_names_those_there(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save_plan({"sweep": "losses", "profile": "tiny", "rows": []})
    store.save_plan({"sweep": "losses", "profile": "tiny", "rows": [1]})
    assert store.load_plan("losses", "tiny")["rows"] == [1]
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
    script = "import sys; from experiments.store import Store; assert Store(sys.argv[1]).run('abc').claim()"
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=True)
    assert acquire(tmp_path / "abc" / "lease") is not None


def test_the_store_imports_no_torch() -> None:
    script = "import sys, experiments.store, experiments.recipe; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
