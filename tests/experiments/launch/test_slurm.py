"""The Slurm launcher against what Slurm's commands say; against a real Slurm it is tested in tests/cluster."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from small_sweeps import SMALL, small_plan

from experiments.launch import slurm
from experiments.launch.choose import choose, sharing_faults
from experiments.launch.protocol import Wish
from experiments.launch.slurm import SlurmError, SlurmHandle, SlurmLauncher
from experiments.launch.slurm_script import SlurmOptions
from experiments.plan.plan import Plan
from experiments.runs.job import PREEMPTED


class Cluster:
    """What Slurm knows: tasks by array name, and what its commands fail with."""

    def __init__(self) -> None:
        self.queue: dict[str, dict[int, str]] = {}
        self.submitted: list[str] = []
        self.ended: dict[str, str] = {}
        self.refusal: str | None = None
        self.away = False

    def __call__(self, *command: str) -> subprocess.CompletedProcess[str]:
        said, error = "", ""
        if self.away:
            error = f"{command[0]}: error: Unable to contact slurm controller"
        elif command[0] == "squeue":
            names = command[-1].removeprefix("--name=").split(",")
            tasks = [(name, task) for name in names for task in self.queue.get(name, {}).items()]
            number = {name: n for n, name in enumerate(self.submitted)}
            said = "".join(f"{name}|{number[name]}|{index}|{state}|None\n" for name, (index, state) in tasks)
        elif command[0] == "sbatch":
            if self.refusal is not None:
                error = self.refusal
            else:
                array = Path(command[-1]).parent
                self.submitted.append(array.name)
                tasks_of = (array / "jobs.json").read_text().count(".json")
                self.queue[array.name] = dict.fromkeys(range(tasks_of), "PENDING")
                said = f"{len(self.submitted) - 1}\n"
        elif command[0] == "scontrol":
            said = f"JobId=1 JobState={self.ended[command[-1]]} Reason=None" if command[-1] in self.ended else ""
        elif command[0] == "sacct":
            said = "CANCELLED by 0\n"
        return subprocess.CompletedProcess(command, 1 if error else 0, said, error)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = Cluster()
    monkeypatch.setattr(slurm, "_slurm", made)
    return made


def launcher() -> SlurmLauncher:
    return SlurmLauncher(SlurmOptions(), device="cpu", look_seconds=0, settle_seconds=0)


def start(launcher: SlurmLauncher, folder: Path, *names: str) -> list[SlurmHandle]:
    (folder / "jobs").mkdir(exist_ok=True)
    return [launcher.start(folder / "jobs" / f"{name}.json", launcher.slots[0]) for name in names]


def test_what_is_started_together_is_one_array(cluster: Cluster, tmp_path: Path) -> None:
    handles = start(launcher(), tmp_path, "a", "b", "c")
    assert [handle.poll() for handle in handles] == [None, None, None]
    assert [len(tasks) for tasks in cluster.queue.values()] == [3]
    assert [handle.job_id for handle in handles] == ["0_0", "0_1", "0_2"]


def test_a_second_launcher_follows_what_the_first_submitted_and_submits_the_rest(
    cluster: Cluster, tmp_path: Path
) -> None:
    start(launcher(), tmp_path, "a", "b")[0].poll()
    handles = start(launcher(), tmp_path, "b", "c")
    handles[0].poll()
    assert [handle.job_id for handle in handles] == ["0_1", "1_0"]


def test_the_code_that_a_task_wrote_is_its_exit_code_once_it_has_left_the_queue(
    cluster: Cluster, tmp_path: Path
) -> None:
    one, other = start(launcher(), tmp_path, "a", "b")
    one.poll()
    assert one.task is not None
    (one.task.array / "0.exit").write_text("137\n")
    assert one.poll() is None  # it may have been queued again
    del cluster.queue[cluster.submitted[0]][0]
    assert one.poll() == -9
    assert other.poll() is None


@pytest.mark.parametrize(
    ("state", "code"), [("NODE_FAIL", PREEMPTED), ("PREEMPTED", PREEMPTED), ("TIMEOUT", -9), (None, -9)]
)
def test_a_task_that_left_without_a_word_ended_as_slurm_says(
    cluster: Cluster, tmp_path: Path, state: str | None, code: int
) -> None:
    (handle,) = start(launcher(), tmp_path, "a")
    handle.poll()
    cluster.queue.clear()
    if state is not None:
        cluster.ended["0_0"] = state
    assert handle.poll() is None
    assert handle.poll() == code
    assert handle.job.with_suffix(".log").read_text() == f"Slurm ended job 0_0: {state or 'CANCELLED'}\n"


def test_a_slurm_that_does_not_answer_ends_no_job_and_is_asked_again(cluster: Cluster, tmp_path: Path) -> None:
    made = launcher()
    (one,) = start(made, tmp_path, "a")
    one.poll()
    cluster.away = True
    (other,) = start(made, tmp_path, "b")
    assert [one.poll(), other.poll(), one.poll()] == [None, None, None]
    cluster.away = False
    other.poll()
    assert len(cluster.submitted) == 2


def test_a_refusal_that_would_come_again_is_an_error(cluster: Cluster, tmp_path: Path) -> None:
    cluster.refusal = "sbatch: error: invalid partition specified: gpuu"
    (handle,) = start(launcher(), tmp_path, "a")
    with pytest.raises(SlurmError, match="gpuu"):
        handle.poll()
    cluster.refusal = "sbatch: error: QOSMaxSubmitJobPerUserLimit"
    (handle,) = start(launcher(), tmp_path, "a")
    assert handle.poll() is None


def test_what_was_not_submitted_yet_is_not_submitted_after_a_stop(cluster: Cluster, tmp_path: Path) -> None:
    (handle,) = start(launcher(), tmp_path, "a")
    handle.stop()
    assert handle.poll() == PREEMPTED
    handle.kill()
    assert cluster.submitted == []


@pytest.mark.parametrize(
    ("words", "rule"),
    [
        (("moon",), "one of local, here, slurm, ray"),
        (("local", Wish(), ["address=auto"]), "no such option here"),
        (("ray", Wish(device="cuda:1")), "it chooses the GPUs"),
        (("slurm", Wish(processes=4), ["nodes=3"]), "must divide"),
        (("slurm", Wish(), ["men=1G"]), "did you mean mem?"),
        (("slurm", Wish(device="cuda:1")), "it chooses the GPUs"),
    ],
)
def test_a_place_that_cannot_be_had_is_a_message(words: tuple[Any, ...], rule: str) -> None:
    with pytest.raises(ValueError, match="--") as mistake:
        choose(*words)
    assert rule in str(mistake.value)


def test_slurm_without_its_commands_is_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ValueError, match="sbatch was not found"):
        choose("slurm")


def test_a_plan_whose_batches_cannot_be_shared_is_a_message(plan: Plan) -> None:
    assert sharing_faults(plan, 2) == []
    assert sharing_faults(plan, 3) == ["--gpus-per-run 3: a batch of 4 people cannot be shared evenly by 3 processes"]


def test_a_plan_whose_cards_cannot_be_shared_is_a_message(tmp_path: Path) -> None:
    plan = small_plan(tmp_path, SMALL.replace("batch_size: 4", "batch_size: 4, cards: 2"))
    assert sharing_faults(plan, 2) == []
    assert sharing_faults(plan, 4) == [
        "--gpus-per-run 4: schedule.cards: 2 cards cannot be shared evenly by 4 processes"
    ]


def test_ray_that_is_not_installed_is_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match="pip install 'distilpose"):
        choose("ray")
