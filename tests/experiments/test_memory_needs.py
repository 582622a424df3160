"""What a plan says of GPU memory, before and after its like has run."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import shown
from small_sweeps import CIRCLING, SMALL, small_plan

from distilpose.models.footprint import step_bytes, validation_bytes
from distilpose.models.specs import resolve_spec
from experiments.display import plan_tables
from experiments.estimate import Costs, estimate
from experiments.launch.packing import GPU_CONTEXT
from experiments.memory_needs import MEASURED, PREDICTED, MemoryNeed, memory_needs
from experiments.plan import Plan
from experiments.predicted_memory import planned_spec, predicted_memory
from experiments.recipe import VALIDATION_CROPS
from experiments.store import Store

GB = 10**9
LARGE = SMALL.replace("width: 8, dim: 16, depth: 1, heads: 2", "depth: 4").replace("batch_size: 4", "batch_size: 64")


@pytest.fixture
def large(tmp_path: Path) -> Plan:
    """The small plan's rows with models that nobody trains on a CPU."""
    return small_plan(tmp_path, LARGE.replace("[48, 64]", "[192, 256]"))


def test_the_prediction_is_of_the_recipes_models_batch_and_precision(plan: Plan) -> None:
    sizes = {"width": 8, "dim": 16, "depth": 1, "heads": 2, "input_size": (48, 64)}
    student, teacher = resolve_spec("distilpose_s", **sizes), resolve_spec("teacher_stemnet", **sizes)
    plain = replace(student, score=False, sigma=False)
    step = step_bytes([plain, plain], teacher, people=4, precision="fp32")
    validation = validation_bytes([plain, plain], people=VALIDATION_CROPS, precision="fp32")
    assert predicted_memory(plan, plan.cohorts[1].run_ids) == max(step, validation)


def test_small_batches_take_what_their_validation_takes(plan: Plan, large: Plan) -> None:
    assert predicted_memory(plan, plan.cohorts[0].run_ids) == predicted_memory(
        plan, plan.cohorts[0].run_ids, micro_batch=1
    )
    run_ids = large.cohorts[1].run_ids
    assert (predicted_memory(large, run_ids, micro_batch=32) or 0) < (predicted_memory(large, run_ids) or 0)


def test_cycles_count_where_they_are_trained(tmp_path: Path) -> None:
    plan = small_plan(tmp_path, CIRCLING)
    assert planned_spec(plan.runs[plan.cohorts[0].run_ids[0]].recipe).cycles == 2
    assert planned_spec({**plan.runs[plan.cohorts[0].run_ids[0]].recipe, "circulation": None}).cycles == 1


def test_a_teacher_that_comes_from_elsewhere_is_of_unknown_size(plan: Plan) -> None:
    elsewhere = replace(plan, teachers=())
    assert predicted_memory(elsewhere, plan.cohorts[1].run_ids) is None


def test_only_cohorts_for_a_gpu_have_a_need(plan: Plan, large: Plan, store: Store) -> None:
    assert memory_needs(plan, store, estimate(plan, store), lambda: None) == {}
    needs = memory_needs(large, store, estimate(large, store), lambda: None)
    assert needs.keys() == {cohort.cohort_id for cohort in large.cohorts}
    predicted = predicted_memory(large, large.cohorts[1].run_ids)
    assert predicted is not None
    assert needs[large.cohorts[1].cohort_id] == MemoryNeed(bytes=predicted + GPU_CONTEXT, basis=PREDICTED)


def test_what_a_run_took_is_believed_before_a_prediction(large: Plan, store: Store) -> None:
    first, second = large.cohorts[1], large.cohorts[2]
    for run_id in first.run_ids:
        store.run(run_id).write_spec(large.runs[run_id].spec)
        facts = {"cohort_size": 2, "memory_bytes": 7 * GB, "provenance": {"device": "cuda:0"}}
        store.run(run_id).write_result({"metrics": {}, "seconds": 1.0, "steps": 1, **facts})
    needs = memory_needs(large, store, estimate(large, store), lambda: None)
    assert needs[second.cohort_id] == MemoryNeed(bytes=7 * GB + GPU_CONTEXT, basis=MEASURED)
    assert needs[large.cohorts[0].cohort_id].basis == PREDICTED


def test_what_does_not_fit_is_said_with_how_many_people_at_once_would(large: Plan, store: Store) -> None:
    costs = estimate(large, store)
    whole = memory_needs(large, store, costs, lambda: None)[large.cohorts[1].cohort_id].bytes
    text = _shown(large, store, costs, capacity=whole * 2)
    assert "GPU memory, predicted from sizes: about" in text
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
    script = "import sys; from experiments.cli import main; main()"
    line = [sys.executable, "-c", script, "plan", str(sweep), "--runs", str(tmp_path / "runs"), "--json"]
    said = json.loads(subprocess.run(line, check=True, capture_output=True, text=True).stdout)
    assert {need["basis"] for need in said["memory"].values()} == {PREDICTED}
    assert said["memory"].keys() == {cohort["cohort_id"] for cohort in said["cohorts"]}
