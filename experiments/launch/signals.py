"""Being asked to stop: Ctrl-C, SIGTERM, and SIGUSR1, which batch systems send before a time-out."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

_STOP = (signal.SIGTERM, signal.SIGUSR1)


@contextmanager
def interruptible() -> Iterator[None]:
    """SIGTERM and SIGUSR1 act as Ctrl-C."""

    def interrupt(_: int, __: FrameType | None) -> None:
        raise KeyboardInterrupt

    with _handled(_STOP, interrupt):
        yield


@contextmanager
def asked_to_stop() -> Iterator[list[int]]:
    """A list that fills when this process is asked to stop."""
    asked: list[int] = []

    def ask(number: int, _: FrameType | None) -> None:
        asked.append(number)

    with _handled((signal.SIGINT, *_STOP), ask):
        yield asked


@contextmanager
def _handled(numbers: tuple[signal.Signals, ...], handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Handle signals like this for a while; only in the main thread, the only one they reach."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
