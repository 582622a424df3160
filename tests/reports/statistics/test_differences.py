"""Statistics against scipy.stats, hand-worked cases and properties."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reports.statistics.agreement import rank_agreement, spearman
from reports.statistics.differences import holm, paired_difference, spread
from reports.statistics.resampling import smallest_sign_flip_p

points = st.floats(0, 100)


def test_one_seed_has_a_mean_and_no_spread() -> None:
    found = spread({4: 31.5})
    assert (found.n, found.mean, found.std) == (1, 31.5, None)


def test_the_spread_is_the_sample_standard_deviation() -> None:
    found = spread({0: 1.0, 1: 3.0})
    assert found.mean == 2.0
    assert found.std == pytest.approx(2**0.5)


def test_no_seed_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one seed"):
        spread({})


def test_differences_pair_only_the_seeds_that_both_have() -> None:
    found = paired_difference({0: 5.0, 1: 9.0, 7: 100.0}, {0: 1.0, 1: 2.0, 3: 50.0})
    assert found is not None
    assert found.pairs == {0: 4.0, 1: 7.0}
    assert found.mean == 5.5


def test_no_shared_seed_gives_no_difference() -> None:
    assert paired_difference({0: 1.0}, {1: 1.0}) is None


def test_one_pair_has_no_interval_and_no_test() -> None:
    found = paired_difference({0: 5.0}, {0: 1.0})
    assert found is not None
    assert (found.mean, found.std, found.interval, found.p) == (4.0, None, None, None)
    assert not found.significant


def test_two_pairs_have_a_spread_and_no_interval_or_test() -> None:
    found = paired_difference({0: 15.0, 1: 15.2}, {0: 2.4, 1: 2.5})
    assert found is not None
    assert found.std == pytest.approx(0.05 * 2**0.5)
    assert (found.interval, found.p, found.flip_p, found.bootstrap) == (None,) * 4


def test_pairs_that_do_not_vary_are_not_tested() -> None:
    found = paired_difference({0: 5.1, 1: 6.1, 2: 7.1}, {0: 1.0, 1: 2.0, 2: 3.0})
    assert found is not None
    assert (found.std, found.interval, found.p) == (0.0, None, None)


@given(st.lists(st.tuples(points, points), min_size=3, max_size=8))
def test_interval_and_p_are_those_of_the_paired_t_test(pairs: list[tuple[float, float]]) -> None:
    ours = {seed: pair[0] for seed, pair in enumerate(pairs)}
    base = {seed: pair[1] for seed, pair in enumerate(pairs)}
    found = paired_difference(ours, base)
    assert found is not None
    differences = np.array([a - b for a, b in pairs])
    if differences.std() < 1e-3:
        return
    oracle = stats.ttest_rel(list(ours.values()), list(base.values()))
    interval = oracle.confidence_interval(0.95)
    assert found.p == pytest.approx(oracle.pvalue, rel=1e-6)
    assert found.interval is not None
    ends = found.interval.low, found.interval.high
    assert ends == pytest.approx((interval.low, interval.high), rel=1e-6, abs=1e-6)


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), max_size=9))
def test_holm_raises_p_and_keeps_its_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(before <= after <= 1 for before, after in zip(p_values, adjusted, strict=True))
    order = np.argsort(p_values, kind="stable")
    assert all(np.diff(np.array(adjusted)[order]) >= 0)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=3, max_size=12))
def test_spearman_agrees_with_scipy_with_ties(pairs: list[tuple[int, int]]) -> None:
    ours, theirs = [float(a) for a, _ in pairs], [float(b) for _, b in pairs]
    found = spearman(ours, theirs)
    if len(set(ours)) == 1 or len(set(theirs)) == 1:
        assert found is None
    else:
        assert found == pytest.approx(stats.spearmanr(ours, theirs).statistic, abs=1e-9)


def test_two_rows_have_no_order_to_speak_of() -> None:
    assert spearman([1.0, 2.0], [1.0, 2.0]) is None


def test_perfect_agreement_of_four_rows_happens_by_luck_once_in_twenty_four() -> None:
    ours = {name: {0: float(value), 1: float(value)} for value, name in enumerate("abcd")}
    found = rank_agreement(ours, {"a": 1.0, "b": 2.0, "c": 3.0, "d": 9.0, "absent": 0.0})
    assert found is not None
    assert (found.rho, found.n) == (pytest.approx(1.0), 4)
    assert found.p == pytest.approx(1 / 24)
    assert found.per_seed == {0: pytest.approx(1.0), 1: pytest.approx(1.0)}


def test_rows_without_a_result_or_a_published_value_do_not_count_in_the_order() -> None:
    ours = {"a": {0: 1.0}, "b": {0: 2.0}, "c": {0: 0.5}, "d": {}, "e": {0: 9.0}}
    found = rank_agreement(ours, {"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0})
    assert found is not None
    assert found.n == 3


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=3, max_size=6))
def test_the_chance_of_an_agreement_by_luck_is_that_of_counting_every_order(pairs: list[tuple[int, int]]) -> None:
    ours, theirs = {str(row): {0: float(a)} for row, (a, _) in enumerate(pairs)}, [b for _, b in pairs]
    found = rank_agreement(ours, {str(row): float(b) for row, b in enumerate(theirs)})
    if found is None:
        return
    mine, other = stats.rankdata([a for a, _ in pairs]), stats.rankdata(theirs)
    orders = [np.dot(order, other) >= mine @ other - 1e-9 for order in permutations(mine)]
    assert found.p == pytest.approx(np.mean(orders))


def test_agreement_of_many_rows_uses_the_t_approximation() -> None:
    ours = {str(row): {0: float(value)} for row, value in enumerate([1, 3, 2, 5, 4, 6, 8, 7, 9, 10])}
    theirs = {str(row): float(row) for row in range(10)}
    found = rank_agreement(ours, theirs)
    assert found is not None
    oracle = stats.spearmanr([1, 3, 2, 5, 4, 6, 8, 7, 9, 10], range(10), alternative="greater")
    assert found.p == pytest.approx(oracle.pvalue, rel=1e-6)


@pytest.mark.parametrize(("pairs", "p"), [(1, 1.0), (2, 0.5), (3, 0.25), (6, 0.03125)])
def test_a_sign_flip_test_has_a_least_p(pairs: int, p: float) -> None:
    assert smallest_sign_flip_p(pairs) == p
