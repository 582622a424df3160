"""Which cohorts may share a device: those whose measured or predicted peaks fit together."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from experiments.plan.model_costs import ModelCosts
from experiments.plan.plan import Plan
from experiments.runs.saved_plan import SavedCohort
from experiments.runs.store import RunDir, Store

RESERVE = 0.1  # of a device's memory stays free: allocators fragment, and two peaks are never quite those seen
GPU_CONTEXT = 600 * 2**20  # bytes a process takes on a GPU before its first tensor, which PyTorch does not count
PREDICTION_MARGIN = 0.5
"""Of the bytes predicted of a cohort, more than it is taken to need: for what an allocator adds and nobody measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The memory of a device in bytes, whole and free. `guess` is the peak assumed of an unmeasured cohort; with None
    it gets the device to itself. A GPU has its UUID, whatever a process calls it.
    """

    total: int
    free: int
    guess: int | None = None
    gpu: str = ""


def fits(need: int | None, tenants: Sequence[int | None], room: Room) -> bool:
    """Whether a cohort may start on a device beside its tenants, all given by their peak in bytes, None for unknown.

    Alone any cohort may try. Together all peaks must leave the reserve (tenants may still grow), and the new one must
    fit into what is free now (others may use the device).
    """
    if not tenants:
        return True
    peaks = [room.guess if peak is None else peak for peak in (need, *tenants)]
    known = [peak for peak in peaks if peak is not None]
    reserve = int(RESERVE * room.total)
    return len(known) == len(peaks) and sum(known) + reserve <= room.total and known[0] + reserve <= room.free


class Peaks:
    """The peak memory of processes that train a plan's cohorts: measured, or predicted."""

    def __init__(self, plan: Plan, store: Store) -> None:
        self._plan, self._store = plan, store
        self._seen: dict[tuple[str, frozenset[str], int], int] = {}
        self._models = ModelCosts(store, plan.parts)
        self._predicted: dict[tuple[str, ...], int | None] = {}
        self._looked_back = False

    def expected(self, run_ids: Collection[str], device: str) -> int | None:
        """The peak of a process of these runs on such a device: measured on the like, or on a GPU predicted with a
        margin; None where unknown.
        """
        measured = self.measured(run_ids, device)
        if measured is not None or _kind(device) != "cuda":
            return measured
        key = tuple(run_ids)
        if key not in self._predicted:  # asked again and again while a slot waits
            self._predicted[key] = self._models.of_process(self._plan, run_ids)
        predicted = self._predicted[key]
        return None if predicted is None else int((1 + PREDICTION_MARGIN) * predicted) + GPU_CONTEXT

    def measured(self, run_ids: Collection[str], device: str) -> int | None:
        """The smallest peak seen on such a device of a process that trained at least these runs; None where there was
        none.
        """
        if not self._looked_back:  # only now: where nothing is shared nobody asks
            self._looked_back = True
            for cohort in self._plan.cohorts:
                self.learn(cohort)
        sizes, kind = self._sizes(run_ids), _kind(device)
        enough = [
            peak
            for (on, theirs, count), peak in self._seen.items()
            if on == kind and count >= len(run_ids) and theirs >= sizes
        ]
        return min(enough, default=None)

    def follow(self, plan: Plan) -> None:
        """Go on with a longer plan."""
        self._plan = plan

    def learn(self, cohort: SavedCohort) -> None:
        """Note the peak of a cohort that ended."""
        for run_id in cohort.run_ids:
            run, count = self._store.run(run_id), len(cohort.run_ids)
            result = run.result() if run.state() == "finished" else None
            device = None if result is None else result.provenance.get("device")
            # Unfinished, or what only a part of the cohort took, or only parts of its batches.
            if (
                result is None
                or device is None
                or result.memory_bytes is None
                or result.cohort_size != count
                or result.micro_batch is not None
            ):
                continue
            key = (_kind(device), self._sizes(cohort.run_ids), count)
            self._seen[key] = max(self._seen.get(key, 0), result.memory_bytes + _context(device))

    def _sizes(self, run_ids: Collection[str]) -> frozenset[str]:
        return frozenset(_size(self._plan.runs[run_id].recipe) for run_id in run_ids)

    def running(self, run_ids: Collection[str], device: str) -> int | None:
        """The peak of a running process of these runs: its own after a validation, else as expected."""
        said = [_said(self._store.run(run_id)) for run_id in run_ids]
        measured = [peak for peak in said if peak is not None]
        return max(measured) + _context(device) if measured else self.expected(run_ids, device)


def _said(run: RunDir) -> int | None:
    progress = run.progress()
    if progress is None or not any(name.startswith("val/") for name in progress.values):
        return None
    return progress.memory_bytes


def _kind(device: str) -> str:
    return device.partition(":")[0]


def _context(device: str) -> int:
    return GPU_CONTEXT if _kind(device) == "cuda" else 0


def _size(recipe: Mapping[str, Any]) -> str:
    """What makes two runs need the same memory."""
    parts = {name: recipe[name] for name in ("role", "model", "input_size", "precision")}
    kept = [recipe.get("optimizer"), recipe.get("ema") is not None]
    return json.dumps([parts, recipe["schedule"]["batch_size"], kept], sort_keys=True)
