"""How far our table agrees with the published one: in the order of its rows, and in its improvements."""

import math
from collections.abc import Mapping, Sequence
from itertools import permutations

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr

from reports.records import Agreement, ImprovementAgreement, Interval
from reports.resampling import resample_counts, weighted_interval

Floats = NDArray[np.float64]

_NORMAL_975 = 1.959963984540054
_LEAST_SEEDS = 3


def ranks(values: Sequence[float]) -> Floats:
    """Ranks from 1, ties sharing their mean rank."""
    numbers = np.asarray(values, dtype=np.float64)
    _, place, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    found: Floats = (last - (counts - 1) / 2)[place]
    return found


def pearson(ours: Sequence[float], theirs: Sequence[float]) -> float | None:
    """The correlation; None for fewer than three values or where one side does not vary."""
    if len(ours) < 3:
        return None
    mine, other = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    mine, other = mine - mine.mean(), other - other.mean()
    length = float(np.sqrt((mine**2).sum() * (other**2).sum()))
    if length <= 1e-12:
        return None
    return max(-1.0, min(1.0, float((mine * other).sum() / length)))


def spearman(ours: Sequence[float], theirs: Sequence[float]) -> float | None:
    """Spearman's rank correlation; None for fewer than three rows or where one side is all ties."""
    return pearson(ranks(ours).tolist(), ranks(theirs).tolist())


def correlation_interval(r: float, n: int, *, of_ranks: bool) -> Interval | None:
    """The 95 % interval of a correlation over `n` pairs by Fisher's z; None below four pairs and for r = -1 or 1.

    For rank correlations the standard error is Bonett and Wright's (2000), sqrt((1 + r^2 / 2) / (n - 3)).
    """
    if n < 4 or abs(r) > 1 - 1e-12:
        return None
    error = math.sqrt((1 + r * r / 2 if of_ranks else 1.0) / (n - 3))
    centre = math.atanh(r)
    return Interval(low=math.tanh(centre - _NORMAL_975 * error), high=math.tanh(centre + _NORMAL_975 * error))


def _by_luck(ours: Sequence[float], theirs: Sequence[float], rho: float) -> float:
    """The chance of an agreement this good by luck: exact to eight rows, the t approximation beyond."""
    n = len(ours)
    if n > 8:
        return float(stdtr(n - 2, -rho * np.sqrt((n - 2) / max(1e-12, 1 - rho * rho))))
    mine, other = ranks(ours), ranks(theirs)
    orders = np.array(list(permutations(range(n))))
    return float(np.mean(mine[orders] @ other >= mine @ other - 1e-9))


def _over_seeds(values: Floats, theirs: Sequence[float]) -> Interval | None:
    """The bootstrap interval of the rank correlation: whole seeds [rows, seeds] are drawn again, all rows of each."""
    seeds = values.shape[1]
    if seeds < _LEAST_SEEDS:
        return None
    counts, chances = resample_counts(seeds)
    means = values @ counts.T / seeds
    found = [spearman(column.tolist(), theirs) for column in means.T]
    known = np.array([value is not None for value in found])
    if not known.any():
        return None
    rhos = np.array([value for value in found if value is not None])
    return weighted_interval(rhos, chances[known] / chances[known].sum())


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
        p=_by_luck(means, published, rho),
        per_seed={seed: value for seed, value in by_seed.items() if value is not None},
        over_rows=correlation_interval(rho, len(names), of_ranks=True),
        over_seeds=_over_seeds(values, published),
    )


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
    r = pearson(mine, other)
    return ImprovementAgreement(
        n=len(names),
        same_sign=sum(a * b > 0 for a, b in zip(mine, other, strict=True)),
        pearson=r,
        interval=None if r is None else correlation_interval(r, len(names), of_ranks=False),
        mean_gap=sum(gaps) / len(gaps),
        mean_absolute_gap=sum(map(abs, gaps)) / len(gaps),
    )
