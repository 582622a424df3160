"""The trials of a search: the suggestions, kept in the store, and the state of each, read from its run.

Each batch is one file named by its number and linked into place: of several launchers that ask at once one wins, also
on a shared disk, and the others read its batch. Values, prunings and failures are those of the runs, so nothing can be
lost or counted twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from typing_extensions import TypedDict

from experiments.runs.atomic import json_text, read_json, write_whole
from experiments.runs.store import Store

SCHEMA = 1
FOLDER = "searches"
TrialState = Literal["running", "finished", "pruned", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A suggestion: its values, its run, and costs known without training. `row` is one of the file's own, or `trial
    N`.
    """

    number: int
    row: str
    run_id: str
    params: dict[str, Any]
    costs: dict[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """The state of a trial. `values` are its objectives once it has finished, `steps` (time, epoch, value) on the way.

    One that has not begun, or is interrupted, counts as running.
    """

    trial: Trial
    state: TrialState
    values: tuple[float, ...] | None
    steps: tuple[tuple[float, int, float], ...]


class _Batch(TypedDict):
    """A file of trials, the part that is read."""

    trials: list[Trial]


class Trials:
    """The batches of one search in a store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: list[tuple[Trial, ...]] = []

    def batches(self) -> list[tuple[Trial, ...]]:
        """All batches so far, in order. Each is read once: none changes."""
        while (batch := read_json(self._file(len(self._read)), _Batch)) is not None:
            self._read.append(tuple(batch["trials"]))
        return list(self._read)

    def add(self, number: int, trials: Sequence[Trial], *, asked: Mapping[str, Any]) -> bool:
        """Make this the batch of that number; False where another launcher was quicker."""
        record = {"schema": SCHEMA, "batch": number, **asked, "trials": [asdict(trial) for trial in trials]}
        try:
            write_whole(self._file(number), json_text(record), exclusive=True)
        except FileExistsError:
            return False
        return True

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:05d}.json"


class Teller:
    """Reads the state of trials; finished ones once."""

    def __init__(self, store: Store, objectives: Sequence[str]) -> None:
        self._store, self._objectives = store, tuple(objectives)
        self._over: dict[str, Told] = {}

    def tell(self, trial: Trial) -> Told:
        """The state of the trial now."""
        if trial.run_id in self._over:
            return self._over[trial.run_id]
        run = self._store.run(trial.run_id)
        stands = run.state()
        if stands == "damaged":
            return Told(trial=trial, state="failed", values=None, steps=())
        result = run.result()
        name = f"val/{self._objectives[0]}"
        steps = tuple(
            (row.time, int(row.epoch), row.values[name])
            for row in run.metrics()
            if row.epoch is not None and name in row.values
        )
        state: TrialState = "finished"
        values = None
        if result is not None:
            measured = {**result.metrics, **trial.costs}
            values = tuple(float(measured[objective]) for objective in self._objectives)
        else:
            state = "pruned" if stands == "pruned" else "failed" if stands in ("failed", "stopped") else "running"
        told = Told(trial=trial, state=state, values=values, steps=steps)
        if state == "finished":
            self._over[trial.run_id] = told
        return told
