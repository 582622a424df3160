"""What a training step of every run of a sweep takes here, kept in the runs' folder so that `plan` can tell the hours.

    python benchmarks/step_times.py losses --profile paper --data data/coco --runs runs [--device cuda] [--crops 32]

Each is a step of the training loop on random crops; reading data is not in it. With --crops smaller than the recipe's
batch the time is taken in proportion, and the plan says so.
"""

import argparse
import statistics
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

from benchmarks.loop import Crops, loop_seconds
from distilpose.data.skeleton import COCO
from distilpose.training.member import Member
from experiments.build.models import build_member, build_run_model
from experiments.cli.options import Place, plan_sweep, read_profile
from experiments.plan.plan import Plan, PlannedRun
from experiments.plan.step_times import StepTime, keep_step_times, step_kind
from experiments.runs.store import RunDir, Store
from experiments.sweep.recipe_json import run_recipe_from_json


def measure(plan: Plan, parts: Path, device: str, crops: int | None, repeats: int) -> dict[str, StepTime]:
    """The step times of a plan's runs by kind; prints each."""
    found: dict[str, StepTime] = {}
    for run in plan.runs.values():
        kind = step_kind(run.recipe)
        if kind not in found:
            taught_by = plan.runs.get(run.teacher_id or "")
            found[kind] = step_time(run, taught_by, parts, device, crops, repeats)
    return found


def step_time(
    run: PlannedRun, taught_by: PlannedRun | None, parts: Path, device: str, crops: int | None, repeats: int
) -> StepTime:
    """What a step of the run takes, with its teacher if it has one."""
    recipe = run_recipe_from_json(run.recipe)
    recipe = replace(recipe, model=replace(recipe.model, init="fresh"))
    teacher = None if taught_by is None else build_run_model(run_recipe_from_json(taught_by.recipe), COCO, parts).eval()
    batch, row = recipe.schedule.batch_size, run.row or f"teacher {recipe.model.model}"
    used = min(crops or batch, batch)
    kind, _, number = device.partition(":")
    precision: Any = "bf16-mixed" if recipe.precision == "bf16" else "32-true"
    fabric = Fabric(accelerator=kind, devices=[int(number)] if number else 1, precision=precision)

    def members(folder: Path) -> list[Member]:
        return [build_member(recipe, RunDir(folder / "run"), skeleton=COCO, parts=parts, teacher=teacher)]

    crops_of = Crops(used, recipe.input_size, fabric.device)
    seconds = loop_seconds(members, crops_of, teacher, fabric, repeats)
    name = torch.cuda.get_device_name(fabric.device) if fabric.device.type == "cuda" else "cpu"
    how = f"with {used} random crops" + (f" for {batch}" if used < batch else "")
    found = StepTime(seconds=statistics.median(seconds) * batch / used, device=name, how=how)
    spread = f"{how}: {min(seconds):.3f} to {max(seconds):.3f} s"
    print(f"{row}: {found.seconds:.3f} s a step of {batch} ({spread})", flush=True)
    return found


def main() -> None:
    """Measure, and keep what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sweep")
    parser.add_argument("--profile")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--runs", type=Path, default=Path("runs"))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--crops", type=int)
    parser.add_argument("--repeats", type=int, default=5)
    chosen = parser.parse_args()
    plan = plan_sweep(read_profile(chosen.sweep, chosen.profile), Place(data=chosen.data, runs=chosen.runs))
    store = Store(chosen.runs)
    for code, place in plan.parts.items():
        place.keep_in(store.parts / code)
    keep_step_times(store, measure(plan, store.parts, chosen.device, chosen.crops, chosen.repeats))


if __name__ == "__main__":
    main()
