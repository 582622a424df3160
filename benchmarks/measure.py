"""Comparing two ways in one run: they take turns, and every figure is a ratio with its spread.

Machines are noisy and shared: seconds of one hour say little about another, the ratio of two neighbours in time does.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

Work = Callable[[], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How a benchmark is run.

    device: where models run: "cpu", "cuda" or "cuda:N".
    rounds: how often each way is timed, after once to warm up.
    quick: small sizes, to see that it works; its figures mean nothing.
    """

    device: str = "cpu"
    rounds: int = 5
    quick: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """How many times less (or, of a growth, more) `what` takes than `against`: the median of each round's ratio.

    aim: what the ratio shall be at least, where something was aimed at.
    note: the seconds, bytes or sizes behind it.
    """

    what: str
    against: str
    ratios: tuple[float, ...]
    aim: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float:
        """The median of the rounds."""
        return statistics.median(self.ratios)

    @property
    def low(self) -> float:
        """The least of the rounds."""
        return min(self.ratios)

    @property
    def high(self) -> float:
        """The most of the rounds."""
        return max(self.ratios)


def compare(
    settings: Settings, what: str, against: str, *, fast: Work, plain: Work, aim: float | None = None, note: str = ""
) -> Figure:
    """How many times less one way takes than the other."""
    seconds = in_turns({"plain": plain, "fast": fast}, settings.rounds, settings.device)
    both = f"{timing(seconds['plain'])}, {timing(seconds['fast'])}"
    return Figure(
        what=what,
        against=against,
        ratios=ratios(seconds["plain"], seconds["fast"]),
        aim=aim,
        note=f"{both}; {note}" if note else both,
    )


def in_turns(ways: Mapping[str, Work], rounds: int, device: str = "cpu") -> dict[str, list[float]]:
    """Seconds of every round of each way, the ways taking turns, after a round to warm up."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, work in ways.items():
            taken = seconds_of(work, device)
            if number:
                seconds[name].append(taken)
    return seconds


def seconds_of(work: Work, device: str = "cpu") -> float:
    """Seconds that this takes, the accelerator's included."""
    wait_for(device)
    begin = time.perf_counter()
    work()
    wait_for(device)
    return time.perf_counter() - begin


def wait_for(device: str) -> None:
    """Wait for what the accelerator still has to do."""
    if device.startswith("cuda"):
        import torch  # late: what measures a process without it imports this too

        torch.cuda.synchronize(torch.device(device))


def most_gigabytes() -> float:
    """The most memory this process has had; getrusage would count its parent's too, which it was for an instant."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 2**20
    raise OSError("/proc/self/status: has no line VmHWM")


def ratios(numerator: Sequence[float], denominator: Sequence[float]) -> tuple[float, ...]:
    """Round by round, one over the other."""
    return tuple(above / below for above, below in zip(numerator, denominator, strict=True))


def timing(seconds: Sequence[float]) -> str:
    """Such as '12.3 ms (12.1 to 13.0)': the median, and the least to the most."""
    middle = statistics.median(seconds)
    factor, unit = (1.0, "s") if middle >= 1 else (1e3, "ms")
    return f"{factor * middle:.3g} {unit} ({factor * min(seconds):.3g} to {factor * max(seconds):.3g})"
