"""What becomes of a run, case by case."""

import signal
from pathlib import Path

import pytest

from experiments.launch.fates import IDLE_ENDINGS, Ended, Fate, Seen, decide
from experiments.launch.records import LaunchSettings
from experiments.runs.store import Failure, FailureKind

NOW = 1000.0
SETTINGS = LaunchSettings(data_root=lambda data: Path("x"), poll_seconds=0.5, backoff_seconds=8.0)
OPEN, ELSEWHERE = Fate(), Fate(what="elsewhere", not_before=NOW + 5)
TIRED = Fate(idle=IDLE_ENDINGS, step=7)


def failed(attempts: int, kind: FailureKind = "error", did_not_fit: int | None = None) -> Failure:
    return Failure(attempts=attempts, kind=kind, message="why", did_not_fit=did_not_fit)


def seen(failure: Failure) -> Seen:
    return Seen(state="failed", failure=failure)


@pytest.mark.parametrize(
    ("fate", "seen", "next_fate"),
    [
        (OPEN, Seen(state="planned"), OPEN),
        (OPEN, Seen(state="interrupted"), OPEN),
        (OPEN, Seen(state="finished"), Fate(what="finished")),
        (OPEN, Seen(state="running"), ELSEWHERE),
        (ELSEWHERE, Seen(state="interrupted"), Fate(not_before=NOW + 5)),
        (ELSEWHERE, Seen(state="finished"), Fate(what="finished")),
        (OPEN, Seen(state="pruned", prunable=True), Fate(what="pruned")),
        (OPEN, Seen(state="pruned"), OPEN),
        (OPEN, Seen(state="stopped"), Fate(what="stopped")),
        (OPEN, seen(failed(2)), Fate(not_before=NOW)),
        (OPEN, seen(failed(3)), Fate(what="failed", why="why (error, attempt 3)")),
        (OPEN, seen(failed(1, "nan")), Fate(what="failed", why="why (nan, attempt 1)")),
        (OPEN, seen(failed(4, "oom", 8)), Fate(not_before=NOW)),
    ],
)
def test_before_a_start(fate: Fate, seen: Seen, next_fate: Fate) -> None:
    assert decide(fate, seen, SETTINGS, NOW) == next_fate


SAME, NEW = failed(1, "killed"), failed(2)


@pytest.mark.parametrize(
    ("fate", "seen", "ended", "next_fate"),
    [
        # It did what it should, whatever its code.
        (OPEN, Seen(state="finished"), Ended(code=1), Fate(what="finished")),
        (OPEN, Seen(state="pruned", prunable=True), Ended(code=0), Fate(what="pruned")),
        # It failed and said so: the failure is another than when it started.
        (OPEN, seen(failed(1)), Ended(code=1), Fate(not_before=NOW + 8)),
        (OPEN, seen(failed(2)), Ended(code=1, failure_before=failed(1)), Fate(not_before=NOW + 16)),
        (
            OPEN,
            seen(failed(3)),
            Ended(code=1, failure_before=NEW),
            Fate(what="failed", why="why (error, attempt 3)"),
        ),
        # It died without a word: what the store says is older than it.
        (OPEN, Seen(state="planned"), Ended(code=-9), Fate(what="silent")),
        (OPEN, Seen(state="interrupted", step=4), Ended(code=-9), Fate(what="silent", step=4)),
        (OPEN, seen(SAME), Ended(code=-9, failure_before=SAME), Fate(what="silent")),
        (OPEN, seen(SAME), Ended(code=1, failure_before=SAME), Fate(what="silent")),
        # It was asked to stop, or left the run to others: no failure, for a while.
        (OPEN, Seen(state="interrupted", step=4), Ended(code=75), Fate(not_before=NOW + 5, idle=1, step=4)),
        (OPEN, seen(SAME), Ended(code=-signal.SIGTERM, failure_before=SAME), Fate(not_before=NOW + 5, idle=1)),
        (OPEN, Seen(state="planned"), Ended(code=0), Fate(not_before=NOW + 5, idle=1)),
        (OPEN, Seen(state="running"), Ended(code=-9), ELSEWHERE),
        # Not for ever, unless it gets further.
        (TIRED, Seen(state="interrupted", step=7), Ended(code=75), Fate(what="silent", idle=IDLE_ENDINGS, step=7)),
        (TIRED, Seen(state="interrupted", step=7), Ended(code=0), Fate(what="silent", idle=IDLE_ENDINGS, step=7)),
        (TIRED, Seen(state="interrupted", step=8), Ended(code=75), Fate(not_before=NOW + 5, idle=1, step=8)),
    ],
)
def test_after_its_process_ended(fate: Fate, seen: Seen, ended: Ended, next_fate: Fate) -> None:
    assert decide(fate, seen, SETTINGS, NOW, ended) == next_fate


@pytest.mark.parametrize("what", ["open", "elsewhere", "silent", "finished", "pruned", "failed", "blocked"])
def test_what_is_settled_needs_nothing_more(what: str) -> None:
    assert Fate(what=what).settled == (what not in ("open", "elsewhere", "silent"))
