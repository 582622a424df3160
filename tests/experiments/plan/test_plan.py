import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_sweeps import CIRCLING, FACTS, SMALL, facts, small_plan

from experiments.build.facts import DataFacts
from experiments.plan.plan import Plan, PlannedRun, make_plan
from experiments.sweep.choices import DataChoice, EvaluationChoice
from experiments.sweep.sweep_file import SWEEPS, read_sweep


def _ids(plan: Plan) -> set[str]:
    return set(plan.runs)


def test_a_renamed_sweep_row_or_title_wants_the_same_runs(tmp_path: Path, plan: Plan) -> None:
    renamed = SMALL.replace("sweep: small", "sweep: other").replace("row: KT", "row: tokens").replace("A small", "Any")
    assert _ids(small_plan(tmp_path, renamed)) == _ids(plan)


NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,9}", fullmatch=True)


@settings(max_examples=25, deadline=None)
@given(
    names=st.lists(NAMES, min_size=3, max_size=3, unique=True),
    seeds=st.lists(st.integers(0, 999), min_size=1, max_size=4, unique=True),
    limit=st.none() | st.integers(1, 5),
)
def test_whatever_things_are_called_every_cell_is_one_run_in_one_cohort(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], seeds: list[int], limit: int | None
) -> None:
    folder = tmp_path_factory.mktemp("cells")
    text = SMALL.replace("seeds: [0, 1]", f"seeds: {seeds}")
    sweep, none, tokens = (f"n{name}" for name in names)  # no word that YAML takes for something else
    renamed = text.replace("sweep: small", f"sweep: {sweep}").replace("baseline: none", f"baseline: {none}")
    renamed = renamed.replace("row: none", f"row: {none}").replace("row: KT", f"row: {tokens}")
    plan, other = small_plan(folder, text, max_cohort=limit), small_plan(folder, renamed, max_cohort=limit)
    assert [run.run_id for row in other.rows for run in row.runs] == [
        run.run_id for row in plan.rows for run in row.runs
    ]
    assert other.cohorts == plan.cohorts
    cells = [(row.name, run.seed) for row in plan.rows for run in row.runs]
    assert cells == [(row, seed) for row in ("none", "KT") for seed in seeds]
    assert len(plan.runs) == len(cells) + 1
    assert sorted(run_id for cohort in plan.cohorts for run_id in cohort.run_ids) == sorted(plan.runs)


def test_a_row_that_uses_no_teacher_has_none_in_its_identity(tmp_path: Path, plan: Plan) -> None:
    none, kt = plan.rows
    assert {plan.runs[run.run_id].teacher_id for run in none.runs} == {None}
    assert {plan.runs[run.run_id].teacher_id for run in kt.runs} == {plan.teachers[0].run_id}
    other = small_plan(
        tmp_path, SMALL.replace("{model: teacher_stemnet, width: 8", "{model: teacher_stemnet, width: 9")
    )
    assert [run.run_id for run in other.rows[0].runs] == [run.run_id for run in none.runs]
    assert not {run.run_id for run in other.rows[1].runs} & _ids(plan)


def test_students_of_every_seed_share_a_teacher(plan: Plan) -> None:
    assert len(plan.teachers) == 1
    teacher = next(iter(plan.runs.values()))
    assert (teacher.run_id, teacher.role, teacher.row) == (plan.teachers[0].run_id, "teacher", None)


def test_rows_that_see_the_same_batches_train_together_and_those_without_a_teacher_join(plan: Plan) -> None:
    teacher, first, second = plan.cohorts
    assert teacher.run_ids == (plan.teachers[0].run_id,)
    for cohort, seed in ((first, 0), (second, 1)):
        assert cohort.run_ids == tuple(row.runs[seed].run_id for row in plan.rows)
        assert cohort.teacher_id == plan.teachers[0].run_id


@pytest.mark.parametrize(
    "change",
    [
        "schedule: {epochs: 3}",
        "augmentation: {flip: 0}",
        "input_size: [96, 128]",
        "precision: bf16",
        "evaluation: {flip_test: false}",
    ],
)
def test_a_row_that_sees_other_batches_trains_apart(tmp_path: Path, change: str) -> None:
    text = SMALL.replace("set: {losses: {KT: 0}}", f"set: {{losses: {{KT: 0}}, {change}}}")
    assert sorted(len(cohort.run_ids) for cohort in small_plan(tmp_path, text).cohorts) == [1, 1, 1, 1, 1]


def teacher_of(plan: Plan) -> PlannedRun:
    """The plan's only teacher."""
    (teacher,) = plan.teachers
    return plan.runs[teacher.run_id]


def test_rows_of_other_optimizers_and_averages_train_together_and_their_teacher_alike(tmp_path: Path) -> None:
    """Each member has an optimizer and an average of its own; a teacher takes what it does not name from its row."""
    ways = "optimizer: {name: adamw, weight_decay: 0.05}, ema: 0.9998, clip_grad_norm: 1"
    text = SMALL.replace("set: {losses: {KT: 0}}", f"set: {{losses: {{KT: 0}}, {ways}}}")
    assert [len(cohort.run_ids) for cohort in small_plan(tmp_path, text).cohorts] == [1, 2, 2]
    base = "  evaluation: {}\n  " + ways.replace(", ema", "\n  ema").replace(", clip", "\n  clip") + "\n"
    text = SMALL.replace("  evaluation: {}\n", base)
    teacher = teacher_of(small_plan(tmp_path, text))
    assert teacher.identity["optimizer"]["weight_decay"] == 0.05
    assert (teacher.identity["ema"], teacher.identity["clip_grad_norm"]) == (0.9998, 1.0)
    own = text.replace("heads: 2}\n  losses", "heads: 2, optimizer: {name: sgd}, ema: null}\n  losses")
    teacher = teacher_of(small_plan(tmp_path, own))
    assert teacher.identity["optimizer"] == {"name": "sgd", "momentum": 0.0, "nesterov": False, "weight_decay": 0.0}
    assert "ema" not in teacher.identity


def test_two_teachers_make_two_cohorts_and_the_row_without_joins_the_first(tmp_path: Path) -> None:
    text = SMALL + "  - {row: KT2, set: {teacher: {seed: 5}}}\n"
    plan = small_plan(tmp_path, text)
    assert len(plan.teachers) == 2
    assert [len(cohort.run_ids) for cohort in plan.cohorts] == [1, 1, 2, 1, 2, 1]


def test_a_run_wanted_by_two_rows_is_one_run(tmp_path: Path, plan: Plan) -> None:
    twice = small_plan(tmp_path, SMALL + "  - {row: again, set: {}}\n")
    assert [run.run_id for run in twice.rows[2].runs] == [run.run_id for run in twice.rows[1].runs]
    assert _ids(twice) == _ids(plan)
    assert twice.cohorts == plan.cohorts


def test_a_bigger_limit_changes_no_run_only_who_trains_with_whom(tmp_path: Path, plan: Plan) -> None:
    split = small_plan(tmp_path, max_cohort=1)
    assert _ids(split) == _ids(plan)
    assert {run_id for cohort in split.cohorts for run_id in cohort.run_ids} == _ids(plan)


def test_the_saved_plan_says_what_reports_need(plan: Plan) -> None:
    saved = json.loads(json.dumps(plan.json()))
    assert saved["rows"][1] == {
        "name": "KT",
        "ticks": {"KT": True},
        "factors": {},
        "paper": {"AP": 67.1},
        "quoted": {},
        "baseline": "none",
        "runs": [
            {"run_id": run.run_id, "seed": run.seed, "teacher_id": plan.teachers[0].run_id, "start_id": None}
            for run in plan.rows[1].runs
        ],
    }
    assert saved["baseline"] == "none"
    assert saved["teachers"] == [{"run_id": plan.teachers[0].run_id, "model": "teacher_stemnet"}]
    assert saved["settings"]["data"] == "data/people (40 + 8 people)"
    assert saved["settings"]["input"] == "48x64"


def test_the_saved_plan_says_which_data_were_read(tmp_path: Path) -> None:
    """By name the folder of `--data`, not the sweep file's; by content the annotation files."""
    named = dataclasses.replace(FACTS, name="elsewhere", annotations=("sha256:1", "sha256:2"))
    file = tmp_path / "small.yaml"
    file.write_text(SMALL)
    saved = make_plan(read_sweep(file).profile(), lambda data, evaluation: named).json()
    assert saved["settings"]["data"] == "elsewhere (40 + 8 people)"
    assert saved["data"] == {FACTS.fingerprint: {"name": "elsewhere", "annotations": ("sha256:1", "sha256:2")}}


def test_missing_data_is_a_problem_of_the_plan_said_once(tmp_path: Path) -> None:
    def missing(data: DataChoice, evaluation: EvaluationChoice) -> DataFacts:
        raise ValueError(f"{data.root}: no such folder")

    file = tmp_path / "small.yaml"
    file.write_text(SMALL)
    plan = make_plan(read_sweep(file).profile(), missing)
    assert plan.problems == ("data/people: no such folder",)
    assert len(plan.runs) == 5


def test_two_shipped_sweeps_share_the_runs_they_both_want() -> None:
    losses = make_plan(read_sweep(SWEEPS / "losses.yaml").profile("paper"), facts)
    matrix = make_plan(read_sweep(SWEEPS / "teacher_student.yaml").profile("paper"), facts)
    shared = _ids(losses) & _ids(matrix)
    by_name = {row.name: row.runs[0].run_id for row in losses.rows}
    assert shared >= {by_name["none"], by_name["all"], losses.teachers[0].run_id}


def test_an_axis_over_teachers_seeds_trains_two_teachers_and_shares_what_uses_none(tmp_path: Path) -> None:
    axes = "axes: {grid: {teacher.seed: [0, 1]}}\n"
    plan = small_plan(tmp_path, SMALL.replace("baseline: none", "baseline: none seed=0") + axes)
    rows = {row.name: row for row in plan.rows}
    assert list(rows) == ["none seed=0", "none seed=1", "KT seed=0", "KT seed=1"]
    assert sorted(plan.runs[teacher.run_id].seed for teacher in plan.teachers) == [0, 1]
    first, second = ({plan.runs[run.run_id].teacher_id for run in rows[f"KT seed={seed}"].runs} for seed in (0, 1))
    assert len(first) == len(second) == 1
    assert first != second
    assert [run.seed for run in rows["KT seed=1"].runs] == [0, 1]  # a student's seeds are its own
    alone = [[run.run_id for run in rows[f"none seed={seed}"].runs] for seed in (0, 1)]
    assert alone[0] == alone[1]


def test_heatmap_models_that_learn_by_themselves_train_together_without_a_teacher(tmp_path: Path) -> None:
    plan = small_plan(tmp_path, CIRCLING)
    assert plan.teachers == ()
    assert [(len(cohort.run_ids), cohort.teacher_id) for cohort in plan.cohorts] == [(3, None)]
    assert plan.json()["rows"][1]["ticks"] == {"KT": True, "VT": True}


def test_the_loss_ablation_is_eight_rows_in_one_cohort_per_seed() -> None:
    plan = make_plan(read_sweep(SWEEPS / "losses.yaml").profile("tiny"), facts)
    assert [len(cohort.run_ids) for cohort in plan.cohorts] == [1, 8, 8]
    assert FACTS.train_people == 40


def test_each_rows_first_seed_comes_first_and_the_baseline_first_of_all(tmp_path: Path) -> None:
    other = "  - {row: none, set: {losses: {KT: 0}, schedule: {epochs: 3}}, paper: {AP: 56.0}}\n"
    rows = SMALL.replace("  - {row: none, set: {losses: {KT: 0}}, paper: {AP: 56.0}}\n", "") + other
    plan = small_plan(tmp_path, rows)
    turns = [(plan.runs[one.run_ids[0]].row, plan.runs[one.run_ids[0]].seed) for one in plan.cohorts]
    assert turns == [(None, 0), ("none", 0), ("KT", 0), ("none", 1), ("KT", 1)]


def test_the_ids_of_the_loss_ablation_stay_what_they_are() -> None:
    """Finished runs are found by these. A raised version of code changes them, and nothing else may."""
    plan = make_plan(read_sweep(SWEEPS / "losses.yaml").profile("tiny"), facts)
    assert [teacher.run_id for teacher in plan.teachers] == ["82ee1173bbcc"]
    assert {row.name: row.runs[0].run_id for row in plan.rows} == {
        "none": "7b7836e0efa7",
        "CS": "6d8c4320b3e9",
        "SH": "a4278c7d34d4",
        "CS+SH": "9196bc127260",
        "KT": "eb8840c53c10",
        "VT": "426fb85beae6",
        "KT+VT": "001526c5f3b5",
        "all": "07814a7f0e75",
    }
