"""What a training step of every run of a sweep takes here, kept in the runs' folder so that `plan` can tell the hours.

    python benchmarks/step_times.py losses --profile paper --data data/coco --runs runs [--device cuda] [--crops 32]

A step is what training does: the teacher's forward where there is one, forward, loss, backward, Adam, on random crops.
With --crops smaller than the recipe's batch the time is taken in proportion, and the plan says so. Reading data is not
in it.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.subjects import random_batch
from distilpose.data.skeleton import COCO
from distilpose.losses.criteria import every_cycle
from experiments.build.models import build_criterion, build_run_model
from experiments.cli.options import Place, plan_sweep, read_profile
from experiments.plan.plan import Plan
from experiments.plan.step_times import StepTime, keep_step_times, step_kind
from experiments.runs.store import Store
from experiments.sweep.recipe import RunRecipe, run_recipe_from_json


def step_of(
    recipe: RunRecipe, parts: Path, teacher: nn.Module | None, crops: int, device: torch.device
) -> Callable[[], None]:
    """One optimiser step, ready to be called."""
    model = build_run_model(recipe, COCO).to(device).train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)
    criterion, batch = build_criterion(recipe, COCO, parts), random_batch(crops, recipe.input_size, device)
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=recipe.precision == "bf16")

    def step() -> None:
        with autocast:
            with torch.no_grad():
                taught = None if teacher is None else teacher(batch.images)
            output = every_cycle(model, batch.images) if recipe.circulation is not None else model(batch.images)
        optimizer.zero_grad()
        torch.autograd.backward(torch.stack(list(criterion(output, batch, taught).values())).sum())
        optimizer.step()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return step


def measure(plan: Plan, parts: Path, device: torch.device, crops: int | None, repeats: int) -> dict[str, StepTime]:
    """The step times of a plan's runs by kind; each is printed as it is had."""
    found: dict[str, StepTime] = {}
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    for run in plan.runs.values():
        kind = step_kind(run.recipe)
        if kind in found:
            continue
        recipe = run_recipe_from_json(run.recipe)
        teaching: Any = None
        if run.teacher_id in plan.runs:
            teaching = build_run_model(run_recipe_from_json(plan.runs[run.teacher_id].recipe), COCO).to(device).eval()
        batch = recipe.schedule.batch_size
        used = min(crops or batch, batch)
        step = step_of(recipe, parts, teaching, used, device)
        step()  # warms up
        times = []
        for _ in range(repeats):
            start = time.perf_counter()
            step()
            times.append(time.perf_counter() - start)
        how = f"with {used} random crops" + (f" for {batch}" if used < batch else "")
        found[kind] = StepTime(seconds=statistics.median(times) * batch / used, device=name, how=how)
        spread = f"{how}: {min(times):.3f} to {max(times):.3f} s"
        title = run.row or f"teacher {recipe.model.model}"
        print(f"{title}: {found[kind].seconds:.3f} s a step of {batch} ({spread})", flush=True)
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
    keep_step_times(store, measure(plan, store.parts, torch.device(chosen.device), chosen.crops, chosen.repeats))


if __name__ == "__main__":
    main()
