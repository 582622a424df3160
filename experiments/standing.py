"""Where the runs of a saved plan stand, read from what is on disk; and the proof that each is there once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from experiments.journal import count_events, edge_events
from experiments.store import RunDir, State, Store

_LOG_LINES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where one run stands.

    `value` is the table's metric: of a finished run its best, else what was last measured. `since` is when its process
    took it, `seconds_left` what is left at its present speed; both for running ones. `log` are the last lines of a
    failed one's log.
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
    """What is in the store beside or against its plans.

    `orphaned` are the ids of runs that no saved plan wants; `duplicates` say, a line each, what was done or kept twice.
    """

    orphaned: tuple[str, ...]
    duplicates: tuple[str, ...]


def run_names(plan: Mapping[str, Any]) -> dict[str, str]:
    """What people call each run of a saved plan, by id; teachers first."""
    names = {teacher["run_id"]: f"teacher {teacher['model']}" for teacher in plan["teachers"]}
    for row in plan["rows"]:
        for run in row["runs"]:
            names.setdefault(run["run_id"], f"{row['name']}, seed {run['seed']}")
    return names


def standings(store: Store, plan: Mapping[str, Any]) -> list[Standing]:
    """Where every run of a saved plan stands, in the plan's order."""
    there = store.names()
    return [
        standing(store.run(run_id), what, plan["metric"])
        if run_id in there
        else Standing(run_id=run_id, what=what, state="planned")
        for run_id, what in run_names(plan).items()
    ]


def standing(run: RunDir, what: str, metric: str) -> Standing:
    """Where one run stands."""
    result = run.result()
    if result is not None:
        steps = result.get("steps")
        return Standing(
            run_id=run.run_id,
            what=what,
            state="finished",
            value=result["metrics"].get(metric),
            epoch=result.get("epochs"),
            step=steps,
            total_steps=steps,
            starts=count_events(run.path / "journal.jsonl", "start")[0],
        )
    state, progress, owner, failure = run.state(), run.progress(), run.holder(), run.failure
    if state == "finished":  # between the two looks
        return standing(run, what, metric)
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
    elif failure is not None:
        told["note"] = f"{failure.message} ({failure.kind}, attempt {failure.attempts})"
        told["log"] = tuple(run.log_tail(_LOG_LINES))
    elif (pruning := run.pruning) is not None:
        told["note"] = f"ended at epoch {pruning['epoch']} by the search {pruning['by']}"
    starts = count_events(run.path / "journal.jsonl", "start")[0]
    return Standing(run_id=run.run_id, what=what, state=state, starts=starts, **told)


def counts(found: Iterable[Standing]) -> dict[State, int]:
    """How many runs are in each state that occurs."""
    return dict(Counter(one.state for one in found))


def wanted(store: Store, *, but: tuple[str, str] | None = None) -> set[str]:
    """The ids of all runs that any saved plan wants, teachers among them; `but` leaves one sweep and profile out."""
    plans = [store.load_plan(*name) for name in store.plans() if name != but]
    return {run_id for plan in plans for run_id in run_names(plan)}


def left_behind(store: Store, sweep: str, profile: str, kept: Iterable[str]) -> list[str]:
    """The begun runs that would have no plan any more, once this sweep's saved plan wants `kept` alone."""
    if (sweep, profile) not in store.plans():
        return []
    still = wanted(store, but=(sweep, profile)) | set(kept)
    before = run_names(store.load_plan(sweep, profile))
    there = store.names()
    return [run_id for run_id in before if run_id in there and run_id not in still]


def proof(store: Store, run_ids: Iterable[str]) -> Proof:
    """Whether anything is in the store twice, and what no plan wants; of these runs the journals are read too."""
    runs, known = store.runs(), wanted(store)
    return Proof(
        orphaned=tuple(run.run_id for run in runs if run.run_id not in known),
        duplicates=(*_doubles(runs), *filter(None, (_done_twice(store.run(run_id)) for run_id in run_ids))),
    )


def _doubles(runs: Iterable[RunDir]) -> list[str]:
    """Directories that say they are a run of another name: a run's id follows from what it is, so each has one."""
    return [
        f"{run.run_id}: its run.json is another run's"
        for run in runs
        if f'"run_id": "{run.run_id}"' not in (run.path / "run.json").read_text(encoding="utf-8")
    ]


def _done_twice(run: RunDir) -> str | None:
    """Why a run was finished more than once; None as a rule.

    One that was killed between the last line of its journal and its result says again that it ends. That is no work
    done twice, and has no measurement after the first end.
    """
    if count_events(run.path / "journal.jsonl", "finish")[0] < 2:
        return None
    events = [event["event"] for event in run.read_journal()]
    first = events.index("finish") if "finish" in events else len(events)
    again = events[first:].count("metrics")
    return f"{run.run_id}: trained on after it had finished, {again} measurements" if again else None
