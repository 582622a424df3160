"""A launched sweep as a table to compute with: a pandas DataFrame, a run a line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.runs.atomic import read_json
from experiments.runs.saved_plan import SavedPlan
from experiments.runs.store import Store
from reports.numbers.sweep import aggregate
from reports.read.reader import RunDetails, RunNumbers, RunReader


class Results(pd.DataFrame):
    """The runs of a sweep: row, seed, run_id, state, every metric, and the fields of the recipe (`schedule.lr`).

    Accuracies are in points of 100; a run that is not finished has no metrics. A selection of lines keeps its
    `curves()` and `predictions()`.
    """

    _metadata = ("store", "plan", "reader")
    store: Store
    plan: SavedPlan
    reader: RunReader

    @property
    def _constructor(self) -> type[Results]:
        return Results

    def curves(self) -> pd.DataFrame:
        """What was measured as these runs trained: row, seed, run_id, metric, epoch, value."""
        return pd.DataFrame(
            [
                {
                    "row": line.row,
                    "seed": line.seed,
                    "run_id": line.run_id,
                    "metric": metric,
                    "epoch": epoch,
                    "value": v,
                }
                for line in self.itertuples()
                for metric, by in self._details(line).curves.items()
                for epoch, v in by.items()
            ],
            columns=["row", "seed", "run_id", "metric", "epoch", "value"],
        )

    def predictions(self) -> pd.DataFrame:
        """The people that the best weights of these runs found: row, seed, run_id, and COCO's fields of a result.

        Keypoints are x, y and score of every joint, in pixels.
        """
        return pd.DataFrame(
            [
                {"row": line.row, "seed": line.seed, "run_id": line.run_id, **person}
                for line in self.itertuples()
                for person in read_json(self.store.run(str(line.run_id)).predictions, list[dict[str, Any]]) or ()
            ]
        )

    def compare(self, row: str, other: str) -> pd.Series[Any]:  # type: ignore[override]
        """How much more of the sweep's metric `row` has than `other`: difference, 95 % interval, p and seeds.

        Both sources count, other pictures and other seeds, as in the report; the two rows are taken by
        themselves, so p is not corrected for other comparisons.

        Raises:
            ValueError: there is no such row, or the two share no finished seed.

        """
        from reports.numbers.evidence import evidence_of
        from reports.statistics.evidence import compare_all

        numbers = aggregate(self.store, self.plan, self.reader)
        rows = {one.name: one for one in numbers.rows}
        for name in (row, other):
            if name not in rows:
                raise ValueError(f"row {name!r}: there is no such row; rows are {', '.join(rows)}")
        measured = {name: (numbers, rows[name]) for name in (other, row) if name in numbers.measured}
        compared = compare_all(evidence_of(measured)) if len(measured) == 2 else []
        if not compared:
            raise ValueError(f"rows {row!r} and {other!r}: share no finished seed")
        (found,) = compared
        low, high = found.interval() or (float("nan"), float("nan"))
        values = {"metric": numbers.metric, "difference": found.mean, "low": low, "high": high, "p": found.p}
        return pd.Series({**values, "seeds": found.seeds}, name=f"{row} - {other}")

    def _details(self, line: Any) -> RunDetails:
        return self.reader.details(self.reader.read(line.run_id, line.row, line.seed, "student"))


def read_results(runs: Path, sweep: str) -> Results:
    """The runs of a launched sweep, in the order of its table; of a search its trials too.

    Raises:
        ValueError: no sweep of that name and profile was launched there.

    """
    store = Store(runs)
    name, dot, profile = sweep.rpartition(".")
    try:
        saved = store.load_plan(*((name, profile) if dot else (sweep, "default")))
    except FileNotFoundError as error:
        raise ValueError(str(error)) from error
    reader = RunReader(store)
    numbers = [reader.read(run.run_id, row.name, run.seed, "student") for row in saved.rows for run in row.runs]
    table = Results([_line(run) for run in {run.run_id: run for run in numbers}.values()])
    table.store, table.plan, table.reader = store, saved, reader
    return table


def _line(run: RunNumbers) -> dict[str, Any]:
    whole = {"row": run.row, "seed": run.seed, "run_id": run.run_id, "state": run.state}
    recipe = {name: value for name, value in run.recipe.items() if name != "role"}
    measured = {"best_epoch": run.best_epoch, "seconds": run.seconds, "parameters": run.parameters, **run.metrics}
    return {**whole, **measured, **dict(_flat(recipe))}


def _flat(value: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Nested fields by their dotted names."""
    for name, one in value.items():
        if isinstance(one, Mapping):
            yield from _flat(one, f"{above}{name}.")
        elif f"{above}{name}" != "seed":
            yield f"{above}{name}", one
