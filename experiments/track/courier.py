"""A thread that does errands in their order, so that training never waits for a tracker."""

import logging
import queue
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from experiments.track.protocol import Process

log = logging.getLogger(__name__)

GRACE_SECONDS = 5.0  # for what is left to fail, once it cannot succeed


class Courier:
    """Takes errands and returns at once; as a context, waits at the end until they are done.

    All runs of a process share one for each service: what hangs for one run hangs for all, and is waited for once.

    `process` says how the end of the service is waited for, and what ends it when it hangs.
    """

    def __init__(self, process: Process) -> None:
        self._process = process
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
        self._errands.put(self._process.end)
        self._errands.put(None)
        began = time.monotonic()
        thread.join(self._process.patience_seconds)
        if not thread.is_alive():
            return True
        log.warning("a tracker gave no answer for %.0f s and is left behind", time.monotonic() - began)
        self._process.give_up()
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
