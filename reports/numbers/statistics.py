"""Means and paired differences: what may be said of a handful of seeds."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from scipy import stats

from reports.numbers.records import Difference, Spread
from reports.numbers.resampling import LEAST_SEEDS, bootstrap_interval, sign_flip_p, smallest_sign_flip_p


def spread(values: Mapping[int, float]) -> Spread:
    """Mean, sample standard deviation and bootstrap interval of one value per seed (at least one).

    Raises:
        ValueError: `values` is empty.
    """
    if not values:
        raise ValueError("values: at least one seed is needed, got none; leave the cell empty instead")
    numbers = np.array([values[seed] for seed in sorted(values)], dtype=np.float64)
    std = float(numbers.std(ddof=1)) if len(numbers) > 1 else None
    return Spread(
        values=dict(sorted(values.items())),
        mean=float(numbers.mean()),
        std=std,
        bootstrap=bootstrap_interval(numbers.tolist()),
    )


def paired_difference(row: Mapping[int, float], baseline: Mapping[int, float]) -> Difference | None:
    """Row minus baseline over the seeds both have, tested; None where they share no seed."""
    return difference({seed: row[seed] - baseline[seed] for seed in sorted(set(row) & set(baseline))})


def difference(pairs: Mapping[int, float]) -> Difference | None:
    """Differences by seed with their 95 % paired t interval, its two-sided p, and the same by resampling.

    None without pairs. One or two pairs have a mean, two a standard deviation, and neither an interval or a p: the
    interval of two is as often a tenth as ten times as wide as it should be. Differences that do not vary at all have
    none either: they say that the seeds change nothing, not that chance is ruled out.
    """
    if not pairs:
        return None
    numbers = np.array(list(pairs.values()), dtype=np.float64)
    n, mean = len(numbers), float(numbers.mean())
    untested = Difference(pairs=pairs, mean=mean, std=None, low=None, high=None, p=None)
    if n == 1:
        return untested
    std = float(numbers.std(ddof=1))
    if std <= 1e-9 * max(1.0, abs(mean)):
        return replace(untested, std=0.0)
    if n < LEAST_SEEDS:
        return replace(untested, std=std)
    tested = stats.ttest_1samp(numbers, 0.0)
    interval = tested.confidence_interval(0.95)
    return Difference(
        pairs=pairs,
        mean=mean,
        std=std,
        low=float(interval.low),
        high=float(interval.high),
        p=float(tested.pvalue),
        flip_p=sign_flip_p(numbers.tolist()),
        least_flip_p=smallest_sign_flip_p(n),
        bootstrap=bootstrap_interval(numbers.tolist()),
    )


def reach(pairs: int) -> float:
    """How many standard errors a 95 % t interval of so many pairs (two or more) reaches to either side."""
    return float(stats.t.ppf(0.975, pairs - 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """The p values after Holm's step-down correction, in the given order (Holm 1979): family-wise error is kept."""
    order = np.argsort(p_values, kind="stable")
    adjusted = [0.0] * len(p_values)
    worst = 0.0
    for rank, position in enumerate(order):
        worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[position]))
        adjusted[position] = worst
    return adjusted


def corrected(differences: Sequence[Difference | None]) -> list[Difference | None]:
    """The differences with both tests corrected by Holm's method over all that could be tested."""
    tested = [position for position, one in enumerate(differences) if one is not None and one.p is not None]
    found = [differences[position] for position in tested]
    by_t = holm([one.p for one in found if one is not None and one.p is not None])
    by_flip = holm([one.flip_p for one in found if one is not None and one.flip_p is not None])
    result = list(differences)
    for position, one, p, flip_p in zip(tested, found, by_t, by_flip, strict=True):
        assert one is not None
        result[position] = replace(one, p_adjusted=p, flip_p_adjusted=flip_p)
    return result
