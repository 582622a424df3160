"""Agreement with the paper: intervals against known values, improvements by hand."""

import math
from itertools import product

import numpy as np
import pytest
from scipy import stats

from reports.numbers.sweep import SweepNumbers
from reports.sections.paper import agreement_sentences
from reports.statistics.agreement import improvement_agreement, rank_agreement, rank_interval


def test_the_interval_of_ranks_is_bonett_and_wrights() -> None:
    found = rank_interval(0.6, 12)
    assert found is not None
    error = (math.atanh(found.high) - math.atanh(0.6)) / 1.959963984540054
    assert error == pytest.approx(math.sqrt((1 + 0.6**2 / 2) / 9))
    assert math.atanh(0.6) - math.atanh(found.low) == pytest.approx(math.atanh(found.high) - math.atanh(0.6))


@pytest.mark.parametrize(("rho", "n"), [(0.5, 3), (1.0, 9), (-1.0, 9)])
def test_few_rows_and_perfect_agreement_have_no_interval(rho: float, n: int) -> None:
    assert rank_interval(rho, n) is None


def test_the_order_over_other_seeds_is_the_rank_correlation_of_every_draw() -> None:
    rng = np.random.default_rng(0)
    ours = {name: dict(enumerate(rng.normal(place, 2, 3).tolist())) for place, name in enumerate("abcde")}
    theirs = [1.0, 3.0, 2.0, 5.0, 4.0]
    found = rank_agreement(ours, dict(zip("abcde", theirs, strict=True)))
    assert found is not None
    assert found.over_seeds is not None
    draws = [
        stats.spearmanr([sum(seeds[one] for one in draw) for seeds in ours.values()], theirs).statistic
        for draw in product(range(3), repeat=3)
    ]
    assert found.over_seeds.low == pytest.approx(min(draws))  # each end has a chance of more than 2.5 %
    assert found.over_seeds.high == pytest.approx(max(draws))


def test_seeds_that_all_order_alike_leave_no_doubt_about_other_seeds() -> None:
    ours = {name: {seed: 10.0 * place + seed for seed in range(3)} for place, name in enumerate("abcd")}
    found = rank_agreement(ours, {"a": 1.0, "b": 3.0, "c": 2.0, "d": 4.0})
    assert found is not None
    assert found.over_seeds is not None
    assert (found.over_seeds.low, found.over_seeds.high) == pytest.approx((found.rho, found.rho))


def test_two_seeds_have_no_bootstrap() -> None:
    ours = {name: {seed: 10.0 * place + seed for seed in range(2)} for place, name in enumerate("abcd")}
    found = rank_agreement(ours, dict(zip("abcd", range(4), strict=True)))
    assert found is not None
    assert found.over_seeds is None


def test_improvements_are_compared_row_by_row() -> None:
    found = improvement_agreement({"a": 1.0, "b": -2.0, "c": 4.0, "ours alone": 9.0}, {"a": 2.0, "b": 1.0, "c": 3.0})
    assert found is not None
    assert (found.n, found.same_sign) == (3, 2)
    assert (found.mean_gap, found.mean_absolute_gap) == pytest.approx((-1.0, 5 / 3))
    assert found.pearson == pytest.approx(stats.pearsonr([1, -2, 4], [2, 1, 3]).statistic)
    assert found.interval is None


def test_improvements_that_do_not_vary_have_no_correlation() -> None:
    found = improvement_agreement({"a": 0.3, "b": 0.1 + 0.2, "c": 0.3}, {"a": 2.0, "b": 1.0, "c": 3.0})
    assert found is not None
    assert found.pearson is None


def test_no_shared_row_is_no_agreement() -> None:
    assert improvement_agreement({"a": 1.0}, {"b": 1.0}) is None


def test_the_sentences_name_what_their_intervals_are_over(complete_numbers: SweepNumbers) -> None:
    order, improvements = agreement_sentences(complete_numbers)
    assert "for rows like these (Bonett and Wright, n = 8)" in order
    assert "for these rows and other seeds (bootstrap, too narrow for few seeds)" in order
    assert "7 of 7 point the same way as the paper's" in improvements
