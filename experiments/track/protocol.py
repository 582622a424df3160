"""What a place must do to show runs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Protocol

Status = Literal["finished", "failed", "preempted", "pruned"]


class Tracker(Protocol):
    """Takes the metrics and pictures of one run, in the order of their steps.

    The journal is the truth and has this shape too. Every other tracker mirrors it and must never stop a run: what goes
    wrong inside one is logged as a warning, once, and the run goes on without it.
    """

    def metrics(self, step: int, values: Mapping[str, float], *, epoch: float | None = None) -> None:
        """Show numbers of a step, under names like "train/loss" and "val/AP"."""

    def picture(self, step: int, kind: str, path: Path | str, caption: str, *, epoch: float | None = None) -> None:
        """Show the picture in a file, whose path is relative to the run's directory (or absolute)."""

    def summary(self, values: Mapping[str, float]) -> None:
        """Show the numbers that the run ends with."""

    def close(self, status: Status) -> None:
        """Say how the run ended, and take no more of it. Closing again is harmless."""
