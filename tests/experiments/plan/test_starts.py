"""A row may begin with the trunk that another row trained."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Said
from test_taught_teachers import assert_refused, assert_trunk_kept, begun

SWEEP = """\
sweep: started
title: A warm start for every row
table: rows
baseline: none
base:
  student: {model: distilpose_s, width: 4, dim: 16, depth: 1, heads: 2, patch: [4, 4]}
  teacher: {model: tokenpose_s, width: 4, dim: 16, depth: 1, heads: 2, patch: [4, 4]}
  start: {row: heatmaps}
  losses: {reg: 1}
  input_size: [64, 64]
  data: {synthetic: {train: 8, val: 4}}
  augmentation: {}
  schedule: {epochs: 1, batch_size: 8, warmup_steps: 0, milestones: [], eval_every: 1}
  evaluation: {best_by: PCK@0.2}
rows:
  - {row: none}
  - {row: KT, set: {losses: {KT: 1}}}
  - {row: head alone, set: {student: {train: head}}}
  - {row: heatmaps, set: {start: null, student: {head: heatmap}, losses: {reg: 0, heatmap: 1}}}
seeds: [0, 1]
"""


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    (tmp_path / "started.yaml").write_text(SWEEP)
    return tmp_path / "started.yaml"


def test_rows_begin_with_the_trunk_of_the_same_seed(distilpose: Callable[..., Said], sweep: Path) -> None:
    runs = sweep.parent / "runs"
    said = ("launch", sweep, "--runs", runs, "--track", "none", "--on", "here", "--rows", "none,KT,head alone")
    code, out, error = distilpose(*said, "--seeds", "1")
    assert code == 0, error + out
    specs, ids = begun(runs)
    starts = {spec["row"]: spec["identity"].get("start") for spec in specs.values()}
    warm = ids["heatmaps"]
    assert starts == {None: None, "heatmaps": None, "none": warm, "KT": warm, "head alone": warm}
    assert {spec["seed"] for spec in specs.values() if spec["row"]} == {1}
    assert_trunk_kept(runs, ids["head alone"], warm)
    code, out, error = distilpose("replay", ids["none"], "--runs", runs)
    assert code == 0, error + out


def test_what_begins_with_a_run_waits_for_it(distilpose: Callable[..., Said], sweep: Path) -> None:
    code, out, error = distilpose("plan", sweep, "--runs", sweep.parent / "runs", "--json")
    assert code == 0, error
    plan = json.loads(out)
    rows = {row["name"]: [run["run_id"] for run in row["runs"]] for row in plan["rows"]}
    cohorts = [set(cohort["run_ids"]) for cohort in plan["cohorts"]]
    for seed in (0, 1):
        assert {rows["heatmaps"][seed]} in cohorts
        assert {rows[name][seed] for name in ("none", "KT", "head alone")} in cohorts
    assert [run["start_id"] for row in plan["rows"] if row["name"] == "KT" for run in row["runs"]] == rows["heatmaps"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("{row: heatmaps}", "{row: heat}", "start.row: must be one of the rows, got 'heat'; did you mean heatmaps"),
        ("start: null, ", "", "start.row: must not wait for this row itself, got 'heatmaps' (row 'heatmaps')"),
        ("{train: head}", "{dim: 8}", "student.dim: must be the start's 16 to start from its trunk, got 8"),
        ("{train: head}", "{init: imagenet}", "student.init: "),
        ("{train: head}", "{train: head}, start: null", "student.train: needs a trunk that was trained"),
        ("start: null, ", "start: null, input_size: [32, 64], ", "start.row: must see crops of the row's own size"),
        ("{row: heatmaps}", "{row: heatmaps, seed: 1}", "start.seed: no such field"),
    ],
)
def test_what_is_wrong_with_a_start_is_told(
    distilpose: Callable[..., Said], tmp_path: Path, old: str, new: str, told: str
) -> None:
    assert SWEEP.count(old) == 1
    assert_refused(distilpose, tmp_path, SWEEP, old, new, told)
