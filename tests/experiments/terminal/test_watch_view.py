"""The live view scrolls, filters and draws curves; every run can be reached."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from experiments.machine.use import MachineUse
from experiments.plan.plan import Plan
from experiments.runs.status import Standing
from experiments.runs.store import Store
from experiments.terminal.live import Curves
from experiments.terminal.watch_view import View, frame

IDLE = MachineUse(cpu_percent=12.0, cores=2, memory_used=10**9, memory_total=4 * 10**9, gpus=())
FOUND = [
    Standing(run_id=f"{number:012x}", what=f"row {number:02}", state="finished", value=0.5, step=20, total_steps=20)
    for number in range(40)
]
CURVES = {one.run_id: [(1.0, 0.25), (2.0, 0.5), (3.0, 0.75)] for one in FOUND}


def drawn(view: View, found: list[Standing] = FOUND, *, height: int = 24, width: int = 80) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    shown = frame("A sweep", found, "AP", IDLE, height=height, width=width, view=view, curves=CURVES)
    console.print(shown)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("height", [10, 19, 20, 24, 60])
@pytest.mark.parametrize("width", [80, 160])
def test_a_frame_fits_its_terminal(height: int, width: int) -> None:
    lines = drawn(View(), height=height, width=width)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width


def test_every_run_can_be_reached_and_the_last_is_seen() -> None:
    view, seen = View(), set()
    for _ in FOUND:
        seen.update(line.split()[1] for line in drawn(view) if line.startswith("row "))
        view.press("\x1b[B", FOUND)
    assert seen == {f"{number:02}" for number in range(40)}
    assert any("31-40 of 40 runs" in line for line in drawn(view))
    view.press("g", FOUND)
    assert any("1-10 of 40 runs" in line for line in drawn(view))
    view.press("G", FOUND)
    assert any(line.startswith("row 39") for line in drawn(view))


def test_a_filter_leaves_runs_with_its_text_until_escape() -> None:
    view, found = View(), [replace(FOUND[0], state="failed", note="the lights went out"), *FOUND[1:]]
    for key in "/lightx\x7fs\r":
        view.press(key, found)
    lines = drawn(view, found)
    assert any("1-1 of 1 runs with “lights”" in line for line in lines)
    assert any("the lights went out" in line for line in lines)
    assert not view.press("\x1b", found)
    assert any("of 40 runs" in line for line in drawn(view, found))
    for key in "/q":  # typed, not pressed
        assert not view.press(key, found)
    assert any("no run with “q_”" in line for line in drawn(view, found))
    view.press("\x1b", found)
    assert view.press("q", found)


def test_the_selected_runs_curve_is_drawn_and_hidden_by_c() -> None:
    view = View(selected=3)
    lines = drawn(view)
    assert any(line.startswith(f"{3:012x} row 03:") for line in lines)
    assert any("AP from epoch 1 to 3" in line for line in lines)
    assert [line.split()[0] for line in lines if line.startswith(("    75.0", "    25.0"))] == [
        "75.0",
        "25.0",
    ]
    assert sum("▁▅█" in line for line in lines) == 10
    view.press("c", FOUND)
    assert not any("from epoch" in line for line in drawn(view))


def test_a_curve_is_read_from_the_journal_as_it_grows(plan: Plan, store: Store) -> None:
    run = store.run(plan.teachers[0].run_id)
    one, curves = Standing(run_id=run.run_id, what="teacher", state="running", step=1), Curves(store, "AP")
    assert curves.of([one]) == {run.run_id: ()}
    with run.journal() as journal:
        journal.start(attempt=1, step=0, total_steps=20)
        journal.metrics(10, {"val/AP": 0.25, "val/PCK@0.2": 0.5}, epoch=1)
        journal.sync()
        assert curves.of([one])[run.run_id] == [(1, 0.25)]
        journal.metrics(20, {"val/AP": float("nan")}, epoch=2)
        journal.metrics(20, {"val/AP": 0.5}, epoch=3)
    assert curves.of([one])[run.run_id] == [(1, 0.25), (3, 0.5)]
