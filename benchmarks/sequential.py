"""Looking again and again at rows whose seeds grow `until` they are decided: `python -m benchmarks.sequential`.

Tables are made up in which every row gains `gain` over its baseline in the long run, and gains vary by 1 from seed to
seed. Printed is how often any row of a table gets a false verdict (better or worse without a gain, equivalent with one
as large as the margin, worse with any), how often a row gets the true one, and how many seeds a row takes. False
verdicts should be at most alpha, but for the error of so many tables.
"""

import argparse
from collections import Counter
from typing import NamedTuple

import numpy as np

from experiments.search.sequential import decide
from experiments.sweep.seeds import Until


class Seen(NamedTuple):
    """The share of tables with a false verdict, of rows with the true one, and the mean number of a row's seeds."""

    false: float
    power: float
    seeds: float


def tables(until: Until, *, gain: float, rows: int, count: int, random: np.random.Generator) -> Seen:
    """What is decided of rows that share a baseline, which varies as much as they do."""
    wrong = {"worse", "better"} if gain == 0 else {"worse", "equivalent"} if gain >= until.margin else {"worse"}
    true = "better" if gain else "equivalent"
    false, verdicts, seeds = 0, Counter[str](), 0
    for _ in range(count):
        by_seed = random.normal(0, 0.5**0.5, (rows + 1, until.looks[-1]))
        gains = gain + by_seed[1:] - by_seed[0]
        found = [decide(row, until, comparisons=rows) for row in gains.tolist()]
        false += any(one.verdict in wrong for one in found)
        verdicts.update(one.verdict for one in found)
        seeds += sum(one.seeds for one in found)
    return Seen(false / count, verdicts[true] / (rows * count), seeds / (rows * count))


def main() -> None:
    """Print what is seen for several looks, margins and gains."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=2000, help="tables made up for each line")
    count = parser.parse_args().tables
    random = np.random.default_rng(0)
    print(f"{'looks':16} rows  margin  gain   false  right  seeds   (of {count} tables, alpha 0.05, spread 1)")
    for looks in ((3, 5, 8, 12), (5, 10), (4, 6, 8, 10, 12, 16, 20)):
        for rows in (1, 4):
            for margin, gain in ((0.5, 0.0), (1.5, 0.0), (1.5, 1.5), (0.5, 1.0), (0.5, 2.0), (0.5, 4.0)):
                seen = tables(Until(margin=margin, looks=looks), gain=gain, rows=rows, count=count, random=random)
                said = f"{seen.false:6.3f} {seen.power:6.3f} {seen.seeds:6.1f}"
                print(f"{'/'.join(map(str, looks)):16} {rows:4}  {margin:6} {gain:5}  {said}", flush=True)


if __name__ == "__main__":
    main()
