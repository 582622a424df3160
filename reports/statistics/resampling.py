"""Bootstrap intervals and sign-flip tests of a handful of seeds, exact where that is feasible."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations_with_replacement
from math import factorial

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]

_EXACT_BOOTSTRAP = 8
_RESAMPLES = 20_000
LEAST_SEEDS = 3
"""Fewer seeds have no interval, no test and no verdict."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Two bounds."""

    low: float
    high: float


@cache
def resample_counts(n: int) -> tuple[Floats, Floats]:
    """How often each of n values is drawn [draws, n], and the chance of each draw: all draws to n = 8, else 20,000."""
    if n > _EXACT_BOOTSTRAP:
        drawn = np.random.default_rng(n).multinomial(n, np.full(n, 1 / n), size=_RESAMPLES)
        return drawn.astype(np.float64), np.full(_RESAMPLES, 1 / _RESAMPLES)
    counts = np.array([np.bincount(draw, minlength=n) for draw in combinations_with_replacement(range(n), n)])
    ways = np.array([factorial(n) / np.prod([factorial(count) for count in row]) for row in counts.tolist()])
    return counts.astype(np.float64), ways / n**n


def weighted_interval(values: Floats, chances: Floats) -> Interval:
    """The central 95 % of a distribution of `values` with their `chances`."""
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(chances[order])
    low, high = np.searchsorted(reached, [0.025 - 1e-12, 0.975 - 1e-12])
    return Interval(low=float(values[order[low]]), high=float(values[order[min(high, len(order) - 1)]]))


def bootstrap_interval(values: Sequence[float]) -> Interval | None:
    """The 95 % percentile bootstrap interval of the mean; None for fewer than three values.

    With few values it is too narrow: its ends are close to the least and the greatest value. Unlike
    `scipy.stats.bootstrap`, it counts every draw to n = 8, and so has no noise of its own.
    """
    n = len(values)
    if n < LEAST_SEEDS:
        return None
    counts, chances = resample_counts(n)
    return weighted_interval(counts @ np.asarray(values, dtype=np.float64) / n, chances)


def sign_flip_p(differences: Sequence[float]) -> float:
    """The two-sided p of the sign-flip test: how often random signs give a mean as far from 0.

    Exact to 14 differences; beyond, from 20,000 random patterns. Its least value is 2 / 2^n: fewer than six differences
    cannot reach 0.05.
    """
    values = np.asarray(differences, dtype=np.float64)
    tested = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", vectorized=True, n_resamples=_RESAMPLES, rng=len(values)
    )
    return float(tested.pvalue)


def smallest_sign_flip_p(pairs: int) -> float:
    """The least two-sided p that a sign-flip test of so many pairs can reach."""
    return min(1.0, 2.0 ** (1 - pairs) if 2**pairs <= _RESAMPLES else 2 / (_RESAMPLES + 1))
