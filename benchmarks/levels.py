"""The levels that a report's tests promise, held by simulation: `python -m benchmarks.levels`.

Tables are made up in which no row is better than another in the long run: rows vary with the seed, with the picture,
and with both. Printed is how often a table names some difference (family-wise), how often one comparison does, and how
often a 95 % interval misses the truth; each should be at most 0.05, but for the error of so many tables. First of the
section *Evidence*, then of the paired tests of rows against their baseline, over seeds alone.
"""

import argparse
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from reports.statistics.differences import Difference, corrected, paired_difference
from reports.statistics.evidence import RowEvidence, compare_all

Floats = NDArray[np.float64]
PICTURES, DRAWS = 200, 200


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


class Levels(NamedTuple):
    """What was seen in so many tables."""

    world: str
    rows: int
    seeds: int
    tables: int
    family: float
    each: float
    missed: float


def tables(world: World, *, rows: int, seeds: int, count: int, random: np.random.Generator) -> Iterator[Levels]:
    """The levels of one world; of a single seed the truth is what this seed would show on all pictures."""
    family = each = missed = comparisons = 0
    for _ in range(count):
        by_seed = random.normal(0, world.seeds, (rows, seeds))
        own = random.normal(0, world.pictures, (rows, 1, PICTURES))
        shared = random.normal(0, 20, PICTURES)
        seen = by_seed[..., None] + own + shared + random.normal(0, world.both, (rows, seeds, PICTURES))
        weights = random.multinomial(PICTURES, np.full(PICTURES, 1 / PICTURES), size=DRAWS) / PICTURES
        drawn = np.einsum("rsp,dp->rsd", seen, weights, optimize=True)
        table = {
            f"row {r}": RowEvidence(
                {s: float(seen[r, s].mean()) for s in range(seeds)}, {s: drawn[r, s] for s in range(seeds)}
            )
            for r in range(rows)
        }
        named = False
        for one in compare_all(table):
            r, o = int(one.row[4:]), int(one.other[4:])
            truth = float((by_seed[r] - by_seed[o]).mean()) if seeds == 1 else 0.0
            interval = one.interval()
            if interval is None or one.p is None or one.p_adjusted is None:
                continue
            comparisons += 1
            missed += not interval[0] <= truth <= interval[1]
            each += one.p < 0.05
            named |= one.p_adjusted < 0.05
        family += named
    share = max(comparisons, 1)
    yield Levels(world.name, rows, seeds, count, family / count, each / share, missed / share)


class Paired(NamedTuple):
    """How often a table of rows and their baseline names some difference, and one row has one, by either test."""

    family_t: float
    each_t: float
    family_flip: float
    each_flip: float
    missed: float


def paired(*, rows: int, seeds: int, count: int, random: np.random.Generator) -> Paired:
    """The levels of paired tests over seeds, where all rows share their baseline's chance."""
    seen = np.zeros(5)
    for _ in range(count):
        values = random.normal(0, 1, (rows + 1, seeds))
        by_seed = [dict(enumerate(row)) for row in values.tolist()]
        found = corrected([paired_difference(row, by_seed[0]) for row in by_seed[1:]])
        p, flip_p, t, flip, low, high = np.transpose([_numbers(one) for one in found if one is not None])
        missed = np.mean((low > 0) | (high < 0))
        seen += [min(t) < 0.05, np.mean(p < 0.05), min(flip) < 0.05, np.mean(flip_p < 0.05), missed]
    return Paired(*(seen / count).tolist())


def _numbers(one: Difference) -> tuple[float | None, ...]:
    assert one.interval is not None
    return one.p, one.flip_p, one.p_adjusted, one.flip_p_adjusted, one.interval.low, one.interval.high


def main() -> None:
    """Print the levels of every world."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=1000, help="tables made up for each line")
    count = parser.parse_args().tables
    random = np.random.default_rng(0)
    print(f"{'world':20} rows seeds  some difference  one comparison  interval misses   (of {count} tables)")
    for world in WORLDS:
        for seeds in (1, 2, 3, 5, 8):
            for found in tables(world, rows=4, seeds=seeds, count=count, random=random):
                chance = "      (seed is not chance)" if seeds == 1 else ""
                print(
                    f"{found.world:20} {found.rows:4} {found.seeds:5}  {found.family:15.3f}  {found.each:14.3f}  "
                    f"{found.missed:15.3f}{chance}",
                    flush=True,
                )
    print(f"\n{'paired tests, rows':20} rows seeds  t: some  one  interval misses   sign-flip: some  one")
    for seeds in (3, 5, 8):
        one = paired(rows=7, seeds=seeds, count=count, random=random)
        print(
            f"{'7 against a baseline':20} {7:4} {seeds:5}  {one.family_t:7.3f} {one.each_t:4.3f}  {one.missed:15.3f}   "
            f"{one.family_flip:15.3f} {one.each_flip:4.3f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
