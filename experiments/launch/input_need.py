"""How many people a second a plan's cohorts train on, and the cores that cut so many out of pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass

from experiments.launch.protocol import MOST_WORKERS
from experiments.plan.estimate import Costs
from experiments.plan.plan import Plan

# People a second that one core cuts, of COCO's pictures at 256x192 (docs/results/performance.md, bench input).
DECODED, KEPT = 500, 3_000


@dataclass(frozen=True, slots=True, kw_only=True)
class InputNeed:
    """The people a second of the fastest cohort on a GPU, and the threads that cut so many."""

    people: float

    @property
    def decoding(self) -> int:
        """Where pictures are decoded anew."""
        return math.ceil(self.people / DECODED)

    @property
    def cached(self) -> int:
        """Where they are kept decoded."""
        return math.ceil(self.people / KEPT)

    def cores(self, *, cached: bool) -> int:
        """Of a process: one that trains, and as many threads that cut as help."""
        return 1 + min(MOST_WORKERS, self.cached if cached else self.decoding)


def input_need(plan: Plan, costs: Costs) -> InputNeed | None:
    """What the plan's cohorts need on GPUs; None where none trains on one or nobody knows how fast."""
    rates = []
    for cohort in plan.cohorts:
        runs = [costs.runs[run_id] for run_id in cohort.run_ids]
        known = [run.seconds / run.steps for run in runs if run.on_gpu and run.seconds and run.steps]
        if runs and len(known) == len(runs):
            rates.append(plan.runs[cohort.run_ids[0]].recipe["schedule"]["batch_size"] / sum(known))
    return InputNeed(people=max(rates)) if rates else None
