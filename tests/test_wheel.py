"""The built wheel as a user has it: installed apart from this checkout, beside code and a sweep of their own."""

from pathlib import Path

from installed_wheel import Installed

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


def test_a_sweep_over_a_users_loss_from_plan_to_report(installed_distilpose: Installed, tmp_path: Path) -> None:
    (tmp_path / "experiments" / "constants.py").write_text("POWER = 1\n")
    (tmp_path / "mine.yaml").write_text(SWEEP)
    (tmp_path / "my_losses.py").write_text(LOSS)

    def distilpose(*arguments: str) -> str:
        code, out, error = installed_distilpose(*arguments)
        assert code == 0, (arguments, error, [log.read_text()[-2000:] for log in tmp_path.glob("runs/jobs/*.log")])
        return out + error

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
