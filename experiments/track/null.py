"""The tracker that shows nothing."""

from collections.abc import Mapping
from pathlib import Path

from experiments.track.protocol import Status


class NullTracker:
    """Takes everything and shows nothing."""

    def metrics(self, step: int, values: Mapping[str, float], *, epoch: float | None = None) -> None:
        """Do nothing."""

    def picture(self, step: int, kind: str, path: Path | str, caption: str, *, epoch: float | None = None) -> None:
        """Do nothing."""

    def summary(self, values: Mapping[str, float]) -> None:
        """Do nothing."""

    def close(self, status: Status) -> None:
        """Do nothing."""
