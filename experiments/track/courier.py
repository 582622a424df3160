"""A thread that does errands in their order, so that training never waits for a mirror."""

import logging
import queue
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 75.0
GRACE_SECONDS = 5.0  # for what is left to fail, once it cannot succeed


class Courier:
    """Takes errands and returns at once; as a context, waits at the end until they are done.

    All trackers of a process share one, since they share the service behind it: what hangs for one hangs for all, and
    is waited for once.

    Args:
        patience_seconds: how long the end waits before it gives up.
        at_end: the last errand.
        give_up: called when patience is over, to end what hangs, so that the process itself can end.
    """

    def __init__(
        self,
        *,
        patience_seconds: float = PATIENCE_SECONDS,
        at_end: Callable[[], None] = lambda: None,
        give_up: Callable[[], None] = lambda: None,
    ) -> None:
        self._patience_seconds, self._at_end, self._give_up = patience_seconds, at_end, give_up
        self._errands: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def send(self, errand: Callable[[], None]) -> None:
        """Have an errand done. One that raises is logged; the next is done all the same."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="courier", daemon=True)
            self._thread.start()
        self._errands.put(errand)

    def close(self) -> bool:
        """Whether everything was done in time. Afterwards it can be used anew."""
        thread, self._thread = self._thread, None
        if thread is None:
            return True
        self._errands.put(self._at_end)
        self._errands.put(None)
        began = time.monotonic()
        thread.join(self._patience_seconds)
        if not thread.is_alive():
            return True
        log.warning("the mirror of the runs gave no answer for %.0f s and is left behind", time.monotonic() - began)
        self._give_up()
        thread.join(GRACE_SECONDS)
        return False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _work(self) -> None:
        while (errand := self._errands.get()) is not None:
            try:
                errand()
            except Exception:
                log.warning("an errand failed", exc_info=True)
