"""The memory that a cohort's training will take on a GPU, worked out from its recipes: nothing was ever run for it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from distilpose.losses.use import Losses
from distilpose.models.footprint import step_bytes, validation_bytes
from distilpose.models.specs import ModelSpec, resolve_spec
from experiments.plan import Plan
from experiments.recipe import VALIDATION_CROPS, frozen


def planned_spec(recipe: Mapping[str, Any]) -> ModelSpec:
    """The model that a run's recipe, as JSON, trains, in the cycles that it is trained in.

    The joints are only known with the data: it has as many as published.
    """
    sizes = {name: frozen(value) for name, value in recipe["model"].items() if name not in ("model", "init") and value}
    outputs: dict[str, Any] = Losses.of(recipe["losses"]).head if recipe["losses"] is not None else {}
    spec = resolve_spec(recipe["model"]["model"], input_size=frozen(recipe["input_size"]), **sizes, **outputs)
    return spec if recipe.get("circulation") else replace(spec, cycles=1)


def predicted_memory(plan: Plan, run_ids: Collection[str], *, micro_batch: int | None = None) -> int | None:
    """The most bytes of tensors in a process that trains these runs together, validations included.

    None where their teacher comes trained from elsewhere, so that nothing is known of its size.
    """
    runs = [plan.runs[run_id] for run_id in run_ids]
    teacher_id = next((run.teacher_id for run in runs if run.teacher_id is not None), None)
    if teacher_id is not None and teacher_id not in plan.runs:
        return None
    students = [planned_spec(run.recipe) for run in runs]
    recipe = runs[0].recipe
    teacher = None if teacher_id is None else planned_spec(plan.runs[teacher_id].recipe)
    return max(
        step_bytes(
            students,
            teacher,
            people=recipe["schedule"]["batch_size"],
            precision=recipe["precision"],
            micro_batch=micro_batch,
        ),
        validation_bytes(students, people=VALIDATION_CROPS, precision=recipe["precision"]),
    )
