"""The built wheel as a user has it: installed apart from this checkout, beside code and a sweep of their own."""

import os
import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SWEEP = """\
sweep: mine
title: A loss of my own
base:
  student: {model: distilpose_s, width: 4, dim: 16, depth: 1, heads: 2}
  losses: {reg: 1, "my_losses.py:far": 0.1}
  input_size: [48, 64]
  data: {synthetic: {train: 8, val: 4}}
  augmentation: {}
  schedule: {epochs: 1, batch_size: 8, warmup_steps: 0, milestones: [], eval_every: 1}
  evaluation: {flip_test: false}
seeds: [0, 1, 2]
axes:
  grid:
    losses.my_losses.py:far: [0.1, 1]
"""
LOSS = '''"""My losses, and where the constants of my experiments are."""

from experiments.constants import POWER


def far(keypoints, true_keypoints, visible):
    """How far the joints are from where they should be."""
    return ((keypoints - true_keypoints).abs().sum(-1) ** POWER * visible).mean()
'''


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `distilpose` command of an environment with the wheel and with this one's other packages."""
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not installed: nothing here builds a wheel")
    folder = tmp_path_factory.mktemp("wheel")
    build = [uv, "build", "--wheel", "--offline", "--quiet", "--out-dir", str(folder), str(ROOT)]
    built = subprocess.run(build, capture_output=True, text=True, check=False)
    if built.returncode:
        pytest.skip(f"uv cannot build a wheel without the network: {built.stderr.strip()[-300:]}")
    place = folder / "environment"
    subprocess.run(
        [uv, "venv", "--quiet", "--offline", "--python", shutil.which("python") or "3.11", place], check=True
    )
    python = place / "bin" / "python"
    (wheel,) = folder.glob("*.whl")
    subprocess.run([uv, "pip", "install", "-q", "--offline", "--no-deps", "--python", python, wheel], check=True)
    (packages,) = place.glob("lib/python*/site-packages")
    # A path file of another folder is not followed: this checkout stays out of sight.
    (packages / "others.pth").write_text(sysconfig.get_path("purelib"))
    where = (
        "import distilpose, experiments, reports; print(distilpose.__file__, experiments.__file__, reports.__file__)"
    )
    found = subprocess.run([python, "-P", "-c", where], capture_output=True, text=True, check=True, cwd=folder)
    assert found.stdout.count(str(packages)) == 3
    return place / "bin" / "distilpose"


def test_a_sweep_over_a_users_loss_from_plan_to_report(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "experiments").mkdir()
    (tmp_path / "experiments" / "__init__.py").touch()
    (tmp_path / "experiments" / "constants.py").write_text("POWER = 1\n")
    (tmp_path / "mine.yaml").write_text(SWEEP)
    (tmp_path / "my_losses.py").write_text(LOSS)

    def distilpose(*arguments: str) -> str:
        environment = {**os.environ, "WANDB_MODE": "disabled", "PYTHONPATH": ""}
        ended = subprocess.run(
            [installed, *arguments], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        logs = [file.read_text()[-2000:] for file in tmp_path.glob("runs/jobs/*.log")]
        assert ended.returncode == 0, (arguments, ended.stderr, logs)
        return ended.stdout + ended.stderr

    assert "6 runs in 3 cohorts, 0 finished" in distilpose("plan", "mine.yaml")
    distilpose("launch", "mine.yaml")
    distilpose("report", "mine.yaml")
    page = (tmp_path / "runs" / "reports" / "mine.default" / "report.html").read_text()
    assert "far=0.1" in page
    assert "far=1" in page
    (tmp_path / "my_losses.py").write_text(LOSS.replace("abs()", "square()"))
    again = distilpose("plan", "mine.yaml")
    assert "6 finished runs were trained by other code of my_losses:far: kept under the old id, and trained again" in (
        again
    )
    assert "6 runs in 3 cohorts, 0 finished" in again
