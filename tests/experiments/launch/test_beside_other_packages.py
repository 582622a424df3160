"""A launch from a folder that has packages of the names of ours, as many a research repository does."""

import subprocess
import sys
from pathlib import Path

import pytest
from small_sweeps import MINI

from experiments.launch.command import cohort_command
from experiments.runs.store import Store

ONE_RUN = MINI.partition("  - {row: all")[0]
COMMAND_LINE = Path(sys.executable).with_name("distilpose")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A folder of somebody's own code."""
    for name in ("experiments", "reports", "distilpose", "wandb"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(f"raise RuntimeError('{name} of the user was imported')\n")
    (tmp_path / "mini.yaml").write_text(ONE_RUN)
    return tmp_path


def test_a_launch_works_there(repository: Path) -> None:
    assert COMMAND_LINE.exists()
    line = [str(COMMAND_LINE), "launch", "mini.yaml", "--runs", "runs", "--wandb", "offline", "--jobs", "1"]
    launched = subprocess.run(line, cwd=repository, capture_output=True, text=True, timeout=500, check=False)
    logs = [file.read_text() for file in repository.glob("runs/jobs/*.log")]
    assert launched.returncode == 0, (launched.stderr, logs)
    (run,) = Store(repository / "runs").runs()
    assert (run.finished, run.starts) == (True, 1)
    assert list(run.path.glob("wandb/offline-run-*/*.wandb"))


def test_torchrun_finds_our_packages_there(repository: Path) -> None:
    """Without a job it gets as far as its own arguments."""
    started = subprocess.run(cohort_command(2), cwd=repository, capture_output=True, text=True, check=False)
    assert "torchrun.py" in started.stderr
    assert "IndexError" in started.stderr
    assert "of the user was imported" not in started.stderr
