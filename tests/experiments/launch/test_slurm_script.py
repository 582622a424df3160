import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from experiments.launch.options import read_options
from experiments.launch.slurm_script import SlurmOptions, sbatch_text

JOBS = (Path("/runs/jobs/one.json"), Path("/runs/jobs/the other.json"))
FOLDER = Path("/runs/slurm/distilpose-0")


def text(options: SlurmOptions, **others: object) -> str:
    given = {"name": "distilpose-0", "jobs": JOBS, "folder": FOLDER, "command": ("python", "-m", "it"), **others}
    return sbatch_text(options, **given)  # type: ignore[arg-type]


def settings(script: str) -> list[str]:
    return [line.removeprefix("#SBATCH --") for line in script.splitlines() if line.startswith("#SBATCH")]


def test_options_are_read_from_pairs() -> None:
    pairs = ["partition=gpu", "time=1-12:00", "mail_user=me@here", "throttle=8", "gpu-type=a100", "on-interrupt=cancel"]
    assert read_options(SlurmOptions, pairs) == SlurmOptions(
        mail_user="me@here",
        partition="gpu",
        time="1-12:00",
        throttle=8,
        gpu_type="a100",
        on_interrupt="cancel",
    )


@pytest.mark.parametrize(
    ("pair", "rule"),
    [
        ("partition", "KEY=VALUE"),
        ("partition=", "KEY=VALUE"),
        ("partition=a\n#SBATCH --uid=0", "KEY=VALUE"),
        ("partitoin=gpu", "did you mean partition?"),
        ("uid=0", "valid: account"),
        ("nodes=0", "must be greater than or equal to 1"),
        ("cpus=two", "must be a valid integer"),
        ("time=tomorrow", "days-hours"),
        ("on-interrupt=maybe", "must be 'leave' or 'cancel'"),
    ],
)
def test_a_wrong_option_is_named_with_its_rule(pair: str, rule: str) -> None:
    with pytest.raises(ValueError, match="--with") as mistake:
        read_options(SlurmOptions, [pair])
    assert rule in str(mistake.value)


def test_all_wrong_options_are_shown_at_once() -> None:
    with pytest.raises(ValueError, match="given twice") as mistake:
        read_options(SlurmOptions, ["mem=1G", "mem=2G", "cpus=0", "what=1"])
    assert len(str(mistake.value).splitlines()) == 3


def test_a_script_asks_for_an_array_that_is_warned_before_its_time_is_up() -> None:
    options = read_options(
        SlurmOptions, ["partition=gpu", "time=04:00:00", "throttle=2", "notice=90", "cpus=8", "gpu-type=a100"]
    )
    assert settings(text(options, gpus=True)) == [
        "job-name=distilpose-0",
        "array=0-1%2",
        "partition=gpu",
        "time=04:00:00",
        "nodes=1",
        "ntasks-per-node=1",
        "cpus-per-task=8",
        "gres=gpu:a100:1",
        "requeue",
        "signal=B:USR1@90",
        "output=/runs/slurm/distilpose-0/%a.out",
        "open-mode=append",
    ]


def test_the_processes_of_a_cohort_are_spread_over_its_nodes_by_srun() -> None:
    script = text(read_options(SlurmOptions, ["nodes=2", "cpus=3"]), processes=8, gpus=True)
    assert {"nodes=2", "ntasks-per-node=1", "cpus-per-task=12", "gres=gpu:4"} <= set(settings(script))
    assert 'srun --kill-on-bad-exit=1 python -m it "$job" &' in script


class Running:
    """The script of an array of one task, run by bash with no Slurm but a `scontrol` that says what it was told."""

    def __init__(self, folder: Path, program: str, *, scontrol_code: int = 0) -> None:
        self.folder, self.said = folder, folder / "said"
        job = folder / "a job.json"
        scontrol = folder / "bin" / "scontrol"
        scontrol.parent.mkdir()
        scontrol.write_text(f'#!/bin/sh\necho "$@" >>"{self.said}"\nexit {scontrol_code}\n')
        scontrol.chmod(0o755)
        command = (sys.executable, "-c", program)
        script = sbatch_text(SlurmOptions(), name="x", jobs=[job], folder=folder, command=command)
        environment = {
            **os.environ,
            "PATH": f"{scontrol.parent}:{os.environ['PATH']}",
            "SLURM_ARRAY_TASK_ID": "0",
            "SLURM_JOB_ID": "7",
        }
        (folder / "0.exit").write_text("of the time before")
        self.process = subprocess.Popen(["bash", "-c", script], env=environment)

    def signal(self, number: int) -> None:
        deadline = time.monotonic() + 20
        while not self.log().endswith("ready\n"):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        self.process.send_signal(number)

    def log(self) -> str:
        file = self.folder / "a job.log"
        return file.read_text() if file.exists() else ""

    def end(self) -> tuple[int, str | None, str | None]:
        """The exit code, the one written down, and what scontrol was told."""
        code = self.process.wait(20)
        written = self.folder / "0.exit"
        return (
            code,
            written.read_text().strip() if written.exists() else None,
            self.said.read_text().strip() if self.said.exists() else None,
        )


OBEYS = """
import signal, sys, time
for name in (signal.SIGUSR1, signal.SIGTERM):
    signal.signal(name, lambda number, _: (time.sleep(0.1), sys.exit(75)))
print("ready", flush=True)
time.sleep(30)
"""
KNOWS_NOTHING_YET = "import time; print('ready', flush=True); time.sleep(30)"


def test_the_exit_code_is_written_last_and_the_words_go_to_the_log(tmp_path: Path) -> None:
    running = Running(tmp_path, "import os, sys; print(os.environ['OMP_NUM_THREADS'], sys.argv[1]); sys.exit(3)")
    assert running.end() == (3, "3", None)
    assert running.log() == f"4 {tmp_path / 'a job.json'}\n"


@pytest.mark.parametrize("program", [OBEYS, KNOWS_NOTHING_YET])
def test_a_job_whose_time_is_up_waits_for_the_checkpoint_and_queues_again(tmp_path: Path, program: str) -> None:
    running = Running(tmp_path, program)
    running.signal(signal.SIGUSR1)
    assert running.end() == (75, None, "requeue 7")


def test_a_job_that_cannot_queue_again_gives_its_runs_back(tmp_path: Path) -> None:
    running = Running(tmp_path, OBEYS, scontrol_code=1)
    running.signal(signal.SIGUSR1)
    assert running.end() == (75, "75", "requeue 7")


def test_a_cancelled_job_gives_its_runs_back(tmp_path: Path) -> None:
    running = Running(tmp_path, OBEYS)
    running.signal(signal.SIGTERM)
    assert running.end() == (75, "75", None)
