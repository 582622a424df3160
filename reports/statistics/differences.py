"""Means over seeds, and paired differences with their tests."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from reports.statistics.resampling import LEAST_SEEDS, Interval, bootstrap_interval, sign_flip_p, smallest_sign_flip_p

SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Mean and sample standard deviation over seeds; `std` is None for a single seed.

    `bootstrap` is the 95 % percentile bootstrap interval of the mean; None for fewer than three seeds.
    """

    values: Mapping[int, float]
    mean: float
    std: float | None
    bootstrap: Interval | None = None

    @property
    def n(self) -> int:
        """How many seeds finished."""
        return len(self.values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One row minus another, paired by seed.

    `interval` is the 95 % paired t interval, `p` its two-sided test, `flip_p` the two-sided sign-flip test, which
    assumes no normal distribution and cannot go below `least_flip_p`; `..._adjusted` are the same after Holm's
    correction over the rows of the table. `bootstrap` is the 95 % percentile bootstrap interval. All are None for fewer
    than three pairs, and where the pairs do not vary.
    """

    pairs: Mapping[int, float]
    mean: float
    std: float | None
    interval: Interval | None = None
    p: float | None = None
    p_adjusted: float | None = None
    flip_p: float | None = None
    flip_p_adjusted: float | None = None
    least_flip_p: float | None = None
    bootstrap: Interval | None = None

    @property
    def n(self) -> int:
        """How many seeds both finished."""
        return len(self.pairs)

    @property
    def significant(self) -> bool:
        """Whether the difference was tested and its adjusted p is below 0.05."""
        return self.p_adjusted is not None and self.p_adjusted < SIGNIFICANT


def spread(values: Mapping[int, float]) -> Spread:
    """Mean, sample standard deviation and bootstrap interval of one value per seed (at least one).

    Raises:
        ValueError: `values` is empty.
    """
    if not values:
        raise ValueError("values: at least one seed is needed, got none; leave the cell empty instead")
    by_seed = dict(sorted(values.items()))
    numbers = np.array(list(by_seed.values()), dtype=np.float64)
    std = float(numbers.std(ddof=1)) if len(numbers) > 1 else None
    return Spread(values=by_seed, mean=float(numbers.mean()), std=std, bootstrap=bootstrap_interval(numbers.tolist()))


def paired_difference(row: Mapping[int, float], baseline: Mapping[int, float]) -> Difference | None:
    """Row minus baseline over the seeds both have, tested; None where they share no seed."""
    return difference({seed: row[seed] - baseline[seed] for seed in sorted(set(row) & set(baseline))})


def mean_difference(row: Mapping[int, float], baseline: Mapping[int, float]) -> float | None:
    """The mean of row minus baseline over the seeds both have, untested; None where they share no seed."""
    shared = sorted(set(row) & set(baseline))
    return float(np.mean([row[seed] - baseline[seed] for seed in shared])) if shared else None


def difference(pairs: Mapping[int, float]) -> Difference | None:
    """Differences by seed with their 95 % paired t interval, its two-sided p, and the same by resampling.

    None without pairs. One or two pairs have no interval and no p: the interval of two is as often a tenth as ten times
    as wide as it should be. Neither have differences that do not vary at all: the seeds change nothing, which does not
    rule chance out.
    """
    if not pairs:
        return None
    numbers = np.array(list(pairs.values()), dtype=np.float64)
    n, mean = len(numbers), float(numbers.mean())
    std = float(numbers.std(ddof=1)) if n > 1 else None
    if std is not None and std <= 1e-9 * max(1.0, abs(mean)):
        std = 0.0
    if n < LEAST_SEEDS or not std:
        return Difference(pairs=pairs, mean=mean, std=std)
    tested = stats.ttest_1samp(numbers, 0.0)
    interval = tested.confidence_interval(0.95)
    return Difference(
        pairs=pairs,
        mean=mean,
        std=std,
        interval=Interval(low=float(interval.low), high=float(interval.high)),
        p=float(tested.pvalue),
        flip_p=sign_flip_p(numbers.tolist()),
        least_flip_p=smallest_sign_flip_p(n),
        bootstrap=bootstrap_interval(numbers.tolist()),
    )


def holm(p_values: Sequence[float | None]) -> list[float]:
    """The p values after Holm's step-down correction, in the given order (Holm 1979)."""
    known = np.array(p_values, dtype=np.float64)
    order = np.argsort(known, kind="stable")
    adjusted = np.empty_like(known)
    adjusted[order] = np.maximum.accumulate(known[order] * np.arange(len(known), 0, -1)).clip(max=1.0)
    return list(map(float, adjusted))


def corrected(differences: Sequence[Difference | None]) -> list[Difference | None]:
    """The differences with both tests corrected by Holm's method over all that could be tested."""
    tested = {place: one for place, one in enumerate(differences) if one is not None and one.p is not None}
    by_t, by_flip = holm([one.p for one in tested.values()]), holm([one.flip_p for one in tested.values()])
    result = list(differences)
    for (place, one), p, flip_p in zip(tested.items(), by_t, by_flip, strict=True):
        result[place] = replace(one, p_adjusted=p, flip_p_adjusted=flip_p)
    return result
