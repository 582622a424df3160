"""How hard losses pulled while training, and the weights at which they would pull as elsewhere."""

from collections.abc import Iterable
from dataclasses import dataclass
from statistics import fmean

from reports.numbers.sweep import RowNumbers, SweepNumbers
from reports.read.reader import RunNumbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """How hard a loss of a row pulls on the shared trunk, `reg` being 1: here, and elsewhere.

    At `factor` times its weight it would pull here as it does there.
    """

    row: str
    loss: str
    here: float
    there: float

    @property
    def factor(self) -> float:
        """A gradient grows with its weight."""
        return self.there / self.here


def pulls_of(runs: Iterable[RunNumbers], numbers: SweepNumbers) -> dict[str, float]:
    """The mean over looks and runs of what the journals hold; see `distilpose.training.pulls.pulls`."""
    found: dict[str, list[float]] = {}
    for run in runs:
        for name, curve in numbers.reader.details(run).curves.items():
            if name.startswith("pull/"):
                found.setdefault(name.removeprefix("pull/"), []).extend(curve.values())
    return {name: fmean(values) for name, values in found.items()}


def compared_pulls(here: SweepNumbers, there: SweepNumbers) -> list[Pull]:
    """Every loss beside `reg` in the rows of one name whose finished runs saw its pulls in both."""
    others = {row.name: row for row in there.rows}
    return [
        Pull(row=row.name, loss=loss, here=pull, there=elsewhere[loss])
        for row in here.rows
        if row.name in others and (elsewhere := _beside_reg(others[row.name], there))
        for loss, pull in _beside_reg(row, here).items()
        if pull > 0 and loss in elsewhere
    ]


def _beside_reg(row: RowNumbers, numbers: SweepNumbers) -> dict[str, float]:
    pulls = pulls_of((run for run in row.drawn_runs if run.finished), numbers)
    norms = {name.removesuffix("_gradient"): value for name, value in pulls.items() if name.endswith("_gradient")}
    reg = norms.pop("reg", 0.0)
    return {loss: norm / reg for loss, norm in norms.items()} if reg else {}
