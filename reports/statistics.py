"""Means, paired differences and rank agreement: what may be said of a handful of seeds."""

import math
from collections.abc import Mapping, Sequence
from itertools import permutations

import numpy as np
from scipy.special import stdtr, stdtrit

from reports.records import Agreement, Difference, Spread


def spread(values: Mapping[int, float]) -> Spread:
    """Mean and sample standard deviation of one value per seed (at least one).

    Raises:
        ValueError: `values` is empty.
    """
    if not values:
        raise ValueError("values: at least one seed is needed, got none; leave the cell empty instead")
    numbers = np.array([values[seed] for seed in sorted(values)], dtype=np.float64)
    std = float(numbers.std(ddof=1)) if len(numbers) > 1 else None
    return Spread(values=dict(sorted(values.items())), mean=float(numbers.mean()), std=std)


def paired_difference(row: Mapping[int, float], baseline: Mapping[int, float]) -> Difference | None:
    """Row minus baseline over the seeds both have, with the 95 % paired t interval and its two-sided p.

    None where they share no seed. One pair has a mean and nothing else. Differences that do not vary at all have no
    interval and no p either: they say that the seeds change nothing, not that chance is ruled out.
    """
    seeds = sorted(set(row) & set(baseline))
    if not seeds:
        return None
    pairs = {seed: row[seed] - baseline[seed] for seed in seeds}
    numbers = np.array(list(pairs.values()), dtype=np.float64)
    mean = float(numbers.mean())
    freedom = len(seeds) - 1
    if freedom == 0:
        return Difference(pairs=pairs, mean=mean, std=None, low=None, high=None, p=None)
    std = float(numbers.std(ddof=1))
    if std <= 1e-9 * max(1.0, abs(mean)):
        return Difference(pairs=pairs, mean=mean, std=0.0, low=None, high=None, p=None)
    error = std / math.sqrt(len(seeds))
    width = reach(len(seeds)) * error
    p = float(2 * stdtr(freedom, -abs(mean) / error))
    return Difference(pairs=pairs, mean=mean, std=std, low=mean - width, high=mean + width, p=p)


def reach(pairs: int) -> float:
    """How many standard errors a 95 % t interval of so many pairs (two or more) reaches to either side."""
    return float(stdtrit(pairs - 1, 0.975))


def holm(p_values: Sequence[float]) -> list[float]:
    """The p values after Holm's step-down correction, in the given order (Holm 1979): family-wise error is kept."""
    order = np.argsort(p_values, kind="stable")
    adjusted = [0.0] * len(p_values)
    worst = 0.0
    for rank, position in enumerate(order):
        worst = max(worst, min(1.0, (len(p_values) - rank) * p_values[position]))
        adjusted[position] = worst
    return adjusted


def smallest_sign_flip_p(pairs: int) -> float:
    """The least two-sided p that a sign-flip permutation test of so many pairs can reach: it assumes no normality."""
    return min(1.0, 2.0 ** (1 - pairs))


def _ranks(values: Sequence[float]) -> np.ndarray:
    """Ranks from 1, ties sharing their mean rank."""
    numbers = np.asarray(values, dtype=np.float64)
    below = (numbers[None, :] < numbers[:, None]).sum(axis=1)
    equal = (numbers[None, :] == numbers[:, None]).sum(axis=1)
    ranks: np.ndarray = below + (equal + 1) / 2
    return ranks


def spearman(ours: Sequence[float], theirs: Sequence[float]) -> float | None:
    """Spearman's rank correlation; None for fewer than three rows or where one side is all ties."""
    if len(ours) < 3:
        return None
    mine, other = _ranks(ours) - (len(ours) + 1) / 2, _ranks(theirs) - (len(theirs) + 1) / 2
    length = float(np.sqrt((mine**2).sum() * (other**2).sum()))
    return float((mine * other).sum() / length) if length > 0 else None


def _agreement_p(ours: Sequence[float], theirs: Sequence[float], rho: float) -> float:
    """The chance of an agreement this good by luck: exact to eight rows, the t approximation beyond."""
    n = len(ours)
    if n > 8:
        return float(stdtr(n - 2, -rho * np.sqrt((n - 2) / max(1e-12, 1 - rho * rho))))
    mine, other = _ranks(ours), _ranks(theirs)
    orders = np.array(list(permutations(range(n))))
    return float(np.mean(mine[orders] @ other >= mine @ other - 1e-9))


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
    return Agreement(
        rho=rho,
        n=len(names),
        p=_agreement_p(means, published, rho),
        per_seed={seed: value for seed, value in by_seed.items() if value is not None},
    )
