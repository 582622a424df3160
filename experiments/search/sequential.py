"""When a row has enough seeds: one interval that holds at every look at once, so that looking often deceives nobody.

A repeated confidence interval (Jennison and Turnbull, 1989) with Pocock's constant level (1977): at each look a paired
t interval of the level `per_look`. That level is simulated and not taken from the tables for known variance, which
promise too much for a handful of seeds. `python -m benchmarks.sequential` holds it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from experiments.runs.saved_plan import SavedDecision
from experiments.sweep.seeds import Until

_TABLES = 400_000


def decide(gains: Sequence[float], until: Until, *, comparisons: int = 1) -> SavedDecision:
    """What the looks at a row's gains over its baseline say, one a seed from seed 0 on.

    Gains beyond the last look that is due change nothing. `comparisons` share the level evenly.
    """
    level = per_look(until.looks, until.alpha / comparisons)
    found = SavedDecision(verdict="undecided", seeds=0, wanted=until.looks[0])
    for look, following in zip(until.looks, (*until.looks[1:], until.looks[-1]), strict=True):
        if len(gains) < look or found.verdict != "undecided":
            break
        seen = np.asarray(gains[:look])
        gain, error = float(seen.mean()), float(seen.std(ddof=1)) / look**0.5
        reach, nearer = (error * float(stats.t.isf(tail, look - 1)) for tail in (level / 2, level))
        verdict: Any = "undecided"
        if abs(gain) > reach:
            verdict = "better" if gain > 0 else "worse"
        elif abs(gain) + nearer < until.margin:  # two one-sided tests
            verdict = "equivalent"
        found = SavedDecision(
            verdict=verdict,
            seeds=look,
            wanted=following if verdict == "undecided" else look,
            gain=gain,
            low=gain - reach,
            high=gain + reach,
        )
    return found


@cache
def per_look(looks: tuple[int, ...], alpha: float) -> float:
    """The two-sided level of every look's t test with which any of them rejects a true null hypothesis with `alpha`."""
    if len(looks) == 1:
        return alpha
    return float(np.quantile(_least_p(looks), alpha))


@cache
def _least_p(looks: tuple[int, ...]) -> NDArray[np.float64]:
    """The least p over the looks, of many tables of nothing but chance."""
    random = np.random.default_rng(0)
    least = np.ones(_TABLES)
    total, squares, seen = np.zeros(_TABLES), np.zeros(_TABLES), 0
    for look in looks:
        drawn = random.standard_normal((look - seen, _TABLES))
        total, squares, seen = total + drawn.sum(0), squares + (drawn**2).sum(0), look
        error = np.sqrt((squares - total**2 / look) / (look - 1) / look)
        np.minimum(least, 2 * stats.t.sf(np.abs(total / look) / error, look - 1), out=least)
    return least
