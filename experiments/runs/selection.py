"""A part of a sweep: some of its rows, some of its seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TypeVar

from distilpose.parts.naming import nearest
from experiments.runs.saved_plan import SavedPlan

AnyPlan = TypeVar("AnyPlan", bound=SavedPlan)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Rows, by name or by pattern (`all*`), and seeds. An empty one of the two stands for all."""

    rows: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.rows or self.seeds)

    def names(self, known: Sequence[str]) -> list[str]:
        """The selected of these rows, in the order asked for. Raises ValueError for a name that is none of them."""
        found: dict[str, None] = {}
        for asked in self.rows or known:
            some = [asked] if asked in known else [name for name in known if fnmatchcase(name, asked)]
            if not some:
                raise ValueError(f"--rows: must be rows of the sweep, got {asked!r:.80}; {nearest(asked, known)}")
            found |= dict.fromkeys(some)
        return list(found)

    def of(self, plan: AnyPlan) -> AnyPlan:
        """The plan with the selected runs alone, and the teachers that they need, rows' too; cohorts keep their ids.

        Raises ValueError for rows and seeds that are not there.
        """
        if not self:
            return plan
        names = self.names([row.name for row in plan.rows])
        runs = {run.run_id: run for row in plan.rows for run in row.runs}
        there = sorted({run.seed for row in plan.rows if row.name in names for run in row.runs})
        for seed in self.seeds:
            if seed not in there:
                raise ValueError(f"--seeds: must be seeds of the rows, {', '.join(map(str, there))}, got {seed}")
        seeds = self.seeds or there
        selected = {row.name: [run for run in row.runs if row.name in names and run.seed in seeds] for row in plan.rows}
        kept: dict[str, frozenset[str]] = {}  # with the runs that each needs
        wanted = [run.run_id for own in selected.values() for run in own]
        while wanted:
            run_id = wanted.pop()
            if run_id not in kept:
                kept[run_id] = runs[run_id].needs if run_id in runs else frozenset()
                wanted += kept[run_id]
        needed = frozenset().union(*kept.values())
        rows = [
            replace(row, runs=tuple(run for run in row.runs if run in selected[row.name] or run.run_id in needed))
            for row in plan.rows
        ]
        left = {row.name for row in rows if row.runs}
        cohorts = []
        for cohort in plan.cohorts:
            if run_ids := tuple(run_id for run_id in cohort.run_ids if run_id in kept):
                waits = any(cohort.teacher_id in kept[run_id] for run_id in run_ids)
                cohorts.append(replace(cohort, run_ids=run_ids, teacher_id=cohort.teacher_id if waits else None))
        decisions = {} if plan.until is None else plan.until.decisions
        return replace(
            plan,
            rows=tuple(
                replace(row, baseline=row.baseline if row.baseline in left else None) for row in rows if row.runs
            ),
            baseline=plan.baseline if plan.baseline in left else None,
            teachers=tuple(one for one in plan.teachers if one.run_id in kept),
            cohorts=tuple(cohorts),
            search=None,
            until=plan.until
            and replace(plan.until, decisions={name: one for name, one in decisions.items() if name in left}),
        )
