"""The Ray launcher on a local cluster of two nodes: `pytest -m cluster -n 0`."""

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from small_sweeps import small_plan

from experiments.launch.ray import RayLauncher, load_ray
from experiments.launch.records import LaunchProgress, LaunchSettings
from experiments.launch.scheduler import launch_plan
from experiments.runs.job import PREEMPTED
from experiments.runs.store import Store

pytestmark = [
    pytest.mark.cluster,
    # Ray leaves sockets and logs open when a cluster of one process is shut down.
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning"),
]

FAKE_JOB = str(Path(__file__).parents[1] / "experiments" / "fake_job.py")
SETTINGS = LaunchSettings(data_root=lambda data: Path(str(data.root)), backoff_seconds=0.1, poll_seconds=0.05)
SMALL_NODE = {"num_cpus": 1, "object_store_memory": 80 * 2**20}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head that computes nothing, and two nodes of one core."""
    pytest.importorskip("ray", reason="needs Ray: pip install 'distilpose[ray]'")
    ray = load_ray()
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={**SMALL_NODE, "num_cpus": 0, "include_dashboard": False})
    for _ in range(2):
        made.add_node(**SMALL_NODE)
    made.wait_for_nodes()
    yield made
    ray.shutdown()
    made.shutdown()


@pytest.fixture
def launcher(cluster: Any) -> RayLauncher:
    return RayLauncher(cluster.address, command=(sys.executable, FAKE_JOB))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    (tmp_path / "runs").mkdir()
    return Store(tmp_path / "runs")


def ledger(store: Store) -> Counter[str]:
    path = store.root / "ledger"
    return Counter(path.read_text().splitlines()) if path.exists() else Counter()


def test_every_run_is_done_once_and_the_teacher_first(launcher: RayLauncher, tmp_path: Path, store: Store) -> None:
    plan = small_plan(tmp_path)
    assert len(launcher.slots) == 2
    assert launch_plan(plan, store, launcher, SETTINGS).complete
    assert set(ledger(store).values()) == {1}
    assert len(ledger(store)) == 5 * len(plan.runs)
    assert (store.root / "ledger").read_text().split()[0] == plan.teachers[0].run_id


def test_a_task_that_is_stopped_writes_its_checkpoint(launcher: RayLauncher, tmp_path: Path, store: Store) -> None:
    (store.root / "slow").write_text("1")
    plan = small_plan(tmp_path)
    teacher = plan.runs[plan.teachers[0].run_id]
    store.run(teacher.run_id).write_spec(teacher.spec)
    job = store.write_job({"cohort_id": "c", "run_ids": [teacher.run_id], "threads": 1})
    handle = launcher.start(job, launcher.slots[0])
    deadline = time.monotonic() + 60
    while not ledger(store):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    handle.stop()
    while handle.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert handle.poll() == PREEMPTED
    assert store.run(teacher.run_id).state() == "interrupted"


def test_the_runs_of_a_killed_node_go_elsewhere(
    cluster: Any, launcher: RayLauncher, tmp_path: Path, store: Store
) -> None:
    (store.root / "slow").write_text("0.3")
    plan = small_plan(tmp_path)
    node = sorted(cluster.worker_nodes, key=lambda one: one.node_id)[0]
    killed: list[float] = []

    def kill_once(progress: LaunchProgress) -> None:
        begun = [run_id for run_id, where in progress.running.items() if where is not None]
        if not killed and len(progress.running) == 4 and len(begun) >= 2:  # both nodes have a cohort of students
            cluster.remove_node(node, allow_graceful=False)
            killed.append(progress.seconds)

    outcome = launch_plan(plan, store, launcher, SETTINGS, on_progress=kill_once)
    assert killed
    assert outcome.complete
    assert set(ledger(store)) == {f"{run_id} {step}" for run_id in plan.runs for step in range(1, 6)}
    assert ledger(store).total() - len(ledger(store)) <= 1
    assert all(store.run(run_id).failure is None for run_id in plan.runs)


BESIDE = """
import sys
from pathlib import Path

from experiments.launch.protocol import Slot
from experiments.launch.ray import RayLauncher

launcher = RayLauncher(jobs=1, device="cpu", command=(sys.executable, "-c", "print('done')"))
handle = launcher.start(Path("job.json"), launcher.slots[0])
while handle.poll() is None:
    pass
launcher.close()
sys.exit(handle.poll())
"""


def test_a_task_of_a_launcher_in_a_folder_with_an_experiments_package_is_carried_out(tmp_path: Path) -> None:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "__init__.py").touch()
    command = [sys.executable, "-P", "-c", BESIDE]
    assert subprocess.run(command, cwd=tmp_path, timeout=120, check=False).returncode == 0
    assert (tmp_path / "job.log").read_text() == "done\n"
