"""Differences between rows over other pictures and other seeds: intervals, groups, and how many seeds decide.

A difference varies over drawn pictures (paired: every row sees the same draws) and over seeds (paired where rows share
them). An interval's half-width is the root of the sum of the two parts' squared half-widths, each by its own t: exact
where one part is nothing, a little too wide between. `python -m benchmarks.levels` holds the levels by simulation.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

from reports.statistics.differences import holm
from reports.statistics.resampling import LEAST_SEEDS

Floats = NDArray[np.float64]

_LEAST_P = 1e-12


class RowEvidence(NamedTuple):
    """A row's metric by seed, and the same of each draw of pictures [draws], where a run kept what that takes."""

    values: Mapping[int, float]
    drawn: Mapping[int, Floats]


def drawn_pictures(count: int, draws: int) -> NDArray[np.int32]:
    """How often each of so many pictures is in each draw of as many, with replacement: always the same draws."""
    return np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=draws).astype(np.int32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How much `row` has more than `other`, and how sure that is.

    parts: standard error and degrees of freedom by source: "pictures", and "seeds" (three or more) or "pooled seeds",
        the residual over all rows and seeds of the table, as if every row varied alike. Empty where neither is known.
    p_adjusted: p by Holm's method over all comparisons of the table.
    """

    row: str
    other: str
    seeds: int
    mean: float
    parts: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    p_adjusted: float | None = None

    def _reach(self, p: float) -> float:
        """Half the width of the interval that leaves out `p`."""
        widths = [error * float(special.stdtrit(freedom, p / 2)) for error, freedom in self.parts.values()]
        return math.hypot(*widths)

    @property
    def p(self) -> float | None:
        """Two-sided, of no difference: of the widest interval without 0."""
        if not self.parts:
            return None
        if self._reach(_LEAST_P) < abs(self.mean):
            return _LEAST_P
        return float(optimize.brentq(lambda p: self._reach(p) - abs(self.mean), _LEAST_P, 1.0, xtol=1e-15))

    def interval(self, level: float = 0.95) -> tuple[float, float] | None:
        """The two-sided interval of this level."""
        reach = self._reach(1 - level)
        return (self.mean - reach, self.mean + reach) if self.parts else None

    def within(self, margin: float, alpha: float = 0.05) -> bool:
        """Whether the difference is shown to be less than `margin` either way (two one-sided tests)."""
        interval = self.interval(1 - 2 * alpha)
        return interval is not None and -margin < interval[0] and interval[1] < margin


def over_other(comparisons: Iterable[Comparison]) -> str:
    """What intervals and tests are over, in words: all that any of the comparisons is over."""
    sources = dict.fromkeys(source for one in comparisons for source in one.parts)
    return f"over other {' and '.join(one for one in sources if one != 'pooled seeds' or 'seeds' not in sources)}"


def compare_all(rows: Mapping[str, RowEvidence], pairs: Iterable[tuple[str, str]] | None = None) -> list[Comparison]:
    """Of these pairs, by default every two rows, those that share a seed: the later against the earlier, corrected over
    all of them.
    """
    pooled = _pooled_residual(rows)
    pairs = combinations(rows, 2) if pairs is None else pairs
    found = [one for a, b in pairs if (one := _compare(b, a, rows, pooled)) is not None]
    tested = [one for one in found if one.p is not None]
    adjusted = dict(zip(map(id, tested), holm([one.p for one in tested if one.p is not None]), strict=True))
    return [replace(one, p_adjusted=adjusted.get(id(one))) for one in found]


def stands_apart(row: str, rows: Mapping[str, RowEvidence], alpha: float = 0.05) -> bool:
    """Whether a row is told apart from every other, each p times the number of the others below `alpha`.

    The first row that does is best. The second alone would not do: one that varies much may be as good and come last.
    """
    found = compare_all(rows, [(other, row) for other in rows if other != row])
    others = len(rows) - 1
    return 0 < others == len(found) and all(one.p is not None and one.p * others < alpha for one in found)


def _compare(
    row: str, other: str, rows: Mapping[str, RowEvidence], pooled: tuple[float, int] | None
) -> Comparison | None:
    ours, theirs = rows[row], rows[other]
    seeds = sorted(set(ours.values) & set(theirs.values))
    if not seeds:
        return None
    differences = np.array([ours.values[seed] - theirs.values[seed] for seed in seeds])
    parts: dict[str, tuple[float, float]] = {}
    if all(seed in ours.drawn and seed in theirs.drawn for seed in seeds):
        drawn = np.mean([ours.drawn[seed] - theirs.drawn[seed] for seed in seeds], axis=0)
        parts["pictures"] = float(np.nanstd(drawn, ddof=1)), float("inf")
    spread = _seed_spread(differences, pooled)
    if spread is not None:
        parts[spread.source] = spread.std / len(seeds) ** 0.5, spread.freedom
    elif len(seeds) > 1:
        parts = {}  # two seeds vary by nobody knows how much
    parts = {source: part for source, part in parts.items() if part[0] > 0}
    return Comparison(row=row, other=other, seeds=len(seeds), mean=float(differences.mean()), parts=parts)


class SeedSpread(NamedTuple):
    """How much a difference between two rows varies from seed to seed, and what says so."""

    std: float
    freedom: int
    source: str


def _seed_spread(differences: Floats, pooled: tuple[float, int] | None) -> SeedSpread | None:
    if len(differences) >= LEAST_SEEDS:
        return SeedSpread(float(differences.std(ddof=1)), len(differences) - 1, "seeds")
    if len(differences) > 1 and pooled is not None:
        return SeedSpread((2 * pooled[0]) ** 0.5, pooled[1], "pooled seeds")
    return None


def seed_spread(row: str, other: str, rows: Mapping[str, Mapping[int, float]]) -> SeedSpread | None:
    """The spread of one row's differences from another, of all rows' values by seed; None where too few are known."""
    found = {name: RowEvidence(values, {}) for name, values in rows.items() if values}
    if row not in found or other not in found:
        return None
    ours, theirs = rows[row], rows[other]
    differences = np.array([ours[seed] - theirs[seed] for seed in sorted(set(ours) & set(theirs))])
    return _seed_spread(differences, _pooled_residual(found))


def _pooled_residual(rows: Mapping[str, RowEvidence]) -> tuple[float, int] | None:
    """Mean square and degrees of freedom of what rows and seeds leave over; None for fewer than three rows."""
    seeds = sorted(set.intersection(*(set(row.values) for row in rows.values()))) if rows else []
    if len(rows) < 3 or len(seeds) < 2:
        return None
    table = np.array([[row.values[seed] for seed in seeds] for row in rows.values()])
    left = table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()
    freedom = (len(rows) - 1) * (len(seeds) - 1)
    return float((left**2).sum()) / freedom, freedom


def groups(ranked: Sequence[str], comparisons: Sequence[Comparison], alpha: float = 0.05) -> list[tuple[str, ...]]:
    """The largest sets of rows of which no two are told apart, best first (insert and absorb, Piepho 2004)."""
    found = [frozenset(ranked)]
    for one in comparisons:
        if one.p_adjusted is not None and one.p_adjusted < alpha:
            split = [part for group in found for part in _without_pair(group, one.row, one.other)]
            found = [group for group in dict.fromkeys(split) if not any(group < other for other in split)]
    place = {row: n for n, row in enumerate(ranked)}
    return sorted((tuple(sorted(group, key=place.__getitem__)) for group in found), key=lambda rows: place[rows[0]])


def _without_pair(group: frozenset[str], a: str, b: str) -> list[frozenset[str]]:
    return [group - {a}, group - {b}] if {a, b} <= group else [group]


def seeds_to_detect(
    difference: float, std: float, *, comparisons: int = 1, power: float = 0.8, alpha: float = 0.05, most: int = 1000
) -> int:
    """How many seeds let a paired t test tell `difference` with this power, where differences between seeds spread by
    `std`; `most` if even that many do not.

    Corrected over so many `comparisons`: by Bonferroni's method, so that Holm's has this power or more, whatever the
    other comparisons show.
    """
    alpha /= comparisons
    if not std:
        return LEAST_SEEDS
    for seeds in range(LEAST_SEEDS, most):
        shift = abs(difference) / std * seeds**0.5
        critical = stats.t.ppf(1 - alpha / 2, seeds - 1)
        if stats.nct.sf(critical, seeds - 1, shift) + stats.nct.cdf(-critical, seeds - 1, shift) >= power:
            return seeds
    return most
