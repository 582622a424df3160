"""What a student costs in use, known before it is trained: objectives of searches over sizes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from experiments.sweep.recipe import RunRecipe


def student_costs(
    recipe: RunRecipe, wanted: Sequence[str], parts: Path | None = None, *, device: str = "cpu"
) -> dict[str, float]:
    """Those of `parameters` (trained ones), `gflops` (the papers' count) and `latency_ms` that are wanted.

    Latency is the median of single pictures on `device` as it is now, whatever else runs there. `parts` is the folder
    of kept copies of users' own code.
    """
    if not wanted:
        return {}
    import torch

    from distilpose.data.skeleton import COCO
    from distilpose.models.measure import count_costs
    from distilpose.models.speed import measure_speed
    from experiments.build.models import build_run_model

    model = build_run_model(recipe, COCO, parts).eval()
    counted = count_costs(model, recipe.input_size)
    found = {"parameters": float(counted.trainable)}
    if counted.gflops is not None:
        found["gflops"] = counted.gflops
    elif "gflops" in wanted:
        raise ValueError(f"search.objectives: the gflops of {recipe.model.model} cannot be counted; use parameters")
    if "latency_ms" in wanted:
        found["latency_ms"] = 1000 / measure_speed(model, recipe.input_size, device=torch.device(device)).fps
    return {name: found[name] for name in wanted}
