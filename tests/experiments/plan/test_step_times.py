"""Steps measured by themselves, and what a plan makes of them."""

from experiments.plan.estimate import estimate, planned_steps
from experiments.plan.plan import Plan
from experiments.plan.step_times import StepTime, keep_step_times, read_step_times, step_kind
from experiments.runs.store import Store


def test_measured_steps_are_kept_beside_earlier_ones(store: Store) -> None:
    assert read_step_times(store) == {}
    one, two = (StepTime(seconds=seconds, device="gpu", how="with 8 random crops") for seconds in (1.0, 2.0))
    keep_step_times(store, {"a": one, "b": one})
    keep_step_times(store, {"b": two})
    assert read_step_times(store) == {"a": one, "b": two}


def test_a_plan_tells_its_hours_from_measured_steps(plan: Plan, store: Store) -> None:
    run = plan.runs[plan.rows[1].runs[0].run_id]
    guessed = estimate(plan, store).runs[run.run_id]
    time = StepTime(seconds=7.5, device="H200", how="with 8 random crops for 32")
    keep_step_times(store, {step_kind(run.recipe): time})
    told = estimate(plan, store).runs[run.run_id]
    assert told.seconds == 7.5 * planned_steps(run) != guessed.seconds
    assert told.basis == "steps measured on H200, with 8 random crops for 32, before"
    teacher = plan.teachers[0].run_id
    assert "multiply-adds" in estimate(plan, store).runs[teacher].basis
