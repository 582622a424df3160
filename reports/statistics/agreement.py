"""How far our table agrees with the published one: in the order of its rows, and in its improvements."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from reports.statistics.resampling import LEAST_SEEDS, Interval, resample_counts, weighted_interval

Floats = NDArray[np.float64]

_EXACT_ROWS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How our order of the rows agrees with the paper's: Spearman's rank correlation.

    `p` is the chance that a random order of `n` rows agrees at least as well. `over_rows` is the 95 % interval for
    rows drawn from many like them (None below four rows, and for a perfect correlation); `over_seeds` the 95 %
    bootstrap interval for these rows and other seeds (None below three seeds). `per_seed` holds the same correlation
    for every seed that finished all `n` rows.
    """

    rho: float
    n: int
    p: float
    per_seed: Mapping[int, float]
    over_rows: Interval | None
    over_seeds: Interval | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ImprovementAgreement:
    """How our improvements over the baseline agree with the paper's, over the `n` rows that have both.

    `pearson` is None below three rows or where one side does not vary; `interval` is Fisher's, from four rows on. The
    gaps are ours minus the paper's, on average over the rows; they mean little where the two measure different things.
    """

    n: int
    same_sign: int
    pearson: float | None
    interval: Interval | None
    mean_gap: float
    mean_absolute_gap: float


def spearman(ours: Sequence[float], theirs: Sequence[float]) -> float | None:
    """Spearman's rank correlation; None for fewer than three rows or where one side is all ties."""
    if len(ours) < 3 or len(set(ours)) == 1 or len(set(theirs)) == 1:
        return None
    return float(stats.spearmanr(ours, theirs).statistic)


def rank_interval(rho: float, n: int) -> Interval | None:
    """The 95 % interval of a rank correlation over `n` rows; None below four, and for rho = -1 or 1.

    Fisher's z with Bonett and Wright's (2000) standard error, sqrt((1 + rho^2 / 2) / (n - 3)).
    """
    if n < 4 or abs(rho) > 1 - 1e-12:
        return None
    width = stats.norm.ppf(0.975) * math.sqrt((1 + rho * rho / 2) / (n - 3))
    low, high = (math.tanh(math.atanh(rho) + end) for end in (-width, width))
    return Interval(low=low, high=high)


def _by_luck(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The one-sided p: how often a random order agrees at least as well; exact to eight rows, approximated beyond."""
    if len(ours) > _EXACT_ROWS:
        return float(stats.spearmanr(ours, theirs, alternative="greater").pvalue)
    published = stats.rankdata(theirs)

    def likeness(ranks: Floats, axis: int) -> Floats:
        found: Floats = (ranks * published).sum(axis)
        return found

    tested = stats.permutation_test(
        (stats.rankdata(ours),), likeness, permutation_type="pairings", vectorized=True, n_resamples=np.inf,
        alternative="greater",
    )  # fmt: skip
    return float(tested.pvalue)


def _over_seeds(values: Floats, theirs: Sequence[float]) -> Interval | None:
    """The bootstrap interval of the rank correlation: whole seeds [rows, seeds] are drawn again, all rows of each."""
    seeds = values.shape[1]
    if seeds < LEAST_SEEDS:
        return None
    counts, chances = resample_counts(seeds)
    means = values @ counts.T / seeds
    varied = np.ptp(means, axis=0) > 0
    if not varied.any():
        return None
    published = stats.rankdata(theirs)[:, None]
    rhos = stats.pearsonr(stats.rankdata(means[:, varied], axis=0), published, axis=0).statistic
    return weighted_interval(rhos, chances[varied] / chances[varied].sum())


def rank_agreement(ours: Mapping[str, Mapping[int, float]], theirs: Mapping[str, float]) -> Agreement | None:
    """How the order of the rows' means agrees with the paper's, over the rows both have; None below three such rows.

    Args:
        ours: for each row, the value of each seed.
        theirs: for each row, the paper's value.
    """
    names = [name for name in ours if ours[name] and name in theirs]
    means = [float(np.mean(list(ours[name].values()))) for name in names]
    published = [theirs[name] for name in names]
    rho = spearman(means, published)
    if rho is None:
        return None
    complete = sorted(set.intersection(*(set(ours[name]) for name in names)))
    by_seed = {seed: spearman([ours[name][seed] for name in names], published) for seed in complete}
    values = np.array([[ours[name][seed] for seed in complete] for name in names], dtype=np.float64)
    return Agreement(
        rho=rho,
        n=len(names),
        p=_by_luck(means, published),
        per_seed={seed: value for seed, value in by_seed.items() if value is not None},
        over_rows=rank_interval(rho, len(names)),
        over_seeds=_over_seeds(values, published),
    )


def _bounds(correlation: Any) -> Interval | None:
    """Fisher's 95 % interval of scipy's correlation; None where it bounds nothing."""
    low, high = correlation.confidence_interval(0.95)
    return Interval(low=float(low), high=float(high)) if -1 < low < high < 1 else None


def improvement_agreement(ours: Mapping[str, float], theirs: Mapping[str, float]) -> ImprovementAgreement | None:
    """How our improvements agree with the paper's, over the rows both have; None where there is no such row.

    Args:
        ours: for each row, our mean improvement over the baseline.
        theirs: for each row, the paper's.
    """
    names = [name for name in ours if name in theirs]
    if not names:
        return None
    mine, other = [ours[name] for name in names], [theirs[name] for name in names]
    gaps = [a - b for a, b in zip(mine, other, strict=True)]
    varied = len(names) > 2 and min(np.ptp(mine), np.ptp(other)) > 1e-9
    close = stats.pearsonr(mine, other) if varied else None
    return ImprovementAgreement(
        n=len(names),
        same_sign=sum(a * b > 0 for a, b in zip(mine, other, strict=True)),
        pearson=None if close is None else float(close.statistic),
        interval=None if close is None else _bounds(close),
        mean_gap=sum(gaps) / len(gaps),
        mean_absolute_gap=sum(map(abs, gaps)) / len(gaps),
    )
