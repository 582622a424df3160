"""The GPU memory that the cohorts of a plan need: measured in earlier runs, else predicted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from experiments.launch.packing import GPU_CONTEXT, RESERVE, Peaks
from experiments.plan.estimate import Costs
from experiments.plan.model_costs import ModelCosts
from experiments.plan.plan import Plan
from experiments.plan.step_times import step_kind
from experiments.runs.store import Store

PREDICTED = "predicted from the models"
MEASURED = "measured in an earlier run"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryNeed:
    """The peak of a cohort's process on a GPU in bytes, CUDA's context included. `fits_with`: for one too large for
    this machine's GPUs, how many people at once would fit, 0 for none.
    """

    bytes: int
    basis: str
    fits_with: int | None = None


def memory_needs(
    plan: Plan,
    store: Store,
    costs: Costs,
    capacity: Callable[[], int | None],
    say: Callable[[str], None] = lambda text: None,
) -> dict[str, MemoryNeed | None]:
    """The need of each cohort that the estimate puts on a GPU, by id; None where unknown. `capacity` tells the bytes of
    the smallest GPU here, if any; it is called only where needed.
    """
    on_gpu = [cohort for cohort in plan.cohorts if any(costs.runs[run_id].on_gpu for run_id in cohort.run_ids)]
    if not on_gpu:
        return {}
    peaks, models, room = Peaks(plan, store), ModelCosts(store, plan.parts, say), capacity()
    usable = None if room is None else int((1 - RESERVE) * room)
    known: dict[tuple[Any, ...], MemoryNeed | None] = {}
    found: dict[str, MemoryNeed | None] = {}
    for cohort in on_gpu:
        measured = peaks.measured(cohort.run_ids, "cuda")
        if measured is not None:
            found[cohort.cohort_id] = MemoryNeed(bytes=measured, basis=MEASURED)
            continue
        kinds = sorted(step_kind(plan.runs[run_id].recipe) for run_id in cohort.run_ids)
        key = (*kinds, *{plan.runs[run_id].teacher_id for run_id in cohort.run_ids})
        if key not in known:
            known[key] = _predicted(models, plan, cohort.run_ids, usable)
        found[cohort.cohort_id] = known[key]
    return found


def _predicted(models: ModelCosts, plan: Plan, run_ids: tuple[str, ...], usable: int | None) -> MemoryNeed | None:
    tensors = models.of_process(plan, run_ids)
    if tensors is None:
        return None
    whole, at_once, fits_with = tensors + GPU_CONTEXT, int(plan.runs[run_ids[0]].recipe["schedule"]["batch_size"]), None
    while usable is not None and tensors + GPU_CONTEXT > usable and fits_with != 0:
        at_once //= 2
        fits_with = at_once
        smaller = models.of_process(plan, run_ids, micro_batch=max(1, at_once))
        if smaller is None:  # as for batch normalisation of one number a person
            fits_with = 0
        else:
            tensors = smaller
    return MemoryNeed(bytes=whole, basis=PREDICTED, fits_with=fits_with)
