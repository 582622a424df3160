"""A search's verdict, in the process that trains its trials, on which of them to end early."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.runs.store import Store
from experiments.search.study import to_prune
from experiments.search.trials import Teller, Trials
from experiments.sweep.search_space import entry_from_json


class Pruning:
    """Judges runs by the journals of all trials, whichever process trains them.

    Args:
        store: where the runs are.
        search: the search as in a plan, with the `prunable` runs of the job.
        epochs: how long a trial trains.
    """

    def __init__(self, store: Store, search: Mapping[str, Any], *, epochs: int) -> None:
        self._entry = entry_from_json(search["entry"])
        self._objectives = tuple(search["objectives"])
        self._prunable = frozenset(search["prunable"])
        self._trials = Trials(store.root / search["folder"])
        self._teller = Teller(store, self._objectives)
        self._epochs = epochs
        self._lower = tuple(search["lower_is_better"])

    def ends(self, run_id: str) -> bool:
        """Whether the run should end where it stands."""
        if run_id not in self._prunable:
            return False
        told = [self._teller.tell(trial) for batch in self._trials.batches() for trial in batch]
        return run_id in to_prune(
            self._entry, self._objectives, told, [run_id], epochs=self._epochs, lower_is_better=self._lower
        )
