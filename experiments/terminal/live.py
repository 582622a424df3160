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
from experiments.runs.status import Standing, standings
from experiments.runs.store import Store
from experiments.terminal.output import Plain
from experiments.terminal.status_view import frame


def watch(store: Store, plan: SavedPlan, console: Console, *, seconds: float = 2.0) -> None:
    """Show the runs of a saved plan, again every so many seconds, until q or Ctrl-C. Raises ValueError without a
    terminal.
    """
    if not console.is_terminal:
        raise ValueError("status --watch: needs a terminal to draw on, and this is none; status alone prints once")
    found: list[Standing] = []
    title = f"{plan.title}  ({plan.sweep}, profile {plan.profile})"
    try:
        with _keys() as pressed, Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                found = standings(store, plan, found)
                shown = frame(title, found, plan.metric, machine_use(), height=console.size.height)
                live.update(Plain(shown), refresh=True)
                if _ends(pressed, seconds):
                    return
    except KeyboardInterrupt:
        return


def _ends(pressed: Callable[[float], str], seconds: float) -> bool:
    """Whether q was pressed within so many seconds."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        if pressed(left) in ("q", "Q"):
            return True
    return False


@contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """A function that waits so many seconds for a key and returns it, or ''."""
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
