"""The live view of a sweep in a terminal, until a key ends it."""

from __future__ import annotations

import math
import os
import re
import select
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live

from experiments.machine.use import machine_use
from experiments.runs.atomic import DamagedError
from experiments.runs.saved_plan import SavedPlan
from experiments.runs.status import Standing, standings
from experiments.runs.store import Store
from experiments.terminal.output import Plain
from experiments.terminal.watch_view import Curve, View, frame

_KEY = re.compile(r"\x1b\[[0-9;]*[A-Za-z~]|\x1bO.|.", re.DOTALL)


def watch(store: Store, plan: SavedPlan, console: Console, *, seconds: float = 2.0) -> None:
    """Show the runs of a saved plan, again every so many seconds and at every key, until q or Ctrl-C. Raises ValueError
    without a terminal.
    """
    if not console.is_terminal:
        raise ValueError("status --watch: needs a terminal to draw on, and this is none; status alone prints once")
    found: list[Standing] = []
    view, curves = View(), Curves(store, plan.metric)
    title = f"{plan.title}  ({plan.sweep}, profile {plan.profile})"
    try:
        with _keys() as pressed, Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                found, use = standings(store, plan, found), machine_use()
                until = time.monotonic() + seconds
                while True:
                    size = console.size
                    _, rows = view.shown(found, size.height, len(use.gpus))
                    shown = frame(
                        title, found, plan.metric, use,
                        height=size.height, width=size.width, view=view, curves=curves.of(rows),
                    )  # fmt: skip
                    live.update(Plain(shown), refresh=True)
                    keys = pressed(max(0.0, until - time.monotonic()))
                    if any(view.press(key, found) for key in _KEY.findall(keys)):
                        return
                    if time.monotonic() >= until:
                        break
    except KeyboardInterrupt:
        return


class Curves:
    """The curves of runs, each read again only when its journal has grown."""

    def __init__(self, store: Store, metric: str) -> None:
        self._store, self._name = store, f"val/{metric}"
        self._known: dict[str, tuple[int, Curve]] = {}

    def of(self, rows: list[Standing]) -> dict[str, Curve]:
        """The metric by epoch of each of these runs, as far as it can be read."""
        return {one.run_id: self._read(one.run_id) for one in rows if one.step is not None}

    def _read(self, run_id: str) -> Curve:
        run = self._store.run(run_id)
        try:
            size = (run.path / "journal.jsonl").stat().st_size
            if run_id not in self._known or self._known[run_id][0] != size:
                points = [
                    (row.epoch, row.values[self._name])
                    for row in run.metrics()
                    if row.epoch is not None and math.isfinite(row.values.get(self._name, math.nan))
                ]
                self._known[run_id] = size, points
        except (OSError, DamagedError):
            return ()
        return self._known[run_id][1]


@contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """A function that waits so many seconds for keys and returns them, or ''."""
    try:
        import termios
        import tty

        handle = sys.stdin.fileno()
        before = termios.tcgetattr(handle)
    except (ImportError, OSError, ValueError, termios.error):  # not a terminal: Ctrl-C is left
        yield _no_keys
        return
    try:
        tty.setcbreak(handle)
        yield (
            lambda wait: (
                os.read(handle, 64).decode(errors="replace") if select.select([handle], [], [], wait)[0] else ""
            )
        )
    finally:
        termios.tcsetattr(handle, termios.TCSADRAIN, before)


def _no_keys(wait: float) -> str:
    time.sleep(wait)
    return ""
