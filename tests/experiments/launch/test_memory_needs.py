"""What a plan says of GPU memory, before and after its like has run."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import shown
from small_sweeps import CIRCLING, SMALL, small_plan

from distilpose.models import build_model, measure_memory, process_bytes
from experiments.launch.memory_needs import MEASURED, PREDICTED, MemoryNeed, memory_needs
from experiments.launch.packing import GPU_CONTEXT
from experiments.plan.estimate import Costs, estimate
from experiments.plan.model_costs import ModelCosts
from experiments.plan.plan import Plan, PlannedRun
from experiments.runs.store import Store
from experiments.sweep.choices import VALIDATION_CROPS
from experiments.terminal.launch_view import plan_tables

GB = 10**9
LARGE = SMALL.replace("width: 8, dim: 16, depth: 1, heads: 2", "depth: 4").replace("batch_size: 4", "batch_size: 64")


@pytest.fixture
def large(tmp_path: Path) -> Plan:
    """The small plan's rows with models that nobody trains on a CPU."""
    return small_plan(tmp_path, LARGE.replace("[48, 64]", "[192, 256]"))


def of_process(plan: Plan, store: Store, cohort: int, **micro_batch: int) -> int:
    found = ModelCosts(store).of_process(plan, plan.cohorts[cohort].run_ids, **micro_batch)
    assert found is not None
    return found


def test_a_small_batch_takes_what_a_validation_of_its_students_takes(plan: Plan, store: Store) -> None:
    size = (48, 64)
    model = build_model("distilpose_s", width=8, dim=16, depth=1, heads=2, input_size=size, score=False, sigma=False)
    held = measure_memory(model, size, people=VALIDATION_CROPS, precision="fp32", trains=False)
    assert held is not None
    assert of_process(plan, store, 1) == process_bytes([held, held], batches=2)
    assert of_process(plan, store, 0) == of_process(plan, store, 0, micro_batch=1)


def test_a_large_batch_takes_what_a_step_of_its_models_takes(large: Plan, store: Store) -> None:
    size = (192, 256)
    student = build_model("distilpose_s", depth=4, input_size=size, score=False, sigma=False)
    teacher = build_model("teacher_stemnet", depth=4, input_size=size)
    step = measure_memory(student, size, people=64, precision="fp32", trains=True)
    asked = measure_memory(teacher, size, people=64, precision="fp32", trains=False)
    assert step is not None
    assert of_process(large, store, 1) == process_bytes([step, step], asked)
    assert of_process(large, store, 1, micro_batch=32) < of_process(large, store, 1)


def test_an_average_and_an_optimizers_moments_count(large: Plan, store: Store) -> None:
    models, teacher = ModelCosts(store), large.runs[large.teachers[0].run_id].recipe
    adam = models.memory(teacher, people=64, trains=True)
    sgd = models.memory({**teacher, "optimizer": {"name": "sgd"}}, people=64, trains=True)
    averaged = models.memory({**teacher, "ema": 0.999}, people=64, trains=True)
    assert adam is not None
    assert sgd is not None
    assert averaged is not None
    assert process_bytes([adam]) - process_bytes([sgd]) == 2 * adam.trained
    assert process_bytes([averaged]) - process_bytes([adam]) == adam.weights + adam.buffers


def test_cycles_count_where_they_are_trained(tmp_path: Path, store: Store) -> None:
    plan, models = small_plan(tmp_path, CIRCLING), ModelCosts(store)
    recipe = plan.runs[plan.cohorts[0].run_ids[0]].recipe
    two, one = models.gmacs(recipe), models.gmacs({**recipe, "circulation": None})
    assert two is not None
    assert one is not None
    assert two > one


def students(plan: Plan) -> dict[str, PlannedRun]:
    return {run_id: run for run_id, run in plan.runs.items() if run.role == "student"}


def test_a_teacher_that_comes_from_elsewhere_is_of_unknown_size(plan: Plan, store: Store) -> None:
    elsewhere = replace(plan, runs=students(plan))
    assert ModelCosts(store).of_process(elsewhere, plan.cohorts[1].run_ids) is None


def test_only_cohorts_for_a_gpu_have_a_need(plan: Plan, large: Plan, store: Store) -> None:
    assert memory_needs(plan, store, estimate(plan, store), lambda: None) == {}
    needs = memory_needs(large, store, estimate(large, store), lambda: None)
    assert needs.keys() == {cohort.cohort_id for cohort in large.cohorts}
    predicted = of_process(large, store, 1)
    assert needs[large.cohorts[1].cohort_id] == MemoryNeed(bytes=predicted + GPU_CONTEXT, basis=PREDICTED)


def test_a_need_that_is_unknown_is_said_to_be(large: Plan, store: Store) -> None:
    costs, elsewhere = estimate(large, store), replace(large, runs=students(large), cohorts=large.cohorts[1:])
    needs = memory_needs(elsewhere, store, costs, lambda: None)
    assert needs == {cohort.cohort_id: None for cohort in elsewhere.cohorts}
    text = shown(*plan_tables(large, store.states(large.runs), costs, needs))
    assert "GPU memory of 2 cohorts: unknown." in text


def test_what_a_run_took_is_believed_before_a_prediction(large: Plan, store: Store) -> None:
    first, second = large.cohorts[1], large.cohorts[2]
    for run_id in first.run_ids:
        store.run(run_id).write_spec(large.runs[run_id].spec)
        facts = {"cohort_size": 2, "memory_bytes": 7 * GB, "provenance": {"device": "cuda:0"}}
        store.run(run_id).write_result({"metrics": {}, "seconds": 1.0, "steps": 1, **facts})
    needs = memory_needs(large, store, estimate(large, store), lambda: None)
    assert needs[second.cohort_id] == MemoryNeed(bytes=7 * GB + GPU_CONTEXT, basis=MEASURED)
    predicted = needs[large.cohorts[0].cohort_id]
    assert predicted is not None
    assert predicted.basis == PREDICTED


def test_what_does_not_fit_is_said_with_how_many_people_at_once_would(large: Plan, store: Store) -> None:
    costs = estimate(large, store)
    whole = of_process(large, store, 1) + GPU_CONTEXT
    text = _shown(large, store, costs, capacity=whole * 2)
    assert "GPU memory, predicted from the models: about" in text
    assert "2 cohorts of 2 runs" in text
    assert "more than a GPU" not in text
    text = _shown(large, store, costs, capacity=whole)  # a tenth has to stay free
    assert "more than a GPU of this machine has to give; with 32 people at once it would" in text
    assert "not even one person at a time would" in _shown(large, store, costs, capacity=GB // 2)


def _shown(plan: Plan, store: Store, costs: Costs, *, capacity: int) -> str:
    needs = memory_needs(plan, store, costs, lambda: capacity)
    return " ".join(shown(*plan_tables(plan, store.states(plan.runs), costs, needs)).split())


def test_plan_says_it_to_programs_too(tmp_path: Path) -> None:
    sweep = tmp_path / "large.yaml"
    sweep.write_text(
        LARGE.replace("[48, 64]", "[192, 256]").replace("{root: data/people}", "{synthetic: {train: 64, val: 8}}")
    )
    script = "import sys; from experiments.cli.main import main; main()"
    line = [sys.executable, "-c", script, "plan", str(sweep), "--runs", str(tmp_path / "runs"), "--json"]
    said = json.loads(subprocess.run(line, check=True, capture_output=True, text=True).stdout)
    assert {need["basis"] for need in said["memory"].values()} == {PREDICTED}
    assert said["memory"].keys() == {cohort["cohort_id"] for cohort in said["cohorts"]}
