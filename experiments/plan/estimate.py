"""The cost of a plan: from measured steps where there are any, else from multiply-adds."""

import heapq
import logging
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from distilpose.training.schedule import Schedule
from experiments.plan.model_costs import ModelCosts
from experiments.plan.plan import Plan, PlannedRun
from experiments.plan.step_times import StepTime, read_step_times, step_kind
from experiments.runs.atomic import DamagedError
from experiments.runs.store import RunDir, Store
from experiments.sweep.recipe_json import frozen, to_json

log = logging.getLogger(__name__)

# Multiply-adds per second of training, forwards and backwards together: seen on one core of a server CPU; a guess for a
# GPU, until a finished run has measured it.
CPU_CORE_GMACS = 30.0
GPU_GMACS = 20_000.0
_BACKWARD = 2  # a backward pass costs about two forward ones
_CPU_LIMIT = 100.0  # GMACs a step from which nobody trains on a CPU
_LOOKED_AT = 256  # runs of other plans, the latest, that are searched for measured steps


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCost:
    """One run's cost if it is trained from the start: optimiser steps, and seconds of one CPU core or one GPU."""

    steps: int
    seconds: float | None
    """None: unknown, since nothing was measured and the model does not tell."""
    basis: str
    on_gpu: bool
    is_whole: bool = False
    """Whether a finished run was measured, validations included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """The cost of every run of a plan by id, and of what is left to do."""

    runs: dict[str, RunCost]
    left_seconds: float
    left_unknown: int
    """How many runs of unknown cost are left beside these seconds."""

    @property
    def bases(self) -> tuple[str, ...]:
        """What the estimates rest on."""
        return tuple(dict.fromkeys(cost.basis for cost in self.runs.values() if cost.seconds is not None))

    def json(self) -> dict[str, Any]:
        """The costs as plain values."""
        return asdict(self)


class _Step(NamedTuple):
    seconds: float | None
    basis: str
    on_gpu: bool
    is_whole: bool = False


def _measured_step(seconds: float, device: str, *, is_whole: bool) -> _Step:
    return _Step(seconds, f"steps measured on {device} before", not device.startswith("cpu"), is_whole)


def planned_steps(run: PlannedRun) -> int:
    """How many optimiser steps a run takes."""
    schedule = Schedule(**frozen(run.recipe["schedule"]))
    return schedule.epochs * max(1, schedule.steps_per_epoch(run.people))


def estimate(plan: Plan, store: Store, say: Callable[[str], None] = lambda text: None) -> Costs:
    """The cost of every run and of the steps that the store lacks; `say` gets a line for each model it measures."""
    begun = {run_id: store.run(run_id) for run_id in store.names() & plan.runs.keys()}
    finished = {run_id for run_id, run in begun.items() if run.finished}
    kinds = {run_id: step_kind(run.recipe) for run_id, run in plan.runs.items()}
    measured = _measured(store, kinds, finished)
    guesses: dict[str, _Step] = {}
    models = ModelCosts(store, plan.parts, say)
    runs, left, unknown = {}, 0.0, 0
    for run_id, run in plan.runs.items():
        steps = planned_steps(run)
        kind = kinds[run_id]
        if kind not in measured and kind not in guesses:
            guesses[kind] = _guess(run.recipe, models)
        step = measured[kind] if kind in measured else guesses[kind]
        seconds = None if step.seconds is None else steps * step.seconds
        runs[run_id] = RunCost(
            steps=steps, seconds=seconds, basis=step.basis, on_gpu=step.on_gpu, is_whole=step.is_whole
        )
        if run_id in finished:
            continue
        if seconds is None:
            unknown += 1
        else:
            run_dir = begun.get(run_id)
            progress = None if run_dir is None or run_dir.state() == "damaged" else run_dir.progress()
            done = progress.step if progress is not None else 0
            left += seconds * max(0, steps - done) / max(1, steps)
    return Costs(runs=runs, left_seconds=left, left_unknown=unknown)


def _guess(recipe: Mapping[str, Any], models: ModelCosts) -> _Step:
    """A step by multiply-adds."""
    forward = models.gmacs(recipe)
    if forward is None:
        return _Step(None, "unknown", False)
    gmacs = forward * recipe["schedule"]["batch_size"] * (1 + _BACKWARD)
    on_gpu = gmacs > _CPU_LIMIT
    speed = GPU_GMACS if on_gpu else CPU_CORE_GMACS
    where = "one GPU, estimated" if on_gpu else "one CPU core"
    return _Step(gmacs / speed, f"multiply-adds at {speed:,.0f} GMAC/s, {where}", on_gpu)


def _measured(store: Store, kinds: Mapping[str, str], finished: set[str]) -> dict[str, _Step]:
    """A measured step by kind of run: of a finished run of the plan, of the latest of other plans, or by itself."""
    found: dict[str, _Step] = {}
    wanted = set(kinds.values())
    for run_id in finished:
        if kinds[run_id] not in found:
            _add_measured(found, kinds[run_id], store.run(run_id))
    if not found.keys() >= wanted:
        others = (run for run in store.runs() if run.run_id not in kinds and run.finished)
        for run in heapq.nlargest(_LOOKED_AT, others, key=lambda run: run.path.stat().st_mtime):
            try:
                kind = step_kind(to_json(run.recipe()))
            except DamagedError:  # of another version, say: it tells nothing of ours
                continue
            if kind in wanted and kind not in found:
                _add_measured(found, kind, run)
        for kind, time in _kept(store).items():
            if kind in wanted:
                found.setdefault(kind, _measured_step(time.seconds, f"{time.device}, {time.how},", is_whole=False))
    return found


def _kept(store: Store) -> Mapping[str, StepTime]:
    try:
        return read_step_times(store)
    except DamagedError as error:
        log.warning("%s; planning goes on without it: remove it", error)
        return {}


def _add_measured(found: dict[str, _Step], kind: str, run: RunDir) -> None:
    try:
        result = run.result()
    except DamagedError:
        return
    if result is not None and result.steps and result.seconds is not None:
        found[kind] = _measured_step(
            result.seconds / result.steps, result.provenance.get("device", "cpu"), is_whole=True
        )
