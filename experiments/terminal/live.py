"""The live view of a sweep in a terminal, until a key ends it."""

from __future__ import annotations

import os
import select
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live

from experiments.machine.use import machine_use
from experiments.runs.saved_plan import SavedPlan
from experiments.runs.status import Standing, standing
from experiments.runs.store import Store
from experiments.terminal.output import Plain
from experiments.terminal.status_view import frame


class Watcher:
    """Looks at a plan's runs again and again; a finished run, which changes no more, is read once."""

    def __init__(self, store: Store, plan: SavedPlan) -> None:
        self._store, self._metric, self._names = store, plan.metric, plan.run_names
        self._finished: dict[str, Standing] = {}

    def look(self) -> list[Standing]:
        """Where every run stands now."""
        there = self._store.names()
        return [self._look_at(run_id, what, there) for run_id, what in self._names.items()]

    def _look_at(self, run_id: str, what: str, there: set[str]) -> Standing:
        if run_id in self._finished:
            return self._finished[run_id]
        if run_id not in there:
            return Standing(run_id=run_id, what=what, state="planned")
        found = standing(self._store.run(run_id), what, self._metric)
        if found.state == "finished":
            self._finished[run_id] = found
        return found


def watch(store: Store, plan: SavedPlan, console: Console, *, seconds: float = 2.0) -> None:
    """Show where the runs of a saved plan stand, every so many seconds, until q or Ctrl-C.

    Raises ValueError where there is no terminal to draw on.
    """
    if not console.is_terminal:
        raise ValueError("status --watch: needs a terminal to draw on, and this is none; status alone prints once")
    watcher = Watcher(store, plan)
    title = f"{plan.title}  ({plan.sweep}, profile {plan.profile})"
    try:
        with _keys() as pressed, Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                shown = frame(title, watcher.look(), plan.metric, machine_use(), height=console.size.height)
                live.update(Plain(shown), refresh=True)
                if _ends(pressed, seconds):
                    return
    except KeyboardInterrupt:
        return


def _ends(pressed: Callable[[float], str], seconds: float) -> bool:
    """Whether q was pressed within so many seconds; True at once where it was."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if pressed(left) in ("q", "Q"):
            return True
    return False


@contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """A function that waits so many seconds for a key and returns it, or ''; keys are read one by one, unseen."""
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
            lambda wait: os.read(handle, 1).decode(errors="replace") if select.select([handle], [], [], wait)[0] else ""
        )
    finally:
        termios.tcsetattr(handle, termios.TCSADRAIN, before)


def _no_keys(wait: float) -> str:
    time.sleep(wait)
    return ""
