"""Where the runs of a saved plan stand, and the proof that each is there once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from experiments.runs.atomic import DamagedError, ForeignError
from experiments.runs.journal import count_events, edge_events
from experiments.runs.saved_plan import SavedPlan
from experiments.runs.store import RunDir, State, Store

_LOG_LINES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where one run stands.

    `value` is the table's metric, the best of a finished run, else the last measured. Of a running one, `since` is when
    its process took it and `seconds_left` what is left at its present speed. `log` is the end of a failed one's log.
    """

    run_id: str
    what: str
    state: State
    value: float | None = None
    epoch: float | None = None
    step: int | None = None
    total_steps: int | None = None
    starts: int = 0
    host: str | None = None
    pid: int | None = None
    device: str | None = None
    since: float | None = None
    seconds_left: float | None = None
    note: str = ""
    log: tuple[str, ...] = ()

    def json(self, metric: str) -> dict[str, Any]:
        """The standing as plain values, the metric under its own name."""
        plain = asdict(self)
        return {**{name: value for name, value in plain.items() if name != "value"}, metric: self.value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What in the store is orphaned, duplicated or damaged.

    `orphaned` are ids of runs that no saved plan wants, None where a damaged plan leaves that unknown. `duplicates` and
    `damaged` are a line each.
    """

    orphaned: tuple[str, ...] | None
    duplicates: tuple[str, ...]
    damaged: tuple[str, ...] = ()


def standings(store: Store, plan: SavedPlan, before: Iterable[Standing] = ()) -> list[Standing]:
    """Where every run of a saved plan stands, in the plan's order; those that were finished `before` are not read."""
    there, finished = store.names(), {one.run_id: one for one in before if one.state == "finished"}
    return [
        finished.get(run_id) or standing(store.run(run_id), what, plan.metric, begun=run_id in there)
        for run_id, what in plan.run_names.items()
    ]


def standing(run: RunDir, what: str, metric: str, *, begun: bool = True) -> Standing:
    """Where one run stands."""
    if not begun:
        return Standing(run_id=run.run_id, what=what, state="planned")
    try:
        return _standing(run, what, metric)
    except DamagedError as error:
        return Standing(run_id=run.run_id, what=what, state="damaged", note=run.damage() or str(error))


def _standing(run: RunDir, what: str, metric: str) -> Standing:
    if (damage := run.damage()) is not None:
        return Standing(run_id=run.run_id, what=what, state="damaged", note=damage)
    result = run.result()
    if result is not None:
        return Standing(
            run_id=run.run_id,
            what=what,
            state="finished",
            value=result.metrics.get(metric),
            epoch=result.epochs,
            step=result.steps,
            total_steps=result.steps,
            starts=count_events(run.path / "journal.jsonl", "start")[0],
            note=run.journal_fault(result) or "",
        )
    state, progress, owner, failure = run.state(), run.progress(), run.holder(), run.failure
    if state == "finished":  # between the two looks
        return _standing(run, what, metric)
    told: dict[str, Any] = {}
    if progress is not None:
        value = progress.values.get(f"val/{metric}")
        told = {"value": value, "epoch": progress.epoch, "step": progress.step, "total_steps": progress.total_steps}
    if owner is not None and state == "running":
        begun = [event for event in edge_events(run.path / "journal.jsonl") if event["event"] == "start"]
        device = begun[-1].get("device") if begun else None
        told |= {"host": owner.host, "pid": owner.pid, "since": owner.since, "device": device}
        told["note"] = f"on {owner.host}{f' {device}' if device else ''}, process {owner.pid}"
        if progress is not None and progress.rate and progress.total_steps:
            late = max(0.0, time.time() - progress.time)
            told["seconds_left"] = max(0.0, (progress.total_steps - progress.step) / progress.rate - late)
    elif state == "stopped":
        told["note"] = f"distilpose retry {run.run_id} has it trained again"
    elif failure is not None:
        told["note"] = f"{failure.message} ({failure.kind}, attempt {failure.attempts})"
        told["log"] = tuple(run.log_tail(_LOG_LINES))
    elif (pruning := run.pruning) is not None:
        told["note"] = f"ended at epoch {pruning['epoch']} by the search {pruning['by']}"
    starts = count_events(run.path / "journal.jsonl", "start")[0]
    return Standing(run_id=run.run_id, what=what, state=state, starts=starts, **told)


def counts(found: Iterable[Standing]) -> dict[State, int]:
    """How many runs are in each state."""
    return dict(Counter(one.state for one in found))


def wanted(store: Store) -> set[str] | None:
    """The ids of all runs that any saved plan wants, with teachers; None where a damaged plan leaves that unknown."""
    plans, damaged = store.read_plans()
    return None if damaged else _wanted_by(plans)


def _wanted_by(plans: Iterable[SavedPlan]) -> set[str]:
    return {run_id for plan in plans for run_id in plan.run_names}


def left_behind(store: Store, sweep: str, profile: str, kept: Iterable[str]) -> list[str]:
    """The begun runs that no plan would want once this sweep wants `kept` alone; none where a plan is damaged."""
    plans, damaged = store.read_plans()
    if damaged:
        return []
    own = [plan for plan in plans if (plan.sweep, plan.profile) == (sweep, profile)]
    still = _wanted_by(plan for plan in plans if (plan.sweep, plan.profile) != (sweep, profile)) | set(kept)
    there = store.names()
    return [run_id for plan in own for run_id in plan.run_names if run_id in there and run_id not in still]


def proof(store: Store, run_ids: Iterable[str]) -> Proof:
    """What in the store is duplicated, orphaned or damaged; of these runs the journals are read too."""
    plans, unreadable = store.read_plans()
    known = None if unreadable else _wanted_by(plans)
    damaged: list[str] = list(map(str, unreadable))
    duplicates: list[str] = []
    launched = {run.run_id: run for run in store.runs()}
    there = store.names()
    asked = {run_id: launched.get(run_id) or store.run(run_id) for run_id in run_ids if run_id in there}
    for run_id, run in (launched | asked).items():
        damage = run.damage()
        if damage is not None:
            (duplicates if _is_copy(run) else damaged).append(damage)
        elif run_id in asked:
            try:
                again, mixed = _done_twice(run), run.journal_fault(run.result())
            except DamagedError as error:
                damaged.append(str(error))
                continue
            duplicates += [] if again is None else [again]
            damaged += [] if mixed is None else [f"{run.path}: {mixed}"]
    return Proof(
        orphaned=None if known is None else tuple(run_id for run_id in launched if run_id not in known),
        duplicates=tuple(duplicates),
        damaged=tuple(damaged),
    )


def _is_copy(run: RunDir) -> bool:
    """Whether a directory holds another run's `run.json`."""
    try:
        run.spec()
    except ForeignError:
        return True
    except (DamagedError, FileNotFoundError):
        pass
    return False


def _done_twice(run: RunDir) -> str | None:
    """Why a run counts as finished twice; None as a rule.

    One killed between the last line of its journal and its result writes that line again: no work done twice.
    """
    if count_events(run.path / "journal.jsonl", "finish")[0] < 2:
        return None
    events = [event["event"] for event in run.read_journal()]
    first = events.index("finish") if "finish" in events else len(events)
    again = events[first:].count("metrics")
    return f"{run.run_id}: trained on after it had finished, {again} measurements" if again else None
