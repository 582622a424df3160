"""Finished runs made without training: fresh weights, as a run leaves them."""

from pathlib import Path

from small_sweeps import small_plan

from distilpose.data.coco import PoseData
from distilpose.training.checkpoint import save_weights
from experiments.build.models import build_run_model, describe_run
from experiments.plan.plan import Plan
from experiments.runs.store import Store
from experiments.sweep.recipe_json import run_recipe_from_json


def untrained_store(folder: Path, sweep: str, data: PoseData, *, said: bool = True) -> tuple[Store, Plan]:
    """Every run of a sweep, finished; with `said`, weights name their model, as they have since version 1."""
    store, plan = Store(folder / "runs"), small_plan(folder, sweep)
    store.save_plan(plan.saved())
    for run_id, planned in plan.runs.items():
        run, recipe = store.run(run_id), run_recipe_from_json(planned.recipe)
        run.write_spec(planned.spec)
        model = build_run_model(recipe, data.skeleton)
        metadata = describe_run(recipe, data.skeleton).to_metadata() if said else None
        save_weights(run.weights, model, metadata)
        told = {"data_root": str(data.annotation_file.parent.parent)}
        run.write_result({"metrics": {"AP": 0.25}, "provenance": {"job": told}})
    return store, plan
