from dataclasses import replace

import pytest
from small_sweeps import SMALL, small_plan

from experiments.plan.estimate import CPU_CORE_GMACS, estimate, planned_steps
from experiments.plan.plan import Plan
from experiments.runs.store import Store


def finish(store: Store, plan: Plan, run_id: str, *, seconds: float) -> None:
    steps = planned_steps(plan.runs[run_id])
    store.run(run_id).write_spec(plan.runs[run_id].spec)
    store.run(run_id).write_result({"metrics": {}, "seconds": seconds, "steps": steps, "provenance": {"device": "cpu"}})


def test_steps_are_epochs_times_batches_the_last_of_which_may_be_dropped(tmp_path, plan: Plan) -> None:
    run = next(iter(plan.runs.values()))
    assert planned_steps(run) == 2 * (40 // 4)
    assert planned_steps(replace(run, people=41)) == 2 * (40 // 4 + 1)
    dropping = small_plan(tmp_path, SMALL.replace("batch_size: 4", "batch_size: 4, drop_last: true"))
    assert planned_steps(replace(next(iter(dropping.runs.values())), people=41)) == 2 * (40 // 4)
    assert planned_steps(replace(run, people=3)) == 2
    assert planned_steps(run) == 20


def test_without_a_measurement_cost_follows_multiply_adds(tmp_path, store: Store) -> None:
    small = small_plan(tmp_path)
    large = small_plan(tmp_path, SMALL.replace("batch_size: 4", "batch_size: 8"))
    a, b = (next(iter(estimate(plan, store).runs.values())) for plan in (small, large))
    assert b.steps == a.steps // 2
    assert b.seconds == a.seconds > 0
    assert f"{CPU_CORE_GMACS:.0f} GMAC/s, one CPU core" in a.basis


def test_a_finished_run_of_the_kind_tells_what_a_step_takes(plan: Plan, store: Store) -> None:
    before = estimate(plan, store)
    row = next(row for row in plan.rows if row.name == "KT")
    first, second = (run.run_id for run in row.runs)
    finish(store, plan, first, seconds=60.0)
    after = estimate(plan, store)
    assert after.runs[second].seconds == 60.0
    assert after.runs[second].basis == "steps measured on cpu before"
    assert after.runs[plan.teachers[0].run_id] == before.runs[plan.teachers[0].run_id]


def test_what_is_done_costs_nothing_more(plan: Plan, store: Store) -> None:
    for run_id in plan.runs:
        finish(store, plan, run_id, seconds=10.0)
    assert estimate(plan, store).left_seconds == 0


def test_half_a_run_costs_half(plan: Plan, store: Store) -> None:
    whole = estimate(plan, store)
    teacher = plan.teachers[0].run_id
    with store.run(teacher).journal() as journal:
        journal.start(attempt=1, step=0, total_steps=20)
        journal.metrics(10, {"train/loss": 1.0}, epoch=1)
    left = estimate(plan, store).left_seconds
    assert abs(whole.left_seconds - left - whole.runs[teacher].seconds / 2) < 1e-9


@pytest.mark.parametrize("recipe", [{"from": "another version"}, None])
def test_a_run_of_another_sweep_that_cannot_be_read_tells_nothing(
    plan: Plan, store: Store, recipe: dict[str, str] | None
) -> None:
    before = estimate(plan, store)
    store.run("0123456789ab").write_spec({} if recipe is None else {"recipe": recipe})
    store.run("0123456789ab").write_result({"metrics": {}, "seconds": 1.0, "steps": 1, "provenance": {"device": "cpu"}})
    assert estimate(plan, store) == before
