"""A run's journal told again to a tracker: how a mirror that was lost or never there is made."""

from pathlib import Path

from experiments.journal import PictureRow, metric_rows, picture_rows, read_events
from experiments.track.protocol import Status, Tracker


def replay(journal: Path, tracker: Tracker) -> Status:
    """Give a tracker the journal's metrics and pictures by step and its last summary; close it with how the run ended.

    What an interrupted attempt wrote about steps that a later one did again is left out. A journal that says of no end
    closes the tracker as preempted.
    """
    events = read_events(journal)
    pictures = picture_rows(events)
    told = 0
    for row in metric_rows(events):
        while told < len(pictures) and pictures[told].step < row.step:
            _picture(tracker, pictures[told])
            told += 1
        tracker.metrics(row.step, row.values, epoch=row.epoch)
    for picture in pictures[told:]:
        _picture(tracker, picture)
    summaries = [event["values"] for event in events if event["event"] == "summary"]
    if summaries:
        tracker.summary({name: value for name, value in summaries[-1].items() if value is not None})
    status: Status = "preempted"
    for event in events:
        if event["event"] == "finish":
            status = "finished"
        elif event["event"] in ("start", "stop"):
            status = event["reason"] if event.get("reason") in ("failed", "pruned") else "preempted"
    tracker.close(status)
    return status


def _picture(tracker: Tracker, row: PictureRow) -> None:
    tracker.picture(row.step, row.kind, row.path, row.caption, epoch=row.epoch)
