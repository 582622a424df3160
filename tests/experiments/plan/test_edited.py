"""A sweep file that was edited after its launch, as the report takes it: without its data, without a launch."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from small_sweeps import SMALL, small_plan

from experiments.plan.edited import as_edited
from experiments.runs.saved_plan import SavedPlan, SavedRun, TableChoices
from experiments.runs.store import Store
from experiments.sweep.sweep_file import Sweep, read_sweep

Edited = Callable[[str], tuple[SavedPlan, str]]


def sweep_of(folder: Path, text: str) -> Sweep:
    """The one profile of a sweep given as text."""
    file = folder / "edited.yaml"
    file.write_text(text)
    return read_sweep(file, source="small.yaml").profile()


@pytest.fixture
def launched(tmp_path: Path) -> tuple[Store, SavedPlan]:
    """The small sweep, every run of it begun."""
    store, plan = Store(tmp_path / "runs"), small_plan(tmp_path)
    for run_id, planned in plan.runs.items():
        store.run(run_id).write_spec(planned.spec)
    return store, plan.saved()


@pytest.fixture
def edited(launched: tuple[Store, SavedPlan], tmp_path: Path) -> Edited:
    """What becomes of the launched sweep by another text of its file."""
    store, saved = launched
    return lambda text: as_edited(saved, sweep_of(tmp_path, text), store)


def test_an_unchanged_file_changes_nothing(edited: Edited, launched: tuple[Store, SavedPlan]) -> None:
    assert edited(SMALL) == (launched[1], "")


def test_a_renamed_row_with_another_paper_column_keeps_its_runs(
    edited: Edited, launched: tuple[Store, SavedPlan]
) -> None:
    plan, said = edited(SMALL.replace("{row: KT, paper: {AP: 67.1}}", "{row: tokens, paper: {AP: 67.5}}"))
    assert said == "small.yaml was edited since the launch: the report is as it is now"
    assert [(row.name, row.paper) for row in plan.rows] == [("none", {"AP": 56.0}), ("tokens", {"AP": 67.5})]
    assert [row.runs for row in plan.rows] == [row.runs for row in launched[1].rows]


def test_a_row_that_was_taken_out_is_left_out(edited: Edited) -> None:
    plan, _ = edited(SMALL.replace("  - {row: KT, paper: {AP: 67.1}}\n", ""))
    assert [row.name for row in plan.rows] == ["none"]


def test_a_row_that_was_never_trained_leaves_the_launch_as_it_was(
    edited: Edited, launched: tuple[Store, SavedPlan]
) -> None:
    plan, said = edited(SMALL + "  - {row: strong, set: {losses: {KT: 1}}}\n")
    assert plan == launched[1]
    assert "row 'strong' was never trained" in said


def test_seeds_beyond_the_files_own_stay(launched: tuple[Store, SavedPlan], tmp_path: Path) -> None:
    store, saved = launched
    more = replace(saved.rows[1], runs=(*saved.rows[1].runs, SavedRun(run_id="feed00000000", seed=9)))
    grown = replace(saved, rows=(saved.rows[0], more))
    plan, _ = as_edited(grown, sweep_of(tmp_path, SMALL.replace("row: KT", "row: tokens")), store)
    assert [run.seed for run in plan.rows[1].runs] == [0, 1, 9]


def test_the_choices_of_a_table_are_read_and_are_no_part_of_a_run(
    edited: Edited, launched: tuple[Store, SavedPlan]
) -> None:
    chosen = "report: {columns: [AP], rows: [KT], digits: 2, spread: no, best: no, label: tab:a}\n"
    plan, _ = edited(SMALL + chosen)
    assert plan.report == TableChoices(columns=("AP",), rows=("KT",), digits=2, spread="no", best="no", label="tab:a")
    assert plan.run_names == launched[1].run_names
    assert "report" not in launched[1].json()
    assert SavedPlan.from_json(plan.json()) == plan
