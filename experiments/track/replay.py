"""Journals told again to a tracker: how what a service lost, or never had, is made good."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from experiments.runs.journal import MetricRow, PictureRow, metric_rows, picture_rows, read_events
from experiments.runs.saved_plan import SavedPlan
from experiments.runs.store import RunDir, Store, run_title
from experiments.track.card import run_card, run_summary
from experiments.track.protocol import Outputs, Service, Status
from experiments.track.sent import is_noted
from experiments.track.tracker import Tracker

What = Literal["told", "there", "running", "not begun", "failed"]
TOGETHER = 16  # runs at a time
PATIENCE_SECONDS = 900.0  # in which one of them must arrive
WORD_SECONDS = 30.0  # of silence, then a replay names what it waits for

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What was done about one run, and why not more.

    "told": its journal was, "there": the service had it, "running": it shows itself, "not begun": there is nothing to
    tell, "failed": see `why`.
    """

    run_id: str
    name: str
    what: What
    why: str = ""


def replay_sweep(
    store: Store, plan: SavedPlan, service: Service, *, again: bool = False, together: int = TOGETHER
) -> Iterator[Told]:
    """Tell a service of every run of a saved plan by its journal, several at a time; each is given as it is done.

    What arrived is remembered beside the run, and passed over by the next call unless `again`.
    """
    pool = ThreadPoolExecutor(together)
    try:
        pending: set[Future[Told]] = {
            pool.submit(_tell_run, store.run(run_id), plan, service, again) for run_id in plan.run_names
        }
        waited = 0.0
        while pending:
            done, pending = wait(pending, timeout=WORD_SECONDS, return_when=FIRST_COMPLETED)
            waited = 0.0 if done else waited + WORD_SECONDS
            if waited >= PATIENCE_SECONDS:
                service.process.give_up()
            elif waited:
                log.warning(
                    "%s: no run arrived for %.0f s of at most %.0f; %d are left, another replay goes on with them",
                    service.place,
                    waited,
                    PATIENCE_SECONDS,
                    len(pending),
                )
            for future in done:
                yield future.result()
    finally:
        pool.shutdown(cancel_futures=True)
        service.process.end()


def replay(journal: Path, tracker: Tracker, summary: Mapping[str, float] | None = None) -> Status:
    """Give a tracker the journal's metrics and pictures by step and a summary; close it with how the run ended.

    Without a summary the journal's own is given. What an interrupted attempt wrote about steps that a later one did
    again is left out. A journal that says of no end closes the tracker as preempted.
    """
    events = read_events(journal)
    tell(events, tracker)
    own = [event["values"] for event in events if event["event"] == "summary"]
    told = summary or {name: value for values in own[-1:] for name, value in values.items() if value is not None}
    if told:
        tracker.summary(told)
    status = ending(events)
    tracker.close(status)
    return status


def tell(events: Sequence[dict[str, Any]], tracker: Tracker, *, until: float = float("inf")) -> None:
    """Give a tracker the metrics and pictures of the steps up to `until`, each step's numbers before its pictures."""
    rows: list[MetricRow | PictureRow] = [*metric_rows(list(events)), *picture_rows(list(events))]
    for row in sorted(rows, key=lambda row: (row.step, isinstance(row, PictureRow))):
        if row.step > until:
            break
        if isinstance(row, PictureRow):
            tracker.picture(row.step, row.kind, row.path, row.caption, epoch=row.epoch)
        else:
            tracker.metrics(row.step, row.values, epoch=row.epoch, time=row.time)


def ending(events: Sequence[dict[str, Any]]) -> Status:
    """How a run ended, by its journal."""
    status: Status = "preempted"
    for event in events:
        if event["event"] == "finish":
            status = "finished"
        elif event["event"] in ("start", "stop"):
            status = event["reason"] if event.get("reason") in ("failed", "pruned") else "preempted"
    return status


def outputs_of(run: RunDir, teacher_id: str | None) -> Outputs:
    """The files of a run in its store, and its teacher's weights, which a given teacher has not."""
    teacher = None if teacher_id is None else Store(run.path.parent).run(teacher_id).weights
    return Outputs(
        predictions=run.predictions,
        weights=run.weights,
        teacher=(str(teacher_id), teacher) if teacher is not None and teacher.exists() else None,
    )


def _tell_run(run: RunDir, plan: SavedPlan, service: Service, again: bool) -> Told:
    what, why = _told(run, plan, service, again)
    name = "" if run.damage() or not (run.path / "run.json").exists() else run_title(run.spec())
    return Told(run_id=run.run_id, name=name, what=what, why=why)


def _told(run: RunDir, plan: SavedPlan, service: Service, again: bool) -> tuple[What, str]:
    if why := run.damage():
        return "failed", why
    result = run.result()
    if why := run.journal_fault(result):
        return "failed", why
    if not (run.path / "run.json").exists() or run.last_event() is None:
        return "not begun", ""
    if run.holder() is not None:
        return "running", ""
    if not again and is_noted(run.path, service.place):
        return "there", ""
    spec = run.spec()
    commit = result.provenance.get("commit") if result else None
    card = run_card(run.run_id, spec, sweep=plan.sweep, profile=plan.profile, commit=commit)
    tracker = Tracker(card, run_dir=run.path, service=service, outputs=outputs_of(run, spec["teacher_id"]))
    replay(run.path / "journal.jsonl", tracker, run_summary(result) if result else None)
    return ("failed", tracker.fault) if tracker.fault else ("told", "")
