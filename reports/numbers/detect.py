"""How many seeds it takes to tell a row from its baseline."""

from dataclasses import dataclass

from reports.numbers.sweep import SweepNumbers
from reports.statistics.evidence import seed_spread, seeds_to_detect


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """Seeds that tell `row` from `baseline` with 80 % power, where the difference spreads by `spread` over seeds.

    The test is a paired t test over seeds, corrected over `comparisons`: all rows of the sweep that have a baseline.
    `basis` says where the spread is from; without one, `seeds` and `spread` are None.
    """

    row: str
    baseline: str
    spread: float | None
    basis: str
    seeds: int | None
    comparisons: int


def needed_seeds(numbers: SweepNumbers, difference: float, spread: float | None = None) -> list[Needed]:
    """For every row with a baseline, by the stated spread or else by that of finished runs."""
    values = {name: one.values for name, one in numbers.measured.items()}
    compared = [row for row in numbers.rows if row.baseline is not None]
    found = []
    for row in compared:
        assert row.baseline is not None
        known, basis = spread, "as stated"
        if known is None and (seen := seed_spread(row.name, row.baseline, values)) is not None:
            known, basis = seen.std, f"{seen.source}, {seen.freedom} degrees of freedom"
        found.append(
            Needed(
                row=row.name,
                baseline=row.baseline,
                spread=known,
                basis="too few finished seeds" if known is None else basis,
                seeds=None if known is None else seeds_to_detect(difference, known, comparisons=len(compared)),
                comparisons=len(compared),
            )
        )
    return found
