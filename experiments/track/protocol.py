"""What a service that shows runs must do: the two protocols that a tracker's file implements."""

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from experiments.track.card import RunCard

Status = Literal["finished", "failed", "preempted", "pruned"]
PATIENCE_SECONDS = 75.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A PNG file that can be read."""

    kind: str
    file: Path
    caption: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """All that was measured and drawn at one step, at `time` (seconds since 1970)."""

    step: int
    epoch: float | None
    time: float
    values: dict[str, float]
    pictures: list[Picture] = field(default_factory=list)

    @property
    def numbers(self) -> dict[str, float]:
        """The values, and the epoch as one of them."""
        return self.values if self.epoch is None else {**self.values, "epoch": float(self.epoch)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """Files of a finished run, where they exist; `teacher` is the run id and weights of its teacher."""

    predictions: Path
    weights: Path
    teacher: tuple[str, Path] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """How a service ends with a training: `end` waits for it, `give_up` ends what hangs after `patience_seconds`."""

    patience_seconds: float = PATIENCE_SECONDS
    end: Callable[[], None] = lambda: None
    give_up: Callable[[], None] = lambda: None


def needs(package: str) -> None:
    """Raise ValueError where the package of a tracker, which is also its extra, is not installed."""
    if importlib.util.find_spec(package) is None:
        raise ValueError(f"{package}: is not installed: pip install 'distilpose[{package}]'")


class ServiceRun(Protocol):
    """One run at a service. May wait and may raise; steps come in order, each once."""

    def log(self, step: Step) -> None:
        """Show a step. One that the service has already is passed over."""

    def summary(self, values: Mapping[str, float]) -> None:
        """Show the numbers that the run ends with."""

    def finish(self, status: Status, outputs: Outputs | None) -> None:
        """Say how the run ended, with its files if it finished. Raises where not all of the run arrived."""


class Service(Protocol):
    """A tracker's options, and how it opens runs: a frozen dataclass, whose fields can be set by `--track`."""

    @property
    def place(self) -> str:
        """What tells this destination from others, in the memory of what was sent."""

    @property
    def process(self) -> Process:
        """How it ends with the process."""

    def check(self, *, reach: bool) -> None:
        """Raise ValueError where the service cannot work, ConnectionError where it must be reached and is not."""

    def open(self, card: RunCard, run_dir: Path, *, live: bool) -> ServiceRun | None:
        """Open a run, the same again for the same card; None where the options switch the service off.

        A `live` run is training, so it must not wait long for an answer.
        """
