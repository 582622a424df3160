"""How many seeds tell a row from its baseline."""

from pathlib import Path

import numpy as np
import pytest
from made_up_store import write_complete

from reports.numbers.detect import needed_seeds
from reports.numbers.sweep import aggregate
from reports.statistics.evidence import seed_spread, seeds_to_detect


def test_a_stated_spread_is_that_of_every_row(tmp_path: Path) -> None:
    found = needed_seeds(aggregate(*write_complete(tmp_path, seeds=1)), 0.5, 1.2)
    assert "none" not in {one.row for one in found}
    assert {one.comparisons for one in found} == {len(found)}
    assert {one.seeds for one in found} == {seeds_to_detect(0.5, 1.2, comparisons=len(found))}


def test_finished_seeds_tell_the_spread(tmp_path: Path) -> None:
    numbers = aggregate(*write_complete(tmp_path, seeds=3))
    for one in needed_seeds(numbers, 0.5):
        row = next(row for row in numbers.rows if row.name == one.row)
        assert row.improvement is not None
        assert one.spread == pytest.approx(row.improvement.std)
        assert one.seeds == seeds_to_detect(0.5, one.spread, comparisons=one.comparisons)


def test_one_seed_tells_nothing(tmp_path: Path) -> None:
    found = needed_seeds(aggregate(*write_complete(tmp_path, seeds=1)), 0.5)
    assert {(one.seeds, one.basis) for one in found} == {(None, "too few finished seeds")}


def test_two_seeds_of_several_rows_are_pooled() -> None:
    random = np.random.default_rng(0)
    rows = {f"row {n}": dict(enumerate(random.normal(0, 1, 2))) for n in range(4000)}
    spread = seed_spread("row 1", "row 0", rows)
    assert spread is not None
    assert (spread.source, spread.freedom) == ("pooled seeds", 3999)
    assert spread.std == pytest.approx(2**0.5, rel=0.05)


def test_rows_that_do_not_vary_need_the_least_number_of_seeds() -> None:
    assert seeds_to_detect(0.5, 0.0) == 3
