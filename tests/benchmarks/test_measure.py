"""How figures are made: two ways in turns, round by round."""

from functools import partial

import pytest

from benchmarks.measure import Figure, Settings, compare, in_turns, ratios, timing


def test_the_ways_take_turns_after_a_round_to_warm_up() -> None:
    calls: list[str] = []
    seconds = in_turns({name: partial(calls.append, name) for name in ("a", "b")}, rounds=2)
    assert calls == ["a", "b"] * 3
    assert {name: len(taken) for name, taken in seconds.items()} == {"a": 2, "b": 2}


def test_a_figure_is_the_median_of_its_rounds_with_the_least_and_the_most() -> None:
    figure = Figure(what="a", against="b", ratios=ratios([4.0, 9.0, 2.0], [2.0, 3.0, 2.0]))
    assert (figure.low, figure.ratio, figure.high) == (1.0, 2.0, 3.0)
    with pytest.raises(ValueError, match="shorter"):
        ratios([1.0, 2.0], [1.0])


def test_what_takes_less_has_a_ratio_above_one() -> None:
    figure = compare(
        Settings(rounds=3), "less", "more", fast=lambda: sum(range(10)), plain=lambda: sum(range(100_000)), note="sums"
    )
    assert figure.low > 1
    assert figure.note.endswith("; sums")


def test_times_are_told_in_the_unit_that_suits_them() -> None:
    assert timing([0.0123, 0.0121, 0.013]) == "12.3 ms (12.1 to 13)"
    assert timing([1.5, 2.0, 0.9]) == "1.5 s (0.9 to 2)"
