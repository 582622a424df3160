"""What a launch does next with a run: a pure function of what is known of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from experiments.launch.records import LaunchSettings
from experiments.launch.retries import is_enough, pause, was_preempted
from experiments.runs.job import FINISHED
from experiments.runs.store import Failure, State

IDLE_ENDINGS = 10
"""How many processes in a row may end without a failure and without a step of the run, before that is a failure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fate:
    """Where a run stands in one launch.

        open: it can start, but not before `not_before` (monotonic clock).
        elsewhere: another launch's process holds it; look again after `not_before`.
        silent: its process died without writing a failure.
        finished, pruned, stopped by the user, failed (`why`), blocked (its teacher is not there): settled.

    `idle` processes in a row ended without a failure and without progress beyond `step`.
    """

    what: Literal["open", "elsewhere", "silent", "finished", "pruned", "stopped", "failed", "blocked"] = "open"
    why: str = ""
    not_before: float = 0.0
    idle: int = 0
    step: int = 0

    @property
    def settled(self) -> bool:
        """Whether the run needs nothing more."""
        return self.what in ("finished", "pruned", "stopped", "failed", "blocked")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the store says of a run; `step` is how far its journal goes. A `prunable` run is done once a search pruned
    it.
    """

    state: State
    damage: str | None = None
    failure: Failure | None = None
    step: int = 0
    prunable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How the run's process ended, and the failure that was in the store when it started."""

    code: int
    failure_before: Failure | None = None


def decide(fate: Fate, seen: Seen, settings: LaunchSettings, now: float, ended: Ended | None = None) -> Fate:
    """The run's next fate: before a start, or, with `ended`, after its process of this launch.

    A failure counts as the process's own only if it was not in the store when the process started.
    """
    if seen.state == "finished":
        return Fate(what="finished")
    if seen.damage is not None:
        return Fate(what="failed", why=seen.damage)
    if seen.state == "pruned" and seen.prunable:
        return Fate(what="pruned")
    if seen.state == "stopped":
        return Fate(what="stopped")
    if seen.state == "running":
        return replace(fate, what="elsewhere", not_before=soon(settings, now))
    if seen.failure is not None and (ended is None or seen.failure != ended.failure_before):
        if is_enough(seen.failure, retries=settings.retries, memory_retries=settings.memory_retries):
            return Fate(what="failed", why=reason(seen.failure))
        wait = 0.0 if ended is None else pause(seen.failure, settings.backoff_seconds)
        return replace(fate, what="open", not_before=now + wait)
    if ended is None:
        return replace(fate, what="open")
    fate = replace(fate, idle=fate.idle if seen.step <= fate.step else 0, step=seen.step)
    if fate.idle < IDLE_ENDINGS and (ended.code == FINISHED or was_preempted(ended.code)):
        return replace(fate, what="open", not_before=soon(settings, now), idle=fate.idle + 1)
    return replace(fate, what="silent")


def soon(settings: LaunchSettings, now: float) -> float:
    """When to look again at a run that another process may hold."""
    return now + 10 * settings.poll_seconds


def reason(failure: Failure) -> str:
    """A failure for people."""
    return f"{failure.message} ({failure.kind}, attempt {failure.attempts})"
