import io
import os
import pty
import select
import signal
import subprocess
import sys

import pytest
from rich.console import Console

from experiments.plan.plan import Plan
from experiments.runs.status import Standing, standings
from experiments.runs.store import Store
from experiments.terminal.live import watch

RESULT = {"metrics": {"AP": 0.5}, "steps": 20, "epochs": 2, "seconds": 1.0}


def test_the_view_follows_runs_as_they_begin_and_finish(plan: Plan, store: Store) -> None:
    seen: list[Standing] = []

    def look() -> list[Standing]:
        seen[:] = standings(store, plan.saved(), seen)
        return seen

    teacher = store.run(plan.teachers[0].run_id)
    assert {one.state for one in look()} == {"planned"}
    with teacher.journal() as journal:
        journal.start(attempt=1, step=0, total_steps=20)
    assert look()[0].state == "interrupted"
    teacher.write_result(RESULT)
    assert look()[0].state == "finished"
    (teacher.path / "result.json").write_text("what is finished is not read again")
    assert look()[0].value == 0.5


def test_without_a_terminal_there_is_no_live_view(plan: Plan, store: Store) -> None:
    with pytest.raises(ValueError, match="needs a terminal"):
        watch(store, plan.saved(), Console(file=io.StringIO()))


@pytest.mark.parametrize("end", [b"q", signal.SIGINT], ids=["q", "Ctrl-C"])
def test_the_live_view_ends_well(plan: Plan, store: Store, end: bytes | int) -> None:
    store.save_plan(plan.saved())
    outer, inner = pty.openpty()
    command = [sys.executable, "-m", "experiments.cli.main", "status", "small", "--profile", "default", "--watch"]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "30"}
    process = subprocess.Popen(
        [*command, "--runs", str(store.root)],
        stdin=inner,
        stdout=inner,
        stderr=inner,
        env=environment,
        # Where the tests run in the background, Ctrl-C is ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    os.close(inner)
    seen = b""
    while b"5 planned" not in seen:
        assert select.select([outer], [], [], 60)[0], seen
        seen += os.read(outer, 4096)
    if isinstance(end, bytes):
        os.write(outer, end)
    else:
        process.send_signal(end)
    try:
        while select.select([outer], [], [], 60)[0] and os.read(outer, 4096):  # what it still draws must go somewhere
            pass
    except OSError:  # the terminal is closed
        pass
    assert process.wait(60) == 0
    assert b"Traceback" not in seen
