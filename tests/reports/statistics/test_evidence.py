"""Differences over pictures and seeds: what is said of how many of each."""

import numpy as np
import pytest
from scipy import stats

from reports.statistics.differences import holm
from reports.statistics.evidence import Comparison, RowEvidence, compare_all, groups, seeds_to_detect, stands_apart

RANDOM = np.random.default_rng(0)
DRAWS = RANDOM.normal(0, 1, 500)


def row(*values, drawn=None):
    seeds = range(len(values))
    return RowEvidence(dict(zip(seeds, values, strict=True)), {} if drawn is None else {s: drawn[s] for s in seeds})


def compared(**rows):
    return {(one.row, one.other): one for one in compare_all(rows)}


def test_without_pictures_the_interval_is_that_of_the_paired_t_test():
    one = compared(a=row(1.0, 2.0, 4.0), b=row(3.0, 3.5, 6.5))["b", "a"]
    tested = stats.ttest_1samp([2.0, 1.5, 2.5], 0.0)
    assert one.interval() == pytest.approx(tuple(tested.confidence_interval(0.95)))
    assert one.p == pytest.approx(tested.pvalue)


def test_one_seed_speaks_of_pictures_alone():
    one = compared(a=row(1.0, drawn=[DRAWS]), b=row(3.0, drawn=[DRAWS + RANDOM.normal(2, 0.5, 500)]))["b", "a"]
    assert list(one.parts) == ["pictures"]
    assert one.interval() == pytest.approx((2 - 1.96 * 0.5, 2 + 1.96 * 0.5), abs=0.06)


def test_what_both_rows_share_on_a_drawn_picture_does_not_widen_the_interval():
    noise = RANDOM.normal(0, 0.1, 500)
    one = compared(a=row(1.0, drawn=[100 * DRAWS]), b=row(3.0, drawn=[100 * DRAWS + noise]))["b", "a"]
    assert one.parts["pictures"][0] == pytest.approx(0.1, rel=0.1)


def test_both_sources_widen_the_interval():
    drawn = [DRAWS * 0] * 3, [RANDOM.normal(0, 1, 500) for _ in range(3)]
    one = compared(a=row(1.0, 2.0, 4.0, drawn=drawn[0]), b=row(3.0, 3.5, 6.5, drawn=drawn[1]))["b", "a"]
    assert set(one.parts) == {"pictures", "seeds"}
    seeds_alone = Comparison(row="b", other="a", seeds=3, mean=one.mean, parts={"seeds": one.parts["seeds"]})
    assert one.interval()[1] > seeds_alone.interval()[1]
    assert one.p > seeds_alone.p


def test_two_seeds_of_two_rows_decide_nothing():
    one = compared(a=row(1.0, 2.0), b=row(3.0, 3.5))["b", "a"]
    assert one.mean == 1.75
    assert (one.interval(), one.p) == (None, None)


def test_two_seeds_of_three_rows_speak_by_the_pooled_residual():
    rows = {"a": row(1.0, 2.0), "b": row(3.0, 3.5), "c": row(5.0, 6.5)}
    one = compared(**rows)["b", "a"]
    table = np.array([[1.0, 2.0], [3.0, 3.5], [5.0, 6.5]])
    residual = table - table.mean(0) - table.mean(1, keepdims=True) + table.mean()
    assert one.parts["pooled seeds"] == pytest.approx((((residual**2).sum() / 2) ** 0.5, 2))


def test_rows_that_share_no_seed_are_not_compared():
    assert compare_all({"a": RowEvidence({0: 1.0}, {}), "b": RowEvidence({1: 1.0}, {})}) == []


def test_p_values_are_corrected_over_every_two_rows():
    found = compare_all({"a": row(1.0, 2.0, 3.0), "b": row(1.1, 2.0, 3.2), "c": row(5.0, 6.2, 7.1)})
    assert [one.p_adjusted >= one.p for one in found] == [True] * 3
    assert min(one.p_adjusted for one in found) == pytest.approx(3 * min(one.p for one in found))


def test_rows_not_told_apart_form_groups():
    def told(row, other, p):
        return Comparison(row=row, other=other, seeds=3, mean=1.0, p_adjusted=p)

    comparisons = [told("b", "a", 0.5), told("c", "b", 0.5), told("c", "a", 0.01)]
    assert groups(["c", "b", "a"], comparisons) == [("c", "b"), ("b", "a")]
    assert groups(["c", "b", "a"], []) == [("c", "b", "a")]


def test_a_row_stands_apart_that_is_told_from_every_other():
    rows = {"a": row(1.0, 2.0, 3.0), "b": row(2.01, 3.0, 4.0), "c": row(0.5, 3.0, 2.0)}
    assert stands_apart("b", {name: rows[name] for name in "ab"})
    assert not stands_apart("a", rows)


def test_no_row_stands_apart_from_one_that_varies_much_and_may_be_as_good():
    quiet = {"a": row(1.0, 2.0, 3.0), "b": row(2.01, 3.0, 4.0)}
    assert not stands_apart("b", {**quiet, "c": row(-90.0, 60.0, 20.0)})


def test_no_row_stands_apart_from_one_that_shares_no_seed_or_from_none():
    assert not stands_apart("a", {"a": row(1.0, 2.0, 3.0), "b": RowEvidence({7: 0.0}, {})})
    assert not stands_apart("a", {"a": row(1.0, 2.0, 3.0)})


def test_a_difference_well_inside_the_margin_is_shown_to_be_small():
    near = compared(a=row(1.0, 2.0, 3.0), b=row(1.02, 1.99, 3.0))["b", "a"]
    assert near.within(0.5)
    assert not near.within(0.01)


@pytest.mark.parametrize("comparisons", [1, 7])
def test_the_seeds_asked_for_have_the_power_promised(comparisons):
    seeds = seeds_to_detect(0.5, 0.5, comparisons=comparisons)
    others = stats.ttest_1samp(RANDOM.normal(0, 0.5, (4000, comparisons - 1, seeds)), 0.0, axis=2).pvalue

    def power(pairs):
        p = np.c_[stats.ttest_1samp(pairs, 0.0, axis=1).pvalue, others]
        return np.mean([holm(row)[0] < 0.05 for row in p.tolist()])

    drawn = RANDOM.normal(0.5, 0.5, (4000, seeds))
    assert power(drawn[:, :-1]) < 0.8 + 0.02
    assert power(drawn) > 0.8 - 0.02
