"""Bootstrap and sign flips against brute force, scipy and what can be worked out by hand."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from reports.statistics.resampling import bootstrap_interval, resample_counts, sign_flip_p, smallest_sign_flip_p

values = st.floats(-50, 50).map(lambda value: round(value, 3))


@given(st.lists(values, min_size=2, max_size=8))
def test_sign_flips_agree_with_counting_every_pattern(differences: list[float]) -> None:
    patterns = [
        sum(sign * value for sign, value in zip(signs, differences, strict=True))
        for signs in product((-1, 1), repeat=len(differences))
    ]
    observed = abs(sum(differences))
    assert sign_flip_p(differences) == pytest.approx(np.mean([abs(total) >= observed - 1e-9 for total in patterns]))


def test_sign_flips_agree_with_scipy() -> None:
    differences = [1.2, -0.4, 2.5, 0.8, 1.9, -0.1, 3.0]
    oracle = stats.permutation_test((differences,), np.mean, permutation_type="samples", n_resamples=np.inf)
    assert sign_flip_p(differences) == pytest.approx(oracle.pvalue)


@pytest.mark.parametrize("n", [2, 4, 6, 10])
def test_differences_of_one_sign_reach_the_least_p(n: int) -> None:
    assert sign_flip_p([1.0 + place for place in range(n)]) == smallest_sign_flip_p(n) == 2 / 2**n


def test_many_differences_are_flipped_at_random_and_always_alike() -> None:
    differences = np.random.default_rng(3).normal(0.2, 1, 40).tolist()
    assert sign_flip_p(differences) == sign_flip_p(differences)
    assert sign_flip_p(differences) == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, abs=0.03)
    assert sign_flip_p([1.0] * 40) == smallest_sign_flip_p(40) > 0


def test_no_difference_at_all_is_no_evidence() -> None:
    assert sign_flip_p([0.0, 0.0, 0.0]) == 1.0


def test_the_bootstrap_of_three_by_hand() -> None:
    # Of 27 draws one is (0, 0, 0): a chance of 3.7 %, more than the 2.5 % cut off below; the same above.
    found = bootstrap_interval([0.0, 3.0, 9.0])
    assert found is not None
    assert (found.low, found.high) == (0.0, 9.0)


def test_fewer_than_three_values_have_no_bootstrap() -> None:
    assert bootstrap_interval([1.0, 2.0]) is None


@pytest.mark.parametrize("n", [3, 5, 8])
def test_every_way_to_draw_is_counted_once(n: int) -> None:
    counts, chances = resample_counts(n)
    assert chances.sum() == pytest.approx(1)
    assert (counts.sum(1) == n).all()
    assert len({tuple(row) for row in counts.tolist()}) == len(counts)


def test_the_exact_bootstrap_agrees_with_scipys_random_one() -> None:
    sample = [1.0, 4.0, 2.5, 7.0, 3.0, 9.5, 0.5]
    found = bootstrap_interval(sample)
    assert found is not None
    oracle = stats.bootstrap((sample,), np.mean, method="percentile", n_resamples=30_000, rng=0).confidence_interval
    assert (found.low, found.high) == pytest.approx(oracle, abs=0.1)


@given(st.lists(values, min_size=3, max_size=12))
def test_the_interval_lies_within_the_values(sample: list[float]) -> None:
    found = bootstrap_interval(sample)
    assert found is not None
    assert min(sample) - 1e-9 <= found.low <= found.high <= max(sample) + 1e-9
