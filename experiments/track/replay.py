"""A run's journal told again to a tracker: how a mirror that was lost or never there is made."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.runs.journal import PictureRow, metric_rows, picture_rows, read_events
from experiments.track.protocol import Status, Tracker


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
    pictures = picture_rows(list(events))
    told = 0
    for row in metric_rows(list(events)):
        if row.step > until:
            break
        while told < len(pictures) and pictures[told].step < row.step:
            _picture(tracker, pictures[told])
            told += 1
        tracker.metrics(row.step, row.values, epoch=row.epoch)
    for picture in pictures[told:]:
        if picture.step <= until:
            _picture(tracker, picture)


def ending(events: Sequence[dict[str, Any]]) -> Status:
    """How a run ended, by its journal."""
    status: Status = "preempted"
    for event in events:
        if event["event"] == "finish":
            status = "finished"
        elif event["event"] in ("start", "stop"):
            status = event["reason"] if event.get("reason") in ("failed", "pruned") else "preempted"
    return status


def _picture(tracker: Tracker, row: PictureRow) -> None:
    tracker.picture(row.step, row.kind, row.path, row.caption, epoch=row.epoch)
