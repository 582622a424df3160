"""The Slurm launcher on a real Slurm: `pytest -m cluster -n 0`, about three minutes."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from real_slurm import missing, running_slurm
from small_sweeps import MINI, SMALL, small_plan

from experiments.launch.options import read_options
from experiments.launch.records import LaunchSettings, Outcome
from experiments.launch.scheduler import launch_plan
from experiments.launch.slurm import SlurmLauncher
from experiments.launch.slurm_script import SlurmOptions
from experiments.plan.plan import Plan
from experiments.runs.store import Store

pytestmark = [pytest.mark.cluster, pytest.mark.skipif(missing() is not None, reason=missing() or "")]

HERE = Path(__file__).parents[1] / "experiments"
COMMAND = (sys.executable, str(HERE / "fake_job.py"))
SETTINGS = LaunchSettings(data_root=lambda data: Path(str(data.root)), backoff_seconds=0.1, poll_seconds=0.1)
ONE_RUN = SMALL.replace("seeds: [0, 1]", "seeds: [0]").replace("  - {row: KT, paper: {AP: 67.1}}\n", "")


@pytest.fixture(scope="module")
def slurm() -> Iterator[None]:
    """Slurm's commands reach a cluster of two nodes."""
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder, running_slurm(Path(folder)) as environment:
        before = os.environ.get("SLURM_CONF")
        os.environ["SLURM_CONF"] = environment["SLURM_CONF"]
        yield
        del os.environ["SLURM_CONF"]
        if before is not None:
            os.environ["SLURM_CONF"] = before


@pytest.fixture
def store(tmp_path: Path) -> Store:
    (tmp_path / "runs").mkdir()
    return Store(tmp_path / "runs")


def launcher(*options: str) -> SlurmLauncher:
    chosen = read_options(SlurmOptions, ["time=1", "cpus=1", "mem=100", *options])
    return SlurmLauncher(chosen, device="cpu", command=COMMAND, look_seconds=0.3, settle_seconds=1.0)


def launch(plan: Plan, store: Store, *options: str) -> Outcome:
    return launch_plan(plan, store, launcher(*options), SETTINGS)


def ledger(store: Store) -> Counter[str]:
    path = store.root / "ledger"
    return Counter(path.read_text().splitlines()) if path.exists() else Counter()


def arrays(store: Store) -> list[int]:
    """How many cohorts each array had that was submitted."""
    files = sorted((store.root / "slurm").glob("*/jobs.json"), key=lambda file: file.stat().st_mtime_ns)
    return [len(json.loads(file.read_text())) for file in files]


def jobs(form: str = "%F_%K %T") -> list[str]:
    """The jobs that Slurm has now."""
    asked = ["squeue", "--noheader", "--array", f"--format={form}"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split("\n")[:-1]


def wait_for(happened: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, jobs()
        time.sleep(0.1)


def background(folder: Path, *options: str) -> subprocess.Popen[bytes]:
    """A launcher in a process of its own, to be interrupted or killed."""
    program = (
        "import sys; from pathlib import Path; import test_real_slurm as t; folder = Path(sys.argv[1])\n"
        "outcome = t.launch(t.small_plan(folder, t.ONE_RUN), t.Store(folder / 'runs'), *sys.argv[2:])\n"
        "sys.exit(0 if outcome.complete else 3)"
    )
    paths = os.pathsep.join([str(Path(__file__).parent), str(HERE)])
    return subprocess.Popen(
        [sys.executable, "-c", program, str(folder), *options], env={**os.environ, "PYTHONPATH": paths}
    )


def test_what_is_ready_together_is_one_array_and_the_teacher_goes_first(
    slurm: None, tmp_path: Path, store: Store
) -> None:
    plan = small_plan(tmp_path, max_cohort=1)
    outcome = launch(plan, store, "throttle=2")
    assert outcome.complete
    assert arrays(store) == [1, 4]
    assert set(ledger(store).values()) == {1}
    assert len(ledger(store)) == 5 * len(plan.runs)
    assert launch(plan, store).complete
    assert arrays(store) == [1, 4]


def test_a_failed_run_is_submitted_again(slurm: None, tmp_path: Path, store: Store) -> None:
    plan = small_plan(tmp_path, ONE_RUN)
    (run_id,) = plan.runs
    (store.root / f"{run_id}.fail").write_text("1")
    assert launch(plan, store).complete
    assert arrays(store) == [1, 1]
    assert store.run(run_id).starts == 2


def test_a_job_that_slurm_requeues_goes_on_from_its_checkpoint(slurm: None, tmp_path: Path, store: Store) -> None:
    (store.root / "slow").write_text("1")
    with background(tmp_path) as process:
        wait_for(lambda: ledger(store).total() >= 2)
        (job,) = jobs("%F_%K")
        subprocess.run(["scontrol", "requeue", job], check=True)
        assert process.wait(60) == 0
    assert sorted(ledger(store).values()) == [1] * 5
    assert arrays(store) == [1]
    (run_id,) = small_plan(tmp_path, ONE_RUN).runs
    assert store.run(run_id).starts == 2


def test_a_job_whose_time_runs_out_checkpoints_and_queues_again_without_a_launcher(
    slurm: None, tmp_path: Path, store: Store
) -> None:
    (store.root / "slow").write_text("8")
    with background(tmp_path, "notice=58") as process:
        wait_for(lambda: ledger(store).total() >= 1)
        process.kill()
    (run_id,) = small_plan(tmp_path, ONE_RUN).runs
    wait_for(lambda: store.run(run_id).finished, 120)
    assert sorted(ledger(store).values()) == [1] * 5
    assert store.run(run_id).starts >= 2
    stops = [event["reason"] for event in store.run(run_id).read_journal() if event["event"] == "stop"]
    assert set(stops) == {"preempted"}
    assert arrays(store) == [1]


def test_a_second_launch_follows_the_jobs_of_one_that_died(slurm: None, tmp_path: Path, store: Store) -> None:
    subprocess.run(["scontrol", "update", "PartitionName=short", "State=DOWN"], check=True)  # jobs wait in the queue
    try:
        with background(tmp_path) as process:
            wait_for(lambda: len(jobs()) == 1)
            process.kill()
        with background(tmp_path) as process:
            wait_for(lambda: (store.root / "jobs").exists())
            time.sleep(2)
            assert len(jobs()) == 1
            subprocess.run(["scontrol", "update", "PartitionName=short", "State=UP"], check=True)
            assert process.wait(60) == 0
    finally:
        subprocess.run(["scontrol", "update", "PartitionName=short", "State=UP"], check=True)
    assert arrays(store) == [1]
    assert set(ledger(store).values()) == {1}


@pytest.mark.parametrize(("choice", "left"), [("leave", 1), ("cancel", 0)])
def test_an_interrupted_launcher_leaves_its_jobs_unless_told_to_cancel_them(
    slurm: None, tmp_path: Path, store: Store, choice: str, left: int
) -> None:
    (store.root / "slow").write_text("1")
    with background(tmp_path, f"on-interrupt={choice}") as process:
        wait_for(lambda: ledger(store).total() >= 1)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 3
    assert len([job for job in jobs("%T") if job == "RUNNING"]) == left
    assert launch(small_plan(tmp_path, ONE_RUN), store).complete
    assert sorted(ledger(store).values()) == [1] * 5


def test_a_job_that_slurm_kills_is_a_failure_with_its_reason(slurm: None, tmp_path: Path, store: Store) -> None:
    plan = small_plan(tmp_path, ONE_RUN)
    (run_id,) = plan.runs
    (store.root / "slow").write_text("30")  # too long a step to end when asked to
    with background(tmp_path) as process:
        wait_for(lambda: store.run(run_id).holder() is not None)
        (job,) = jobs("%F_%K")
        subprocess.run(["scancel", "--signal=KILL", "--full", job], check=True)
        wait_for(lambda: store.run(run_id).failure is not None)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 3
    subprocess.run(["scancel", "--user=root"], check=True)
    failure = store.run(run_id).failure
    assert failure is not None
    assert failure.kind == "killed"
    assert "Slurm ended job" in failure.message


def test_the_launch_command_trains_a_sweep_on_slurm(slurm: None, tmp_path: Path) -> None:
    sweep = tmp_path / "mini.yaml"
    sweep.write_text(MINI)
    asked_for = [f"--with={need}" for need in ("time=5", "mem=1500", "cpus=1")]
    words = ["--on=slurm", *asked_for, "--device=cpu", "--track=none", f"--runs={tmp_path / 'runs'}"]
    command = [sys.executable, "-m", "experiments.cli.main", "launch", str(sweep), *words]
    subprocess.run(command, check=True, timeout=300)
    results = [Store(tmp_path / "runs").run(path.parent.name).result() for path in tmp_path.glob("runs/*/result.json")]
    assert len(results) == 3
    assert all(result is not None and "AP" in result.metrics for result in results)


def test_workers_train_a_sweep_between_them(slurm: None, tmp_path: Path) -> None:
    sweep = tmp_path / "mini.yaml"
    sweep.write_text(MINI)
    asked_for = [f"--with={need}" for need in ("time=5", "mem=1500", "cpus=1", "worker=2")]
    words = ["--on=slurm", *asked_for, "--jobs=2", "--device=cpu", "--track=none", f"--runs={tmp_path / 'runs'}"]
    command = [sys.executable, "-m", "experiments.cli.main", "launch", str(sweep), *words]
    subprocess.run(command, check=True, timeout=300)
    store = Store(tmp_path / "runs")
    runs = [store.run(path.parent.name) for path in tmp_path.glob("runs/*/result.json")]
    assert [(run.starts, run.finished) for run in runs] == [(1, True)] * 3
    assert arrays(store) == [2]
    logs = [file.read_text() for file in store.root.glob("jobs/worker-*.log")]
    assert len(logs) == 2
    assert all("Two rows of a few people" in log for log in logs)


def test_what_slurm_refuses_is_one_message(slurm: None, tmp_path: Path, store: Store) -> None:
    with pytest.raises(ValueError, match="invalid partition"):
        launch(small_plan(tmp_path, ONE_RUN), store, "partition=gpuu")
