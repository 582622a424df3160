"""A run of two real processes under torchrun, here and on two nodes of a real Slurm: `pytest -m cluster -n 0`."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from signal import SIGUSR1

import pytest
import torch
from real_slurm import missing, running_slurm
from small_sweeps import MINI

from distilpose.training.checkpoint import load_weights
from experiments.launch import torchrun
from experiments.runs.job import FINISHED, PREEMPTED
from experiments.runs.store import RunDir, Store

pytestmark = pytest.mark.cluster

ONE_RUN = MINI.split("  - {row: all")[0].replace("epochs: 2", "epochs: 12")


def launch(folder: Path, *words: str) -> RunDir:
    """The one run of the sweep, after `launch` has ended."""
    sweep = folder / "mini.yaml"
    sweep.write_text(ONE_RUN)
    runs = folder / "runs"
    command = [sys.executable, "-m", "experiments.cli.main", "launch", str(sweep), "--device=cpu", "--wandb=disabled"]
    subprocess.run([*command, f"--runs={runs}", "--jobs=1", *words], check=True, timeout=300)
    (result,) = runs.glob("*/result.json")
    return Store(runs).run(result.parent.name)


def same_weights(one: RunDir, other: RunDir) -> bool:
    found, wanted = (load_weights(run.checkpoints / "weights.safetensors") for run in (one, other))
    return all(torch.equal(found[name], wanted[name]) for name in wanted)


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_at(run: RunDir, step: int) -> bool:
    progress = run.progress()
    return progress is not None and progress.step >= step


def test_two_processes_that_are_asked_to_stop_write_one_checkpoint_and_go_on_to_the_same_bits(tmp_path: Path) -> None:
    (tmp_path / "whole").mkdir()
    whole = launch(tmp_path / "whole", "--gpus-per-run=2")
    result = whole.result()
    assert result is not None
    assert result.provenance.get("processes") == 2

    (job,) = (tmp_path / "whole" / "runs" / "jobs").glob("*.json")
    cut = tmp_path / "cut" / "jobs" / job.name
    cut.parent.mkdir(parents=True)
    cut.write_text(job.read_text())
    run = Store(tmp_path / "cut").run(whole.run_id)
    run.path.mkdir()
    (run.path / "run.json").write_text((whole.path / "run.json").read_text())
    command = [*torchrun.command(2), str(cut)]
    with subprocess.Popen(command) as process:
        wait_for(lambda: is_at(run, 3))
        process.send_signal(SIGUSR1)
        assert process.wait(60) == PREEMPTED
    assert run.state() == "interrupted"
    with subprocess.Popen(command) as process:
        wait_for(lambda: run.starts == 2)
        process.kill()
    wait_for(lambda: run.state() != "running")  # its processes end with it, after their checkpoint
    assert run.state() == "interrupted"
    assert subprocess.run(command, timeout=120).returncode == FINISHED
    assert run.starts == 3
    assert same_weights(run, whole)


@pytest.mark.skipif(missing() is not None, reason=missing() or "")
def test_a_run_spreads_over_two_nodes_of_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder, running_slurm(Path(folder)) as environment:
        monkeypatch.setitem(os.environ, "SLURM_CONF", environment["SLURM_CONF"])
        needs = [f"--with={need}" for need in ("nodes=2", "cpus=1", "time=10", "mem=1500")]
        run = launch(tmp_path, "--on=slurm", "--gpus-per-run=2", *needs)
    result = run.result()
    assert result is not None
    assert result.provenance.get("processes") == 2
