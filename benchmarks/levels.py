"""The levels that a report's tests promise, held by simulation: `python -m benchmarks.levels`.

Tables are made up in which no row is better than another in the long run. Printed is in what share of them some row is
said to be (`some`, after the report's correction, where it has one), how often one comparison says so (`one`, without),
and how often a 95 % interval misses the truth. Each should be at most 0.05, but for the error of so many tables. Shares
named `told` are of true differences: the power.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from itertools import chain, combinations
from math import asin, pi
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from reports.statistics.agreement import improvement_agreement, rank_agreement, spearman
from reports.statistics.differences import Difference, corrected, holm, paired_difference
from reports.statistics.evidence import RowEvidence, compare_all, drawn_pictures, seeds_to_detect, stands_apart
from reports.statistics.loss_effects import loss_effects
from reports.statistics.resampling import Interval

Floats = NDArray[np.float64]
Shares = dict[str, float]  # of one table: 1 where it errs, a share where it has several, NaN where it says nothing
PICTURES, DRAWS = 200, 200
LEVEL = 0.05


class World(NamedTuple):
    """How much rows vary: standard deviations over seeds, pictures (each row's own part), and both together."""

    name: str
    seeds: float
    pictures: float
    both: float


WORLDS = (
    World("seeds vary most", 1.0, 3.0, 3.0),
    World("pictures vary most", 0.1, 10.0, 3.0),
    World("both alike", 1.0, 14.0, 10.0),
)
BOTH = WORLDS[-1]


@cache
def draws() -> Floats:
    """The weight of each picture in each draw."""
    return drawn_pictures(PICTURES, DRAWS) / PICTURES


def made_up(
    random: np.random.Generator, world: World, *, rows: int, seeds: int, uneven: float = 1.0, behind: float = 0.0
) -> dict[str, RowEvidence]:
    """Rows that are alike over other pictures and other seeds, or over other pictures alone where there is one seed.

    The first row varies `uneven` times as much as each other, and all after the second are worse by `behind`.
    """
    each = np.array([uneven] + [1.0] * (rows - 1))[:, None, None]
    by_seed = random.normal(0, world.seeds if seeds > 1 else 0.0, (rows, seeds, 1)) * each
    own = random.normal(0, world.pictures, (rows, 1, PICTURES)) * each
    both = random.normal(0, world.both, (rows, seeds, PICTURES)) * each
    seen = by_seed + own + both + random.normal(0, 20, PICTURES)
    seen[2:] -= behind
    return {
        str(row): RowEvidence(dict(enumerate(values.mean(1).tolist())), dict(enumerate(values @ draws().T)))
        for row, values in enumerate(seen)
    }


def evidence(
    random: np.random.Generator, world: World, *, rows: int, seeds: int, pairs: Sequence[tuple[str, str]] | None = None
) -> Shares:
    """Rows over other pictures and other seeds."""
    found = compare_all(made_up(random, world, rows=rows, seeds=seeds), pairs)
    intervals = [interval for one in found if (interval := one.interval()) is not None]
    return {
        "some": min(one.p_adjusted or 0.0 for one in found) < LEVEL,
        "one": float(np.mean([(one.p or 0.0) < LEVEL for one in found])),
        "interval misses": float(np.mean([not low <= 0 <= high for low, high in intervals])),
    }


def best(random: np.random.Generator, world: World, *, rows: int, seeds: int, uneven: float) -> Shares:
    """Two rows as good as each other, and better than the rest: is one called best?"""
    table = made_up(random, world, rows=rows, seeds=seeds, uneven=uneven, behind=5.0)
    first = max(table, key=lambda row: float(np.mean(list(table[row].values.values()))))
    return {"some": stands_apart(first, table)}


def paired(random: np.random.Generator, *, rows: int, seeds: int) -> Shares:
    """Rows that all share their baseline's chance, over seeds alone."""
    values = random.normal(0, 1, (rows + 1, seeds))
    by_seed = [dict(enumerate(row)) for row in values.tolist()]
    found = [one for row in by_seed[1:] if (one := paired_difference(row, by_seed[0])) is not None]
    after = [one for one in corrected(found) if one is not None]
    return {
        "t: some": min(one.p_adjusted or 0.0 for one in after) < LEVEL,
        **{f"t: {name}": share for name, share in _each(found).items()},
        "bootstrap misses": _missed([one.bootstrap for one in found]),
        "sign-flip: some": min(one.flip_p_adjusted or 0.0 for one in after) < LEVEL,
        "one": float(np.mean([(one.flip_p or 0.0) < LEVEL for one in found])),
    }


def power(random: np.random.Generator, *, rows: int, gaining: int, gain: float, seeds: int) -> Shares:
    """The share of rows with a true gain that the corrected t test finds; `gaining` of `rows` have one."""
    values = random.normal(0, 1, (rows + 1, seeds))
    gains = values[1:] - values[0]
    gains[:gaining] += gain
    p = holm(stats.ttest_1samp(gains, 0.0, axis=1).pvalue.tolist())
    told = np.array(p[:gaining]) < LEVEL
    return {"told": float((told & (gains[:gaining].mean(1) > 0)).mean())}


def order(random: np.random.Generator, *, rows: int, seeds: int, likeness: float) -> Shares:
    """Rows whose true values correlate so much with the paper's, and vary as much from seed to seed as between rows."""
    theirs, other = random.normal(0, 1, (2, rows))
    true = likeness * theirs + (1 - likeness**2) ** 0.5 * other
    ours = true[:, None] + random.normal(0, 1, (rows, seeds))
    seen = likeness / (1 + 1 / seeds) ** 0.5  # of means over so many seeds
    names = list(map(str, range(rows)))
    published = dict(zip(names, theirs.tolist(), strict=True))
    by_seed = {name: dict(enumerate(row)) for name, row in zip(names, ours.tolist(), strict=True)}
    found = rank_agreement(by_seed, published)
    gains = improvement_agreement(dict(zip(names, ours.mean(1).tolist(), strict=True)), published)
    assert found is not None
    assert gains is not None
    return {
        "told" if likeness else "p": found.p < LEVEL,
        "rows' interval misses": _missed([found.over_rows], 6 / pi * asin(seen / 2)),
        "seeds' misses": _missed([found.over_seeds], spearman(true.tolist(), theirs.tolist()) or 0.0),
        "r's misses": _missed([gains.interval], seen),
    }


def losses(random: np.random.Generator, *, seeds: int) -> Shares:
    """Three losses that add nothing, of which every combination was trained."""
    names = "abc"
    subsets = chain.from_iterable(combinations(names, size) for size in range(len(names) + 1))
    effects = loss_effects(
        names, {frozenset(some): dict(enumerate(random.normal(0, 1, seeds).tolist())) for some in subsets}, {}
    )
    assert effects is not None
    added = [one.found for one in effects.additions if one.found is not None]
    values = [one.found for game in effects.games for one in game.values if one.found is not None]
    return {
        "additions, t: some": min(one.p or 0.0 for one in added) < LEVEL,
        **_each(added),
        "sign-flip: one": float(np.mean([(one.flip_p or 0.0) < LEVEL for one in added])),
        "Shapley: interval misses": _missed([one.interval for one in values]),
    }


def _each(found: Sequence[Difference]) -> Shares:
    return {
        "one": float(np.mean([(one.p or 0.0) < LEVEL for one in found])),
        "interval misses": _missed([one.interval for one in found]),
    }


def _missed(intervals: Sequence[Interval | None], truth: float = 0.0) -> float:
    known = [not one.low <= truth <= one.high for one in intervals if one is not None]
    return float(np.mean(known)) if known else float("nan")


def simulations() -> Iterator[tuple[str, Callable[[np.random.Generator], Shares]]]:
    """One table of each kind that a report holds, by what it is of."""
    for world in WORLDS:
        for seeds in (1, 2, 3, 5, 8):
            one = partial(evidence, world=world, rows=4, seeds=seeds)
            yield f"every two of 4 rows, {world.name}, seeds {seeds}", one
    for name, rows, pairs in (
        ("7 rows against a baseline", 8, [("0", str(row)) for row in range(1, 8)]),
        ("4 rows against those of another sweep", 8, [(str(row), str(row + 4)) for row in range(4)]),
        ("two rows alone", 2, None),
    ):
        for seeds in (1, 2, 3, 5, 8) if rows > 2 else (1, 3, 8):
            yield f"{name}, seeds {seeds}", partial(evidence, world=BOTH, rows=rows, seeds=seeds, pairs=pairs)
    for uneven in (1.0, 20.0):
        for seeds in (1, 3, 8):
            one = partial(best, world=WORLDS[0] if seeds > 1 else BOTH, rows=4, seeds=seeds, uneven=uneven)
            yield f"best of 4 rows, one varies {uneven:g} times, seeds {seeds}", one
    for seeds in (3, 5, 8):
        yield f"paired tests of 7 rows, seeds {seeds}", partial(paired, rows=7, seeds=seeds)
    for rows, likeness in ((4, 0.0), (8, 0.0), (12, 0.0), (12, 0.7)):
        one = partial(order, rows=rows, seeds=3, likeness=likeness)
        yield f"order of {rows} rows, true r {likeness:g}, seeds 3", one
    for seeds in (3, 5):
        yield f"3 losses, seeds {seeds}", partial(losses, seeds=seeds)
    for gain in (1.0, 2.0):
        seeds = seeds_to_detect(gain, 2**0.5, comparisons=7)
        for gaining in (1, 7):
            one = partial(power, rows=7, gaining=gaining, gain=gain, seeds=seeds)
            yield f"{gaining} of 7 rows gain {gain:g}, seeds {seeds} as of plan --detect", one


def main() -> None:
    """Print the shares of every kind of table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=1000, help="tables made up for each line")
    parser.add_argument("--only", default="", help="what the lines printed begin with")
    chosen = parser.parse_args()
    for title, table in simulations():
        if not title.startswith(chosen.only):
            continue
        random, begin = np.random.default_rng([*title.encode()]), time.process_time()
        found = [table(random) for _ in range(chosen.tables)]
        shares = {name: np.nanmean([one[name] for one in found]) for name in found[0]}
        said = ", ".join(f"{name} {share:.3f}" for name, share in shares.items())
        print(f"{title + ':':54} {said}   ({time.process_time() - begin:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
