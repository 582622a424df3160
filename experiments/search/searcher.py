"""A search carried out: batches of trials asked for as slots become free, each planned as a cohort of ordinary runs.

The plan of a search is what was asked so far. `Searcher.grow` asks for the next batch while a slot is free; when every
trial is settled it plans the confirmation, the best ones again from other seeds.
"""

from __future__ import annotations

import logging
import socket
import time
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from functools import cache
from typing import cast

from experiments.plan.merge import merged
from experiments.plan.plan import FactsLookup, Plan, PlannedRun, make_plan
from experiments.runs.digest import digest
from experiments.runs.saved_plan import SavedSearch
from experiments.runs.store import Store
from experiments.search.study import best, suggest
from experiments.search.trials import FOLDER, Teller, Told, Trial, Trials
from experiments.sweep.recipe import RunRecipe
from experiments.sweep.recipe_json import run_recipe_from_json
from experiments.sweep.search_space import COSTS, Params
from experiments.sweep.sweep_file import RowSpec, Sweep
from experiments.sweep.yaml_nodes import SpecError

log = logging.getLogger(__name__)

CostsOf = Callable[[RunRecipe, Sequence[str]], Mapping[str, float]]


class Searcher:
    """One profile of a sweep file that has a `search`, in a store.

    A search is one base recipe, data and set of fields: change any of these and another search begins, which shares the
    runs that stay the same. Everything else (trials, ranges, sampler, pruner, cohort, confirmation) may change while it
    goes on.

    Args:
        sweep: what is wanted.
        store: where the runs are, and the trials.
        facts: as of `make_plan`.
        costs: what a run's model costs in use, by the names of `COSTS`.
    """

    def __init__(self, sweep: Sweep, store: Store, facts: FactsLookup, costs: CostsOf) -> None:
        assert sweep.search is not None
        self._sweep, self._search, self._entry = sweep, sweep.search, sweep.search.entry
        self._store, self._facts, self._costs = store, cache(facts), costs
        self._fixed = self._part(sweep.rows, sweep.seeds)
        base = self._part(
            [RowSpec(name="base", recipe=sweep.search.base, factors={}, paper={}, quoted={}, baseline=None)],
            sweep.seeds,
        )
        study = digest([base.runs[base.rows[0].runs[0].run_id].identity, sorted(self._entry.space)])
        self._folder = f"{FOLDER}/{sweep.sweep}.{sweep.profile}.{study}"
        self._trials = Trials(store.root / self._folder)
        self._teller = Teller(store, sweep.search.objectives)
        self._epochs = sweep.search.base.schedule.epochs
        self._planned: dict[int, Plan] = {}
        self._known_costs: dict[str, dict[str, float]] = {}
        self._taken = 0
        self._spent = self._confirming = False

    def plan(self) -> Plan:
        """Everything asked so far, by any launcher, and the confirmation once all of it is settled."""
        batches = self._trials.batches()
        self._taken = len(batches)
        trials = [trial for batch in batches for trial in batch]
        parts = [self._batch_plan(number, batch) for number, batch in enumerate(batches)] or [self._fixed]
        confirmed: list[Told] = []
        if self._is_over(len(trials)) and not self._fixed.problems:
            told = [self._teller.tell(trial) for trial in trials]
            if self._entry.confirm is not None and all(one.state != "running" for one in told):
                confirmed = best(self._search.objectives, told, self._entry.confirm.best, self._search.lower_is_better)
                parts.append(self._confirmation(confirmed))
                self._confirming = True
        whole = merged(parts)
        of_rows = {run.run_id for row in self._fixed.rows for run in row.runs}
        return replace(
            whole,
            settings={**whole.settings, "search": self._words(len(trials))},
            search=cast(SavedSearch, {
                "name": f"{self._sweep.sweep}.{self._sweep.profile}",
                "folder": self._folder,
                "entry": self._entry.json(),
                "objectives": list(self._search.objectives),
                "lower_is_better": list(self._search.lower_is_better),
                "budget": self._entry.budget,
                "seed": self._sweep.seeds[0],
                "own": [row.name for row in self._sweep.rows],
                "trials": [
                    {"number": trial.number, "row": trial.row, "run_id": trial.run_id, "params": trial.params,
                     "costs": trial.costs, "batch": number}
                    for number, batch in enumerate(batches) for trial in batch
                ],
                "confirmed": [{"row": one.trial.row, "again": _again(one.trial)} for one in confirmed],
            }),
            prunable=frozenset(trial.run_id for trial in trials) - of_rows
            if self._entry.pruner is not None
            else frozenset(),
        )  # fmt: skip

    def begin(self) -> Plan:
        """The plan to launch with: with at least one batch, so that the file's own rows train with it."""
        if not self._fixed.problems and not self._trials.batches():
            self._ask(frozenset())
        return self.plan()

    def grow(self, settled: Set[str]) -> Plan | None:
        """The longer plan, or None while there is nothing to add. `settled` are the runs that need nothing more.

        New trials come first; then those of other launchers, which may have died; the confirmation comes last.
        """
        if self._ask(settled) or len(self._trials.batches()) > self._taken:
            return self.plan()
        asked = {trial.run_id for batch in self._trials.batches() for trial in batch}
        if self._confirming or not asked <= settled:
            return None
        longer = self.plan()
        return longer if self._confirming else None

    def _ask(self, settled: Set[str]) -> bool:
        """Whether a new batch was asked, by this launcher or by a quicker one."""
        batches = self._trials.batches()
        if self._is_over(sum(map(len, batches))):
            return False
        told = [self._teller.tell(trial) for batch in batches for trial in batch]
        blocked = any(one.state == "running" and one.trial.run_id in settled for one in told)
        if blocked or (told and all(one.state == "failed" for one in told)):
            return False  # their teacher failed, or all of them did: so would more of the same
        rows = [] if told else self._own_rows()
        count = min(self._entry.cohort, self._entry.budget - len(told)) - len(rows)
        if count > 0:
            known = [*told, *(Told(trial=_trial(0, row, ""), state="running", values=None, steps=()) for row in rows)]
            found = suggest(
                self._entry,
                self._search.objectives,
                known,
                count=count,
                epochs=self._epochs,
                lower_is_better=self._search.lower_is_better,
                sound=self._is_sound,
            )
            rows += [self._search.row(f"trial {len(known) + i}", params) for i, params in enumerate(found)]
        if not rows:
            log.warning("search %s: nothing is left to try after %d trials", self._sweep.sweep, len(told))
            self._spent = True
            return False
        planned = self._part(rows, self._sweep.seeds)
        runs = [planned.runs[row.runs[0].run_id] for row in planned.rows]
        trials = [
            replace(_trial(len(told) + i, row, run.run_id), costs=self._costs_of(run))
            for i, (row, run) in enumerate(zip(rows, runs, strict=True))
        ]
        asked = {"asked": round(time.time(), 3), "by": self._entry.sampler.name, "host": socket.gethostname()}
        self._trials.add(len(batches), trials, asked=asked)
        return True

    def _is_over(self, asked: int) -> bool:
        return self._spent or asked >= self._entry.budget

    def _is_sound(self, params: Params) -> bool:
        try:
            self._search.row("", params)
        except SpecError as error:
            log.info("search %s: not tried: %s", self._sweep.sweep, error)
            return False
        return True

    def _own_rows(self) -> list[RowSpec]:
        """The file's rows that are points of the space: the first trials."""
        found = []
        for row in self._sweep.rows:
            params = self._search.params(row)
            if params is not None:
                found.append(replace(row, factors=params))
        return found

    def _costs_of(self, run: PlannedRun) -> dict[str, float]:
        wanted = [objective for objective in self._search.objectives if objective in COSTS]
        recipe = run_recipe_from_json(run.recipe)
        key = digest([run.identity["model"], sorted(recipe.losses.asks) if recipe.losses else [], list(wanted)])
        if key not in self._known_costs:
            self._known_costs[key] = dict(self._costs(recipe, wanted))
        return self._known_costs[key]

    def _batch_plan(self, number: int, batch: Sequence[Trial]) -> Plan:
        """One batch planned, and kept; the first with all of the file's own rows."""
        if number not in self._planned:
            own = {row.name for row in self._sweep.rows}
            rows = [self._search.row(trial.row, trial.params) for trial in batch if trial.row not in own]
            self._planned[number] = self._part([*(self._sweep.rows if number == 0 else ()), *rows], self._sweep.seeds)
        return self._planned[number]

    def _confirmation(self, confirmed: Sequence[Told]) -> Plan:
        confirm = self._entry.confirm
        assert confirm is not None
        own = {row.name for row in self._sweep.rows}
        rows = [self._search.row(_again(one.trial), one.trial.params) for one in confirmed if one.trial.row not in own]
        return self._part([*self._sweep.rows, *rows], confirm.seeds)

    def _part(self, rows: Sequence[RowSpec], seeds: tuple[int, ...]) -> Plan:
        return make_plan(replace(self._sweep, rows=tuple(rows), seeds=seeds), self._facts)

    def _words(self, asked: int) -> str:
        entry = self._entry
        pruner = "no pruning" if entry.pruner is None else f"{entry.pruner.name} pruning"
        return f"{entry.sampler.name}, {asked} of {entry.budget} trials asked, {entry.cohort} together, {pruner}"


def _trial(number: int, row: RowSpec, run_id: str) -> Trial:
    return Trial(number=number, row=row.name, run_id=run_id, params=row.factors, costs={})


def _again(trial: Trial) -> str:
    """The row that trains a trial again, from seeds that did not choose it."""
    return f"{trial.row} again"
