"""What a plan will cost: from step times measured in finished runs where there are any, else from multiply-adds."""

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from experiments.plan import Plan, PlannedRun
from experiments.recipe import RunRecipe, run_recipe_from_json
from experiments.store import Store

# Multiply-adds per second of training, forwards and backwards together: seen on one core of a server CPU; a guess for a
# GPU, until a finished run has measured it.
CPU_CORE_GMACS = 30.0
GPU_GMACS = 20_000.0
_BACKWARD = 2  # a backward pass costs about two forward ones
_CPU_LIMIT = 100.0  # GMACs a step from which nobody trains on a CPU


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCost:
    """One run's cost if it is trained from the start: optimiser steps, and seconds of one CPU core or one GPU."""

    steps: int
    seconds: float
    basis: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """The cost of every run of a plan by id, and of what is left to do."""

    runs: dict[str, RunCost]
    left_seconds: float

    @property
    def bases(self) -> tuple[str, ...]:
        """What the estimates rest on."""
        return tuple(dict.fromkeys(cost.basis for cost in self.runs.values()))

    def json(self) -> dict[str, Any]:
        """The costs as plain values."""
        return asdict(self)


class _Measured(NamedTuple):
    step_seconds: float
    device: str


def planned_steps(run: PlannedRun, people: int) -> int:
    """The optimiser steps of a run over `people` training people."""
    schedule = run.recipe["schedule"]
    return int(schedule["epochs"]) * max(1, people // int(schedule["batch_size"]))


def estimate(plan: Plan, store: Store) -> Costs:
    """The cost of every run, and of the steps that the store still lacks."""
    measured = _measured(store)
    gmacs: dict[str, float] = {}
    runs, left = {}, 0.0
    for run_id, run in plan.runs.items():
        steps = planned_steps(run, plan.train_people[run_id])
        cost = _cost(run_recipe_from_json(run.recipe), steps, measured, gmacs)
        runs[run_id] = cost
        directory = store.run(run_id)
        if not directory.finished:
            progress = directory.progress()
            done = progress.step if progress is not None else 0
            left += cost.seconds * max(0, steps - done) / max(1, steps)
    return Costs(runs=runs, left_seconds=left)


def _cost(recipe: RunRecipe, steps: int, measured: dict[str, _Measured], gmacs: dict[str, float]) -> RunCost:
    key = _key(recipe)
    if key in measured:
        found = measured[key]
        return RunCost(
            steps=steps, seconds=steps * found.step_seconds, basis=f"steps measured on {found.device} before"
        )
    if key not in gmacs:
        gmacs[key] = _gmacs(recipe) * recipe.schedule.batch_size * (1 + _BACKWARD)
    on_gpu = gmacs[key] > _CPU_LIMIT
    speed = GPU_GMACS if on_gpu else CPU_CORE_GMACS
    where = "a guess for one GPU" if on_gpu else "one CPU core"
    return RunCost(
        steps=steps, seconds=steps * gmacs[key] / speed, basis=f"multiply-adds at {speed:,.0f} GMAC/s, {where}"
    )


def _gmacs(recipe: RunRecipe) -> float:
    """Multiply-adds of one picture, in thousands of millions."""
    from distilpose.models import build_model
    from distilpose.models.counting import count_costs

    model = build_model(recipe.model.model, input_size=recipe.input_size, **recipe.model.sizes)
    return count_costs(model, recipe.input_size, all_cycles=getattr(model, "cycles", 1) > 1).gmacs


def _measured(store: Store) -> dict[str, _Measured]:
    """What a step took by kind of run, from every finished run in the store; the last one read wins."""
    found = {}
    for run in store.runs():
        result = run.result()
        if result is not None and result["steps"]:
            key = _key(run_recipe_from_json(run.spec()["recipe"]))
            found[key] = _Measured(result["seconds"] / result["steps"], result["provenance"]["device"])
    return found


def _key(recipe: RunRecipe) -> str:
    """What makes two runs equally costly a step."""
    return f"{recipe.role} {recipe.model} {recipe.input_size} {recipe.schedule.batch_size} {recipe.precision}"
