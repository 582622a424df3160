"""A launched sweep as its file names and lays it out by now."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from experiments.build.facts import DataFacts
from experiments.plan.plan import make_plan
from experiments.runs.atomic import DamagedError
from experiments.runs.digest import canonical
from experiments.runs.saved_plan import SavedPlan, SavedRow
from experiments.runs.store import Store
from experiments.sweep.choices import DataChoice, EvaluationChoice
from experiments.sweep.recipe_json import to_json
from experiments.sweep.sweep_file import Sweep


def as_edited(saved: SavedPlan, sweep: Sweep, store: Store) -> tuple[SavedPlan, str]:
    """The saved plan with the rows, names, paper's values and layout of its file, and what to tell of it.

    A row's runs stay those of the launch, which may have had more seeds. A file with a row that was never trained is
    not used: only a launch takes it over. The data need not be there: runs say what they were trained on.
    """
    known = _known_facts(saved, store)

    def facts(data: DataChoice, evaluation: EvaluationChoice) -> DataFacts:
        found = known.get(canonical([to_json(data), to_json(evaluation)]))
        if found is None:
            raise ValueError("no run was trained on these data")
        return found

    planned = make_plan(sweep, facts)
    launched = {run.run_id: row for row in saved.rows for run in row.runs}
    begun, until = store.names(), saved.until
    rows: list[SavedRow] = []
    for row in planned.rows:
        before = next((launched[run.run_id] for run in row.runs if run.run_id in launched), None)
        if before is None and not any(run.run_id in begun for run in row.runs):
            said = f"{sweep.source}: row {row.name!r} was never trained, so the report is of the launch before"
            return saved, f"{said}; distilpose launch takes the file over"
        if before is not None and until is not None and before.name in until.decisions:
            until = replace(until, decisions={**until.decisions, row.name: until.decisions[before.name]})
        rows.append(row if before is None else replace(row, runs=before.runs))
    if saved.search is not None:
        return replace(saved, title=planned.title, report=planned.report), ""
    edited = replace(
        saved, rows=tuple(rows), title=planned.title, table=planned.table, baseline=planned.baseline, until=until,
        metric=planned.metric, measured=planned.measured, lower_is_better=planned.lower_is_better,
        report=planned.report,
    )  # fmt: skip
    return edited, "" if edited == saved else f"{sweep.source} was edited since the launch: the report is as it is now"


def _known_facts(saved: SavedPlan, store: Store) -> dict[str, DataFacts]:
    """What the begun runs say of their data, by the choices of their recipes."""
    known = {}
    for run_id in saved.run_names:
        try:
            spec = store.run(run_id).spec()
        except (DamagedError, FileNotFoundError):
            continue
        recipe: dict[str, Any] = {**spec["recipe"]}
        known[canonical([recipe["data"], recipe["evaluation"]])] = DataFacts(
            fingerprint=spec["identity"]["data"],
            boxes=spec["identity"]["evaluation"]["boxes"],
            train_people=0,
            val_people=0,
        )
    return known
