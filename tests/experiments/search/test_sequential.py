"""Rows decided while their seeds come in: the level holds over all looks, and equivalence is a verdict too."""

import numpy as np
import pytest
from scipy import stats

from benchmarks.sequential import tables
from experiments.search.sequential import decide, per_look
from experiments.sweep.seeds import Until

UNTIL = Until(margin=0.5, looks=(3, 5, 8))


def test_a_single_look_has_the_whole_level_and_more_looks_have_less_each():
    assert per_look((5,), 0.05) == 0.05
    assert 0.025 < per_look((5, 10), 0.05) < 0.05
    assert per_look((3, 5, 8, 12), 0.05) < per_look((5, 10), 0.05)


def test_the_interval_is_that_of_a_paired_t_test_at_the_level_of_a_look():
    gains = [1.0, 1.4, 0.7]
    one = decide(gains, UNTIL)
    tested = stats.ttest_1samp(gains, 0.0).confidence_interval(1 - per_look(UNTIL.looks, 0.05))
    assert (one.low, one.high) == pytest.approx(tuple(tested))


@pytest.mark.parametrize(
    ("gains", "verdict", "seen", "wanted"),
    [
        ([], "undecided", 0, 3),
        ([2.0, 2.1], "undecided", 0, 3),
        ([2.0, 2.1, 1.9], "better", 3, 3),
        ([-2.0, -2.1, -1.9], "worse", 3, 3),
        ([0.01, -0.01, 0.005], "equivalent", 3, 3),
        ([2.0, -2.1, 1.0], "undecided", 3, 5),
        ([2.0, -2.1, 1.0, 0.0, -1.0, 3.0, -4.0, 1.0], "undecided", 8, 8),
    ],
)
def test_a_verdict_ends_a_row_and_no_verdict_asks_for_more(gains, verdict, seen, wanted):
    one = decide(gains, UNTIL)
    assert (one.verdict, one.seeds, one.wanted) == (verdict, seen, wanted)


def test_seeds_beyond_a_decided_look_change_nothing():
    assert decide([2.0, 2.1, 1.9, -50.0, -50.0], UNTIL) == decide([2.0, 2.1, 1.9], UNTIL)


def test_comparisons_share_the_level():
    gains = [1.0, 1.4, 0.7]
    assert decide(gains, UNTIL, comparisons=7).low < decide(gains, UNTIL).low


@pytest.mark.parametrize("rows", [1, 3])
def test_chance_alone_decides_no_more_than_its_level(rows):
    until = Until(margin=0.2, alpha=0.1, looks=(3, 5, 8))
    seen = tables(until, gain=0.0, rows=rows, count=600, random=np.random.default_rng(1))
    assert seen.false < 0.1 + 3 * (0.1 * 0.9 / 600) ** 0.5
