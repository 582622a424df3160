"""Numbers read from run directories: what counts, what is missing, and what is never left out silently."""

import json
from dataclasses import asdict, replace
from typing import Any

import pytest
from made_up_store import EPOCHS, against, begin_run, run_name, with_rows, write_run

from distilpose.evaluation.metrics import METRICS
from experiments.runs.journal import journal_mark
from experiments.runs.saved_plan import SavedPlan, SavedRun
from experiments.runs.store import Store
from reports.formats.gallery import Gallery
from reports.numbers.sweep import SweepNumbers, aggregate
from reports.read.reader import metric_scale
from reports.sections.curves import curves, row_curves
from reports.sections.errors import joints
from reports.sections.paper import agreement, paper
from reports.sections.pictures import pictures, views
from reports.sections.provenance import Counted, counted, provenance_facts
from reports.sections.settings import computing_time

Sweep = tuple[Store, SavedPlan]


def rows(numbers: SweepNumbers) -> dict[str, Any]:
    return {row.name: row for row in numbers.rows}


def with_another_run(plan: SavedPlan) -> SavedPlan:
    """The plan with a ninth seed of its first row."""
    first = plan.rows[0]
    more = (*first.runs, SavedRun(run_id="feed00000000", seed=9))
    return replace(plan, rows=(replace(first, runs=more), *plan.rows[1:]))


def facts_of(sweep: Sweep) -> dict[str, Counted]:
    return {fact.name: fact for fact in provenance_facts(aggregate(*sweep))}


def test_accuracies_are_in_points_and_other_metrics_as_written() -> None:
    shares = [name for name, metric in METRICS.items() if metric.is_share]
    shares += ["val/AP", "PCKh@0.5.head", "AP-parts.left_hand on other set", "PCK(by=torso)"]
    assert {metric_scale(name) for name in shares} == {100.0}
    assert {metric_scale(name) for name in ("train/loss", "EPE", "epe.head", "PCKs")} == {1.0}


def test_a_row_carries_mean_spread_and_the_value_of_every_seed(complete_numbers: SweepNumbers) -> None:
    found = rows(complete_numbers)["all"].measured["AP"]
    assert found.n == 3
    assert found.mean == pytest.approx(sum(found.values.values()) / 3)
    assert found.values[0] == pytest.approx(37.1)


def test_improvements_are_paired_with_the_baseline_of_the_same_seed(complete_numbers: SweepNumbers) -> None:
    found = rows(complete_numbers)
    for seed, difference in found["KT"].improvement.pairs.items():
        ours, base = found["KT"].measured["AP"].values[seed], found["none"].measured["AP"].values[seed]
        assert difference == pytest.approx(ours - base)
    assert found["none"].improvement is None


def test_the_published_improvement_is_over_the_published_baseline(complete_numbers: SweepNumbers) -> None:
    assert rows(complete_numbers)["all"].paper_improvement == pytest.approx(15.6)


def test_p_values_are_corrected_over_the_rows_of_the_table(complete_numbers: SweepNumbers) -> None:
    tested = [row.improvement for row in complete_numbers.rows if row.improvement and row.improvement.p is not None]
    assert len(tested) >= 6
    least = min(tested, key=lambda found: found.p)
    assert least.p_adjusted == pytest.approx(least.p * len(tested))


def test_runs_without_a_result_are_listed_with_state_and_reason(troubled_numbers: SweepNumbers) -> None:
    found = {(run.row, run.seed): run for run in troubled_numbers.unfinished}
    assert set(found) == {("SH", 2), ("KT", 1), ("VT", 2)}
    assert found["SH", 2].state == "failed"
    assert "the loss is NaN at step 120" in found["SH", 2].reason
    assert "attempt 3" in found["SH", 2].reason
    assert found["KT", 1].state == "interrupted"
    assert "epoch 12 of 30" in found["KT", 1].reason
    assert (found["VT", 2].state, found["VT", 2].reason) == ("missing", "not started")


def test_runs_without_a_result_count_in_no_mean(troubled_numbers: SweepNumbers) -> None:
    found = rows(troubled_numbers)
    assert set(found["SH"].measured["AP"].values) == {0, 1}
    assert set(found["KT"].improvement.pairs) == {0, 2}
    assert len(found["KT"].runs) == 3


def test_a_sweep_that_has_not_begun_has_rows_and_no_numbers(empty_numbers: SweepNumbers) -> None:
    assert [row.measured for row in empty_numbers.rows] == [{}] * 8
    assert len(empty_numbers.unfinished) == 17
    assert agreement(empty_numbers) is None
    assert computing_time(empty_numbers) == ""


def test_a_run_that_two_rows_share_counts_once_among_the_runs(own_store: Sweep) -> None:
    store, plan = own_store
    plan = with_rows(plan, lambda _, row: replace(row, runs=plan.rows[0].runs))
    numbers = aggregate(store, plan)
    assert len(numbers.runs) == 3
    assert numbers.rows[1].measured["AP"].n == 2


def test_a_lost_baseline_seed_leaves_the_other_pairs(own_store: Sweep) -> None:
    store, plan = own_store
    (store.root / run_name(0, 1) / "result.json").unlink()
    improvement = aggregate(store, plan).rows[1].improvement
    assert improvement is not None
    assert set(improvement.pairs) == {0}
    assert improvement.std is None


def test_a_sweep_without_baseline_has_no_improvements(own_store: Sweep) -> None:
    store, plan = own_store
    plan = against(plan, None)
    assert all(row.improvement is None and row.paper_improvement is None for row in aggregate(store, plan).rows)


def test_curves_are_of_finished_runs_and_in_shown_units(troubled_numbers: SweepNumbers) -> None:
    curve = row_curves(rows(troubled_numbers)["KT"], troubled_numbers)["val/AP"]
    assert curve.epochs == (5.0, 10.0, 15.0, 20.0, 25.0, 30.0)
    assert curve.mean[-1] == pytest.approx(rows(troubled_numbers)["KT"].measured["AP"].mean)


def test_computing_time_is_that_of_all_runs(complete_numbers: SweepNumbers) -> None:
    # Eight rows of three seeds, and the teacher.
    assert computing_time(complete_numbers) == "50 min"


def test_each_view_of_people_is_a_grid_of_its_own(complete_numbers: SweepNumbers) -> None:
    sections = [pictures(complete_numbers), views(complete_numbers)]
    assert [[block.name for block in section.blocks] for section in sections if section] == [
        ["skeleton"], ["attention-left-wrist"],
    ]  # fmt: skip
    (grid,) = sections[0].blocks if sections[0] else ()
    assert isinstance(grid, Gallery)
    assert [(one.row, one.epoch) for one in grid.pictures] == [
        ("teacher", EPOCHS), *((row.name, EPOCHS) for row in complete_numbers.rows),
    ]  # fmt: skip


def test_a_picture_outside_the_run_directory_is_not_read(own_store: Sweep) -> None:
    store, plan = own_store
    secret = store.root / "secret.png"
    secret.write_bytes(b"secret")
    journal = store.root / run_name(0, 0) / "journal.jsonl"
    line = {"t": 0, "event": "picture", "step": 900, "epoch": 99, "kind": "people"}
    line |= {"path": "../secret.png", "caption": ""}
    journal.write_text(journal.read_text().rpartition("\n")[0] + "\n" + json.dumps(line) + "\n")
    numbers = aggregate(store, plan)
    found = numbers.reader.details(numbers.rows[0].runs[0]).people
    assert found is not None
    assert found.path.name == "people.png"


def test_provenance_on_which_runs_disagree_shows_every_value(own_store: Sweep) -> None:
    store, plan = own_store
    path = store.root / run_name(1, 1) / "result.json"
    result = json.loads(path.read_text())
    result["provenance"]["commit"] = "another"
    path.write_text(json.dumps(result))
    facts = facts_of((store, plan))
    assert facts["commit"].differs
    assert facts["commit"].values == (("c0ffee0123456789", 4), ("another", 1))
    assert facts["packages torch"].values == (("2.15.0", 5),)
    assert not facts["packages torch"].differs
    assert facts["uncommitted changes"].values == (("no", 5),)


def test_a_run_that_somebody_holds_is_running(own_store: Sweep) -> None:
    store, plan = own_store
    begin_run(store.root, "feed00000000", role="student", row="none", seed=9, ap=0.2, epochs=6)
    plan = with_another_run(plan)
    lease = store.run("feed00000000").claim()
    assert lease is not None
    (found,) = aggregate(store, plan).unfinished
    assert (found.state, found.reason) == ("running", "at epoch 6 of 30, still running")
    assert found.last["AP"] == pytest.approx(100 * store.run(found.run_id).progress().values["val/AP"])
    assert found.metrics == {}
    lease.release()


def test_facts_name_files_and_not_where_they_lay() -> None:
    facts = counted([{"command": "run.py /home/me/runs/jobs/a.json", "host": "mine", "cores": 2}])
    assert {fact.name: fact.values for fact in facts} == {"command": (("run.py a.json", 1),), "cores": (("2", 1),)}


def test_every_process_may_have_its_own_command(own_store: Sweep) -> None:
    store, plan = own_store
    path = store.root / run_name(1, 1) / "result.json"
    result = json.loads(path.read_text())
    result["provenance"]["command"] = "run other.json"
    path.write_text(json.dumps(result))
    command = facts_of((store, plan))["command"]
    assert len(command.values) == 2
    assert not command.differs


def test_the_teacher_is_told_with_its_metrics(complete_numbers: SweepNumbers) -> None:
    (teacher,) = complete_numbers.teachers
    assert (teacher.row, teacher.role) == ("teacher_stemnet", "teacher")
    assert teacher.metrics["AP"] == pytest.approx(47.2)


def test_a_result_without_the_metric_is_a_gap_and_not_an_error(own_store: Sweep) -> None:
    store, plan = own_store
    numbers = aggregate(store, replace(plan, metric="APM"))
    assert "APM" not in numbers.rows[0].measured
    assert numbers.rows[1].improvement is None


def test_settings_of_a_sweep_without_published_numbers_are_not_compared(own_store: Sweep) -> None:
    store, plan = own_store
    assert paper(aggregate(store, with_rows(plan, lambda _, row: replace(row, paper={})))) is None


def test_a_new_run_shows_without_touching_the_plan(own_store: Sweep) -> None:
    store, plan = own_store
    plan = with_another_run(plan)
    assert aggregate(store, plan).rows[0].measured["AP"].n == 2
    write_run(store.root, "feed00000000", role="student", row="none", seed=9, ap=0.2)
    assert aggregate(store, plan).rows[0].measured["AP"].n == 3


def test_a_report_names_the_curves_and_diagnoses_that_it_left_out(own_store: Sweep) -> None:
    store, plan = own_store
    cut, torn = store.root / run_name(0, 1), store.root / run_name(1, 0)
    mark = journal_mark(cut / "journal.jsonl")
    assert mark is not None
    result = json.loads((cut / "result.json").read_text())
    (cut / "result.json").write_text(json.dumps({**result, "journal": asdict(mark)}))
    (cut / "journal.jsonl").write_text((cut / "journal.jsonl").read_text()[:500])
    (torn / "diagnosis.json").write_text("{")
    numbers = aggregate(store, plan)
    drawn, spread = curves(numbers), joints(numbers)
    assert drawn is not None
    assert "Left out, with their pictures: the curves of “none”, seed 1 (journal shorter than its" in drawn.text[0]
    assert spread is not None
    assert spread.text[-1] == "Left out: the errors of “all”, seed 0 (its diagnosis.json is damaged)."
    assert str(store.root) not in " ".join((*drawn.text, *spread.text))
