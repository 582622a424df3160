import errno
import math
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.runs.journal import Journal, last_event, metric_rows, picture_rows, read_events


def _journal(path: Path) -> Journal:
    return Journal(path, sync_seconds=0)


def test_what_is_appended_is_read_back_in_order(tmp_path: Path) -> None:
    with _journal(tmp_path / "journal.jsonl") as journal:
        journal.start(attempt=1, step=0)
        journal.metrics(5, {"train/loss": 1}, epoch=0.5)
        journal.checkpoint(step=5, epoch=0.5, path="checkpoints/step-5.pt")
        journal.close("finished")
    events = read_events(tmp_path / "journal.jsonl")
    assert [event["event"] for event in events] == ["start", "metrics", "checkpoint", "finish"]
    assert events[1]["values"] == {"train/loss": 1.0}
    assert last_event(tmp_path / "journal.jsonl") == events[-1]


def test_metrics_wait_but_a_checkpoint_puts_all_on_disk(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl", sync_seconds=3600)
    journal.metrics(1, {"train/loss": 1.0})
    assert read_events(tmp_path / "journal.jsonl") == []
    journal.checkpoint(step=1, epoch=None, path="x")
    assert len(read_events(tmp_path / "journal.jsonl")) == 2
    journal.close()


@settings(max_examples=30, deadline=None)
@given(cut=st.integers(min_value=1, max_value=400))
def test_a_journal_torn_anywhere_keeps_its_whole_lines_and_can_be_gone_on_with(tmp_path_factory, cut: int) -> None:
    path = tmp_path_factory.mktemp("torn") / "journal.jsonl"
    with _journal(path) as journal:
        for step in range(6):
            journal.metrics(step, {"train/loss": step})
    text = path.read_bytes()
    path.write_bytes(text[: len(text) - min(cut, len(text))])
    whole = path.read_bytes().count(b"\n")
    assert len(read_events(path)) == whole
    with _journal(path) as journal:
        journal.metrics(99, {"train/loss": 0.0})
    events = read_events(path)
    # A line cut just before its newline was whole after all.
    assert len(events) in (whole + 1, whole + 2)
    assert events[-1]["step"] == 99


def test_steps_repeated_after_a_resume_count_once_and_stale_ones_are_dropped(tmp_path: Path) -> None:
    with _journal(tmp_path / "journal.jsonl") as journal:
        journal.start(attempt=1, step=0)
        journal.metrics(10, {"train/loss": 3.0})
        journal.metrics(10, {"val/AP": 0.25})
        journal.metrics(17, {"train/loss": 2.0})
        journal.picture(17, "skeleton", "pictures/a.png", "old")
        journal.start(attempt=2, step=10)
        journal.metrics(20, {"train/loss": 1.0})
        journal.picture(20, "skeleton", "pictures/b.png", "new")
    events = read_events(tmp_path / "journal.jsonl")
    rows = metric_rows(events)
    assert [(row.step, row.values) for row in rows] == [
        (10, {"train/loss": 3.0, "val/AP": 0.25}),
        (20, {"train/loss": 1.0}),
    ]
    assert [row.caption for row in picture_rows(events)] == ["new"]


def test_values_that_are_not_finite_stay_valid_json_and_read_as_nan(tmp_path: Path) -> None:
    with _journal(tmp_path / "journal.jsonl") as journal:
        journal.metrics(1, {"train/loss": math.inf})
    events = read_events(tmp_path / "journal.jsonl")
    assert events[0]["values"] == {"train/loss": None}
    assert math.isnan(metric_rows(events)[0].values["train/loss"])


def test_a_writer_that_lost_its_lease_adds_nothing(tmp_path: Path) -> None:
    def lost() -> None:
        raise RuntimeError("lost")

    journal = Journal(tmp_path / "journal.jsonl", guard=lost)
    with pytest.raises(RuntimeError, match="lost"):
        journal.start(attempt=1, step=0)
    with pytest.raises(RuntimeError, match="lost"):
        journal.close()
    journal.close()
    assert read_events(tmp_path / "journal.jsonl") == []


def test_no_journal_has_no_events(tmp_path: Path) -> None:
    assert read_events(tmp_path / "none") == []
    assert last_event(tmp_path / "none") is None


def test_a_disk_that_fills_up_in_the_middle_of_a_line_leaves_no_part_of_it_and_the_line_can_follow_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = _journal(tmp_path / "journal.jsonl")
    journal.note("before")
    write = os.write

    def full(handle: int, block: bytes) -> int:
        if len(block) < 20:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(handle, block[:10])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space left"):
            journal.note("meanwhile")
    assert (tmp_path / "journal.jsonl").read_bytes().count(b"\n") == 1
    journal.close()
    assert [event["message"] for event in read_events(tmp_path / "journal.jsonl")] == ["before", "meanwhile"]
    assert (tmp_path / "journal.jsonl").read_bytes().endswith(b"\n")
