"""Messages about a launch to an address or a command of the user's: never waited for, never fatal."""

from __future__ import annotations

import json
import logging
import os
import queue
import shlex
import shutil
import subprocess
import threading
import urllib.request
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from experiments.launch.records import LaunchProgress, Outcome
from experiments.runs.saved_plan import SavedPlan

log = logging.getLogger(__name__)

SECONDS = 10.0  # that one message, and at the end all of them, may take
MESSAGE = "DISTILPOSE_MESSAGE"


def check_target(target: str) -> None:
    """Raise ValueError for what is neither an http(s) address nor a command that is there.

    An address may hold a secret, and is not repeated.
    """
    if "://" in target or target.lower().startswith(("http:", "https:")):
        try:
            address = urlsplit(target)
            sound = address.scheme in ("http", "https") and bool(address.hostname) and (address.port or 1) > 0
        except ValueError:
            sound = False
        if not sound or any(not letter.isprintable() or letter == " " for letter in target):
            raise ValueError(
                "--notify: must be an address such as https://HOST/PATH, or a command, got another address"
            )
        return
    try:
        words = shlex.split(target)
    except ValueError as error:
        raise ValueError(f"--notify: must be an address or a command: {error}") from None
    if not words or shutil.which(words[0]) is None:
        raise ValueError(f"--notify: there is no such command, got {(words or [''])[0]!r:.80}")


class Notifier:
    """Tells targets when a run failed, a row was decided, and the sweep ended. As a context, waits a little at the end.

    Each message is JSON: event, sweep, profile, message, and what it is about. An address gets it as a POST; a command
    on its standard input, and the text as DISTILPOSE_MESSAGE.
    """

    def __init__(self, targets: Sequence[str], plan: SavedPlan) -> None:
        self._plan, self._names = plan, plan.run_names
        self._failed: set[str] | None = None
        self._decided = self._verdicts(plan)
        self._lines = [_Line(target) for target in targets]

    def progress(self, progress: LaunchProgress) -> None:
        """Tell of the runs that failed since the last call; those that had failed before the first are old news."""
        before = progress.failed.keys() if self._failed is None else self._failed
        for run_id, why in progress.failed.items():
            if run_id not in before:
                text = f"{self._names.get(run_id, run_id)} failed: {why}"
                self._tell("run failed", text, run=run_id, why=why)
        self._failed = set(progress.failed)

    def grown(self, plan: SavedPlan) -> None:
        """Tell of the rows that a growing sweep has decided since the last call."""
        self._names = plan.run_names
        verdicts = self._verdicts(plan)
        for row, verdict in verdicts.items():
            if row not in self._decided:
                self._tell("row decided", f"{row} is {verdict}", row=row, verdict=verdict)
        self._decided = verdicts

    def ended(self, outcome: Outcome) -> None:
        """Tell how the sweep ended."""
        how = "was interrupted" if outcome.interrupted else "is finished" if outcome.complete else "ended unfinished"
        counts = {"finished": len(outcome.finished), "failed": len(outcome.failed), "runs": outcome.total}
        text = f"{counts['finished']} of {counts['runs']} runs finished, {counts['failed']} failed"
        text += f", {len(outcome.stopped)} stopped" if outcome.stopped else ""
        self._tell("sweep ended", f"{how}: {text}", **counts)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if error is not None:
            self._tell("sweep ended", f"ended by {type(error).__name__}")
        for line in self._lines:
            line.close()

    @staticmethod
    def _verdicts(plan: SavedPlan) -> dict[str, str]:
        decisions = {} if plan.until is None else plan.until.decisions
        return {row: one.verdict for row, one in decisions.items() if one.verdict != "undecided"}

    def _tell(self, event: str, text: str, **more: Any) -> None:
        named = {"sweep": self._plan.sweep, "profile": self._plan.profile}
        message = f"{self._plan.sweep} ({self._plan.profile}): {text}"
        for line in self._lines:
            line.messages.put({"event": event, **named, "message": message, **more})


class _Line:
    """One target, and the thread that sends to it, one message after another."""

    def __init__(self, target: str) -> None:
        self._target = target
        self.messages: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._send_all, daemon=True, name="notify")
        self._thread.start()

    def close(self) -> None:
        """Let the last messages go, for a little while."""
        self.messages.put(None)
        self._thread.join(SECONDS)
        if self._thread.is_alive():
            log.warning("--notify: the last messages had not gone after %.0f s, and are lost", SECONDS)

    def _send_all(self) -> None:
        while (message := self.messages.get()) is not None:
            try:
                _send(self._target, message)
            except Exception as error:  # whatever it is, the launch goes on; its text may hold the address
                log.warning("--notify: a message was not taken: %s", _kind(error))


def _send(target: str, message: Mapping[str, Any]) -> None:
    body = json.dumps(message).encode()
    if "://" in target:
        request = urllib.request.Request(target, body, {"Content-Type": "application/json"}, method="POST")
        with urllib.request.urlopen(request, timeout=SECONDS):
            return
    subprocess.run(
        shlex.split(target),
        input=body,
        env={**os.environ, MESSAGE: str(message["message"])},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        timeout=SECONDS,
        check=True,
        start_new_session=True,  # Ctrl-C is for the launch
    )


def _kind(error: Exception) -> str:
    """What went wrong, without the address or the command."""
    code = getattr(error, "code", getattr(error, "returncode", None))
    return type(error).__name__ if code is None else f"{type(error).__name__}, code {code}"
