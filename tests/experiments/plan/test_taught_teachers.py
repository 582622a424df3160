"""A teacher with losses of its own teaches by what its head gives."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import Said
from safetensors.torch import load_file

SWEEP = """\
sweep: taught
title: A teacher of another head
table: rows
base:
  student: {model: distilpose_s, width: 4, dim: 16, depth: 1, heads: 2, patch: [4, 4], head: simcc}
  teacher: {model: tokenpose_s, width: 4, dim: 16, depth: 1, heads: 2, patch: [4, 4], head: simcc, losses: {SimCC: 1}}
  losses: {SimCC: 1}
  input_size: [64, 64]
  data: {synthetic: {train: 8, val: 4}}
  augmentation: {}
  schedule: {epochs: 1, batch_size: 8, warmup_steps: 0, milestones: [], eval_every: 1}
  evaluation: {best_by: PCK@0.2}
rows:
  - {row: SimCC}
  - {row: DWPose, set: {losses: {DWPose: 1}}}
"""


def assert_refused(distilpose: Callable[..., Said], folder: Path, sweep: str, old: str, new: str, told: str) -> None:
    """That the sweep with this change is refused in these words."""
    assert old in sweep
    (folder / "taught.yaml").write_text(sweep.replace(old, new))
    code, out, error = distilpose("plan", folder / "taught.yaml", "--runs", folder / "runs")
    assert (code, told in error) == (2, True), error + out


def begun(runs: Path) -> tuple[dict[str, dict[str, Any]], dict[str | None, str]]:
    """What every run is, by its id; and the ids of one seed by row."""
    specs = {file.parent.name: json.loads(file.read_text()) for file in runs.glob("*/run.json")}
    return specs, {spec["row"]: run_id for run_id, spec in specs.items()}


def assert_trunk_kept(runs: Path, one: str, other: str) -> None:
    """That a run's weights are another's to the bit, and its head's alone are not."""
    files = (runs / run_id / "checkpoints" / "weights.safetensors" for run_id in (one, other))
    ours, theirs = map(load_file, files)
    assert {name for name, value in ours.items() if name in theirs and torch.equal(value, theirs[name])} == {
        name for name in ours if not name.startswith("head.")
    }


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (", losses: {SimCC: 1}}", "}", "teacher.head: must be heatmap, for a teacher without losses learns heatmaps"),
        (
            "head: simcc, losses: {SimCC: 1}}",
            "head: simcc, losses: {reg: 1}}",
            "teacher.losses.reg: asks for keypoints",
        ),
        ("{SimCC: 1}}", "{SimCC: 1, DWPose: 1}}", "teacher.losses.DWPose: needs a teacher, and a teacher has none"),
        ("{SimCC: 1}}", "{SimCCs: 1}}", "taught.yaml:6:117: teacher.losses.SimCCs: "),
        ("losses: {DWPose: 1}", "losses: {FPD: 1}", "losses.FPD: asks for "),
    ],
)
def test_what_is_wrong_with_its_losses_is_told(
    distilpose: Callable[..., Said], tmp_path: Path, old: str, new: str, told: str
) -> None:
    assert_refused(distilpose, tmp_path, SWEEP, old, new, told)


IN_TURN = SWEEP.replace(
    "  - {row: DWPose, set: {losses: {DWPose: 1}}}\n",
    """\
  - {row: DWPose, set: {losses: {DWPose: 1, AM: 1}}}
  - row: second stage
    set: {teacher: {row: DWPose}, student: {init: teacher_trunk, train: head}, losses: {SimCC: 0, DWPose: 1}}
  - row: again
    set: {teacher: {row: SimCC}, losses: {DWPose: 1}}
seeds: [0, 1]
""",
)


def test_a_teacher_with_losses_teaches_a_row_that_teaches_another(
    distilpose: Callable[..., Said], tmp_path: Path
) -> None:
    (tmp_path / "taught.yaml").write_text(IN_TURN.partition("  - row: again")[0] + "seeds: [1]\n")
    runs = tmp_path / "runs"
    code, out, error = distilpose("launch", tmp_path / "taught.yaml", "--runs", runs, "--track", "none", "--on", "here")
    assert code == 0, error + out
    specs, ids = begun(runs)
    taught = {spec["row"]: spec["teacher_id"] for spec in specs.values()}
    assert taught == {None: None, "SimCC": None, "DWPose": ids[None], "second stage": ids["DWPose"]}
    journal = (runs / ids["DWPose"] / "journal.jsonl").read_text()
    assert "train/loss_DWPose" in journal
    assert "train/loss_AM" in journal
    assert_trunk_kept(runs, ids["second stage"], ids["DWPose"])
    code, out, error = distilpose("report", tmp_path / "taught.yaml", "--runs", runs)
    assert code == 0, error


def test_a_row_teaches_by_its_run_of_the_same_seed_and_in_another_process(
    distilpose: Callable[..., Said], tmp_path: Path
) -> None:
    (tmp_path / "taught.yaml").write_text(IN_TURN)
    code, out, error = distilpose("plan", tmp_path / "taught.yaml", "--runs", tmp_path / "runs", "--json")
    assert code == 0, error
    plan = json.loads(out)
    ids = {(row["name"], run["seed"]): run["run_id"] for row in plan["rows"] for run in row["runs"]}
    cohorts = [(cohort["teacher_id"], set(cohort["run_ids"])) for cohort in plan["cohorts"]]
    for seed in (0, 1):
        assert (ids["SimCC", seed], {ids["again", seed]}) in cohorts
        assert (ids["DWPose", seed], {ids["second stage", seed]}) in cohorts


def test_no_cohort_waits_for_one_that_waits_for_it(distilpose: Callable[..., Said], tmp_path: Path) -> None:
    of_rows = SWEEP.replace(
        "  - {row: DWPose, set: {losses: {DWPose: 1}}}\n",
        """\
  - {row: second, set: {teacher: {row: SimCC}, losses: {DWPose: 1}}}
  - {row: third, set: {teacher: {row: second}, losses: {DWPose: 1}}}
""",
    )
    (tmp_path / "taught.yaml").write_text(of_rows)
    code, out, error = distilpose("plan", tmp_path / "taught.yaml", "--runs", tmp_path / "runs", "--json")
    assert code == 0, error
    left, trained = json.loads(out)["cohorts"], {None}
    while ready := [cohort for cohort in left if cohort["teacher_id"] in trained]:
        trained |= {run_id for cohort in ready for run_id in cohort["run_ids"]}
        left = [cohort for cohort in left if cohort not in ready]
    assert left == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "{row: DWPose},",
            "{row: DWPoses},",
            "teacher.row: must be one of the rows, got 'DWPoses'; did you mean DWPose",
        ),
        ("{row: DWPose},", "{row: second stage},", "teacher.row: must not wait for this row itself"),
        ("{row: DWPose},", "{row: DWPose, recipe: 3},", "teacher.recipe: no such field"),
        ("{row: DWPose},", "{row: DWPose, width: 3},", "teacher.width: no such field"),
        ("init: teacher_trunk, ", "", "student.train: needs a trunk that was trained, start or init: teacher_trunk"),
        ("init: teacher_trunk, ", "dim: 8, init: teacher_trunk, ", "student.dim: must be the teacher's 16"),
        ("losses: {SimCC: 0, DWPose: 1}", "losses: {SimCC: 0, FPD: 1}", "losses.FPD: asks for "),
        ("train: head}", "train: head}, input_size: [32, 64]", "teacher.row: must see crops of the row's own size"),
    ],
)
def test_what_is_wrong_with_a_row_that_teaches_is_told(
    distilpose: Callable[..., Said], tmp_path: Path, old: str, new: str, told: str
) -> None:
    assert_refused(distilpose, tmp_path, IN_TURN, old, new, told)
