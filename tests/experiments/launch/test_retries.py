import signal
from pathlib import Path

import pytest

from experiments.launch.retries import death_note, is_enough, micro_batch, pause, was_preempted
from experiments.runs.store import Failure, FailureKind


def failed(kind: FailureKind, attempts: int, did_not_fit: int | None = None) -> Failure:
    return Failure(attempts=attempts, kind=kind, message="why", did_not_fit=did_not_fit)


@pytest.mark.parametrize(
    ("failure", "enough"),
    [
        (failed("error", 2), False),
        (failed("error", 3), True),
        (failed("killed", 2), False),
        (failed("nan", 1), True),
        (failed("oom", 3, 8), False),
        (failed("oom", 5, 4), True),
        (failed("oom", 1, 1), True),
        (failed("oom", 3), True),  # as an earlier version wrote it
    ],
)
def test_what_may_come_right_is_tried_again_as_often_as_was_said(failure: Failure, enough: bool) -> None:
    assert is_enough(failure, retries=2, memory_retries=4) == enough


def test_what_did_not_fit_is_halved() -> None:
    assert micro_batch([None, failed("error", 1)]) is None
    assert micro_batch([failed("oom", 1, 64), None, failed("error", 2, 16)]) == 8
    assert micro_batch([failed("oom", 1, 1)]) == 1


def test_a_process_asked_to_stop_was_preempted_whether_it_had_time_for_a_checkpoint_or_not() -> None:
    assert all(was_preempted(code) for code in (75, -signal.SIGTERM, -signal.SIGUSR1, -signal.SIGINT))
    assert not any(was_preempted(code) for code in (0, 1, -signal.SIGKILL, -signal.SIGSEGV))


def test_a_death_is_told_by_its_signal_or_code_and_the_last_line(tmp_path: Path) -> None:
    log = tmp_path / "job.log"
    assert "SIGSEGV" in death_note(-signal.SIGSEGV, log)
    log.write_text("one\ntwo\n")
    assert death_note(1, log) == "the process ended with code 1; its last line: two"
    assert "SIGKILL (by hand, or by the system when memory ran out); its last line: two" in death_note(-9, log)
    assert "without finishing" in death_note(0, log)


def test_the_pause_doubles_up_to_a_limit() -> None:
    assert [pause(failed("error", attempts), 5.0) for attempts in (1, 2, 3, 7, 8, 5000)] == [5, 10, 20, 320, 320, 320]
