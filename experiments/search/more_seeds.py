"""Rows that get more seeds than the others: while they are undecided, or because the user wants it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import asdict, replace
from functools import cache
from itertools import pairwise, takewhile

from experiments.plan.merge import merged
from experiments.plan.plan import FactsLookup, Plan, make_plan
from experiments.runs.saved_plan import SavedUntil
from experiments.runs.selection import Selection
from experiments.runs.store import Store
from experiments.search.sequential import decide
from experiments.sweep.sweep_file import RowSpec, Sweep


def with_more_seeds(sweep: Sweep, facts: FactsLookup, more: int, selection: Selection) -> Plan:
    """The plan of a whole sweep in which the selected rows have so many seeds more.

    Raises ValueError for a row that is not there, and for a sweep that chooses seeds itself.
    """
    if sweep.search is not None or sweep.until is not None:
        raise ValueError("--more-seeds: this sweep chooses its seeds itself; leave it out")
    names = selection.names([row.name for row in sweep.rows])
    first = max(sweep.seeds) + 1
    chosen = tuple(row for row in sweep.rows if row.name in names)
    added = replace(sweep, rows=chosen, seeds=tuple(range(first, first + more)))
    return merged([make_plan(sweep, facts), make_plan(added, facts)])


class Undecided:
    """A sweep whose `seeds` grow `until` rows are decided: what to train follows from the store alone.

    Looks are at the seeds 0, 1, ... in this order, whichever finished first, and at those that row and baseline both
    have. A row that lacks one for good stays undecided.
    """

    def __init__(self, sweep: Sweep, store: Store, facts: FactsLookup) -> None:
        assert sweep.until is not None
        self._sweep, self._until, self._store, self._facts = sweep, sweep.until, store, cache(facts)
        self._asked: frozenset[str] = frozenset()

    def plan(self) -> Plan:
        """Everything that the looks so far ask for, and what they decided."""
        longest = self._part(self._sweep.rows, range(self._until.looks[-1]))
        runs = {row.name: {run.seed: run.run_id for run in row.runs} for row in longest.rows}
        baselines = {row.name: row.baseline for row in self._sweep.rows if row.baseline not in (None, row.name)}
        decisions = {
            name: decide(self._gains(runs[name], runs[baseline]), self._until, comparisons=len(baselines))
            for name, baseline in baselines.items()
            if baseline is not None
        }
        wanted = dict.fromkeys(runs, self._until.looks[0])
        for name, decision in decisions.items():
            for one in (name, baselines[name]):
                wanted[one] = max(wanted[one], decision.wanted)
        parts = []
        for first, last in pairwise((0, *self._until.looks)):
            if rows := [row for row in self._sweep.rows if wanted[row.name] >= last]:
                parts.append(self._part(rows, range(first, last)))
        plan = merged(parts)
        self._asked = frozenset(plan.runs)
        return replace(plan, until=SavedUntil(**asdict(self._until), decisions=decisions))

    def begin(self) -> Plan:
        """The plan to launch with."""
        return self.plan()

    def grow(self, settled: Set[str]) -> Plan | None:
        """The longer plan, or None while a look waits for runs or asks for nothing more."""
        asked = self._asked
        if not asked <= settled:
            return None
        longer = self.plan()
        return longer if asked < longer.runs.keys() else None

    def _part(self, rows: Sequence[RowSpec], seeds: range) -> Plan:
        return make_plan(replace(self._sweep, rows=tuple(rows), seeds=tuple(seeds)), self._facts)

    def _gains(self, ours: Mapping[int, str], baseline: Mapping[int, str]) -> list[float]:
        """By seed up to the first that row or baseline lacks, positive where the row is better; shares in points."""
        metric = self._sweep.metric
        scale = metric.points if metric.higher_is_better else -metric.points
        values = [(self._value(ours[seed]), self._value(baseline[seed])) for seed in sorted(ours)]
        both = takewhile(lambda pair: None not in pair, values)
        return [scale * (a - b) for a, b in both if a is not None and b is not None]

    def _value(self, run_id: str) -> float | None:
        run = self._store.run(run_id)
        result = run.result() if run.state() == "finished" else None
        return None if result is None else result.metrics.get(self._sweep.metric.title)
