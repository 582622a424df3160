"""Agreement with the paper: intervals against known values, improvements by hand."""

import math

import pytest
from scipy import stats

from reports.agreement import correlation_interval, improvement_agreement, rank_agreement, ranks
from reports.records import SweepNumbers
from reports.verdict import agreement_sentences


def test_ranks_share_ties() -> None:
    assert ranks([3.0, 1.0, 3.0, 2.0]).tolist() == stats.rankdata([3, 1, 3, 2]).tolist()


def test_fishers_interval_agrees_with_scipy() -> None:
    a, b = [1.0, 2.0, 3.5, 4.0, 6.0, 5.0], [1.2, 2.5, 2.9, 4.4, 5.0, 6.5]
    oracle = stats.pearsonr(a, b)
    found = correlation_interval(float(oracle.statistic), 6, of_ranks=False)
    assert found is not None
    assert (found.low, found.high) == pytest.approx(tuple(oracle.confidence_interval(0.95)), abs=1e-6)


def test_the_interval_of_ranks_is_wider() -> None:
    found, plain = (correlation_interval(0.6, 12, of_ranks=of_ranks) for of_ranks in (True, False))
    assert found is not None
    assert plain is not None
    error = (math.atanh(found.high) - math.atanh(0.6)) / 1.959963984540054
    assert error == pytest.approx(math.sqrt((1 + 0.6**2 / 2) / 9))
    assert found.low < plain.low < plain.high < found.high


@pytest.mark.parametrize(("r", "n"), [(0.5, 3), (1.0, 9), (-1.0, 9)])
def test_few_rows_and_perfect_agreement_have_no_interval(r: float, n: int) -> None:
    assert correlation_interval(r, n, of_ranks=True) is None


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


def test_no_shared_row_is_no_agreement() -> None:
    assert improvement_agreement({"a": 1.0}, {"b": 1.0}) is None


def test_the_sentences_name_what_their_intervals_are_over(complete_numbers: SweepNumbers) -> None:
    order, improvements = agreement_sentences(complete_numbers)
    assert "for rows like these (Bonett and Wright, n = 8)" in order
    assert "for these rows and other seeds (bootstrap)" in order
    assert "7 of 7 point the same way as the paper's" in improvements
