"""`plan --pull-as`: weights by which losses pull as in another profile."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Said
from small_sweeps import MINI

from experiments.cli.options import Place, plan_sweep, read_profile
from experiments.runs.store import Store

OWN = "def limbs(keypoints, true_keypoints):\n    return (keypoints - true_keypoints).abs().mean()\n"
ON, OFF = 'CS: 1e-2, "own_losses.py:limbs": 0.5', 'CS: 0, "own_losses.py:limbs": 0'
SWEEP = f"""{MINI.replace("CS: 1e-2", ON).replace("CS: 0", OFF)}
profiles:
  small: {{}}
  large: {{base: {{schedule: {{epochs: 4}}}}}}
"""


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    (tmp_path / "own_losses.py").write_text(OWN)
    file = tmp_path / "mini.yaml"
    file.write_text(SWEEP)
    return file


def finish(file: Path, profile: str, runs: Path, **gradients: float) -> None:
    """Every run of a profile, finished, with two looks at its pulls, of which these are the means."""
    plan, store = plan_sweep(read_profile(str(file), profile), Place(data=None, runs=runs)), Store(runs)
    plan.keep_parts(store)
    store.save_plan(plan.saved())
    for run_id, planned in plan.runs.items():
        run = store.run(run_id)
        run.write_spec(planned.spec)
        with run.journal() as journal:
            for step, times in ((1, 0.5), (2, 1.5)):
                values = {f"pull/{name}_gradient": times * value for name, value in gradients.items()}
                journal.metrics(step, values, epoch=step)
        run.write_result({"metrics": {"AP": 0.25}})


def test_weights_are_suggested_by_which_each_loss_pulls_as_there(
    distilpose: Callable[..., Said], sweep: Path, tmp_path: Path
) -> None:
    runs = tmp_path / "runs"
    finish(sweep, "large", runs, reg=2.0, KT=1.0, limbs=4.0)
    finish(sweep, "small", runs, reg=4.0, KT=0.5, limbs=4.0, SH=1.0)  # SH was not seen there
    code, out, error = distilpose("plan", sweep, "--runs", runs, "--pull-as", "large", "--json")
    assert code == 0, error
    found = {one["loss"]: one for one in json.loads(out)["weights"]}
    assert found.keys() == {"KT", "limbs"}
    assert found["KT"] == {
        "row": "all", "loss": "KT", "here": 0.125, "there": 0.5, "weight": 5e-4, "suggested": pytest.approx(2e-3),
    }  # fmt: skip
    assert found["limbs"]["suggested"] == pytest.approx(1.0)
    code, out, _ = distilpose("plan", sweep, "--runs", runs, "--pull-as", "mini.large")
    assert code == 0
    assert ["all", "KT", "0.125", "0.5", "0.0005", "0.002"] in [line.split() for line in out.splitlines()]


def test_runs_that_are_not_finished_pull_nothing(distilpose: Callable[..., Said], sweep: Path, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    code, _, error = distilpose("plan", sweep, "--runs", runs, "--pull-as", "large")
    assert code == 2
    assert "no plan of mini (large)" in error
    finish(sweep, "large", runs, reg=2.0, KT=1.0)
    code, _, error = distilpose("plan", sweep, "--runs", runs, "--pull-as", "large")
    assert code == 2
    assert "--pull-as large: needs finished runs, there and here, of a row with reg and another loss" in error
