"""A part of a sweep by rows and seeds: what is in it, and what is refused."""

from dataclasses import replace
from pathlib import Path

import pytest
from small_sweeps import SMALL, small_plan

from experiments.cli.options import selection_of
from experiments.plan.plan import Plan
from experiments.runs.selection import Selection


def test_an_empty_selection_is_the_whole_plan(plan: Plan) -> None:
    assert Selection().of(plan) is plan
    assert plan.part(Selection()) == plan


def test_a_row_and_a_seed_leave_one_run_and_the_teacher_it_needs(plan: Plan) -> None:
    part = plan.part(Selection(rows=("KT",), seeds=(1,)))
    teacher, run = plan.teachers[0].run_id, plan.rows[1].runs[1].run_id
    assert list(part.runs) == [teacher, run]
    assert [row.name for row in part.rows] == ["KT"]
    assert [cohort.run_ids for cohort in part.cohorts] == [(teacher,), (run,)]
    assert {cohort.cohort_id for cohort in part.cohorts} <= {cohort.cohort_id for cohort in plan.cohorts}
    assert part.baseline is None  # its row is left out


def test_rows_without_a_teacher_neither_have_one_nor_wait_for_it(plan: Plan) -> None:
    part = plan.part(Selection(rows=("none",)))
    assert part.teachers == ()
    assert [cohort.teacher_id for cohort in part.cohorts] == [None, None]
    assert part.baseline == "none"
    assert Selection(rows=("none",)).of(plan.saved()) == part.saved()


def test_patterns_name_several_rows_and_a_name_is_no_pattern(plan: Plan, tmp_path: Path) -> None:
    swept = small_plan(tmp_path, SMALL.replace("baseline: none\n", "") + "axes: {grid: {schedule.lr: [0.1, 0.2]}}\n")
    part = swept.part(selection_of(["none*,KT lr=0.1"], ""))
    assert [row.name for row in part.rows] == ["none lr=0.1", "none lr=0.2", "KT lr=0.1"]
    odd = replace(plan, rows=(replace(plan.rows[0], name="K*"), plan.rows[1]))
    assert [row.name for row in Selection(rows=("K*",)).of(odd).rows] == ["K*"]


def test_a_comma_in_a_name_is_escaped_and_the_option_may_be_repeated() -> None:
    assert selection_of([r"a\,b, c", "d"], "0, 3") == Selection(rows=("a,b", "c", "d"), seeds=(0, 3))


@pytest.mark.parametrize(
    ("rows", "seeds", "said"),
    [
        (["KTT"], "", "--rows: must be rows of the sweep, got 'KTT'; did you mean KT?"),
        ([], "0,7", "--seeds: must be seeds of the rows, 0, 1, got 7"),
        ([], "one", "--seeds: must be whole numbers with commas between them, got 'one'"),
    ],
)
def test_what_is_not_there_is_named(plan: Plan, rows: list[str], seeds: str, said: str) -> None:
    with pytest.raises(ValueError, match="--") as error:
        plan.part(selection_of(rows, seeds))
    assert str(error.value).startswith(said)


def test_rows_that_teach_the_selected_ones_are_kept_with_the_seeds_that_teach(plan: Plan) -> None:
    none, kt = plan.rows
    taught = tuple(replace(run, teacher_id=teacher.run_id) for run, teacher in zip(none.runs, kt.runs, strict=True))
    in_turn = replace(plan.saved(), rows=(replace(none, runs=taught), kt))
    part = Selection(rows=("none",), seeds=(1,)).of(in_turn)
    assert [(row.name, [run.seed for run in row.runs]) for row in part.rows] == [("none", [1]), ("KT", [1])]
    assert part.teachers == plan.teachers


def test_a_run_that_two_rows_share_shows_only_the_selected_one(tmp_path: Path) -> None:
    text = SMALL.replace("baseline: none\n", "") + "axes: {grid: {teacher.seed: [0, 1]}}\n"
    part = small_plan(tmp_path, text).part(Selection(rows=("none seed=1",)))
    assert [row.name for row in part.rows] == ["none seed=1"]
