"""What is suggested and what is ended, given how the trials fared."""

from typing import Any

import pytest

from experiments.search.study import best, suggest, to_prune
from experiments.search.trials import Told, Trial
from experiments.sweep.search_space import (
    GridEntry,
    HyperbandEntry,
    MedianEntry,
    PrunerEntry,
    RandomEntry,
    RangeEntry,
    SamplerEntry,
    SearchEntry,
    TPEEntry,
)

SPACE: dict[str, Any] = {"a": RangeEntry(low=1e-4, high=1, log=True), "b": RangeEntry(low=0, high=10)}
TPE = SamplerEntry(tpe=TPEEntry(startup=4))


def told(number: int, params: dict[str, Any], values: tuple[float, ...] | None = None, **more: Any) -> Told:
    trial = Trial(number=number, row=f"trial {number}", run_id=f"run{number}", params=params, costs={})
    state = more.pop("state", "running" if values is None else "finished")
    return Told(trial=trial, state=state, values=values, steps=more.pop("steps", ()))


def curve(value: float, epochs: int, *, at: float = 0.0) -> tuple[tuple[float, int, float], ...]:
    """An accuracy that grows evenly to `value` over four epochs; `at` is when it began."""
    return tuple((at + epoch, epoch, value * epoch / 4) for epoch in range(1, epochs + 1))


@pytest.mark.parametrize("sampler", [TPE, SamplerEntry(random=RandomEntry())])
def test_suggestions_lie_in_the_space_and_differ(sampler: SamplerEntry) -> None:
    entry = SearchEntry(space=SPACE, sampler=sampler, trials=99)
    known = [told(i, {"a": 10.0**-i, "b": i}, (0.1 * i,)) for i in range(4)]
    found = suggest(entry, ["AP"], known, count=6, epochs=4)
    assert len({str(params) for params in found}) == 6
    assert all(entry.placed(params) == params for params in found)


def test_the_same_state_gives_the_same_suggestions_and_a_later_one_others() -> None:
    entry = SearchEntry(space=SPACE, sampler=TPE, trials=99)
    known = [told(i, {"a": 10.0**-i, "b": i}, (0.1 * i,)) for i in range(4)]
    first = suggest(entry, ["AP"], known, count=2, epochs=4)
    assert suggest(entry, ["AP"], known, count=2, epochs=4) == first
    assert suggest(entry, ["AP"], [*known, told(4, first[0])], count=2, epochs=4) != first


def test_tpe_learns_from_what_was_told() -> None:
    entry = SearchEntry(space={"b": SPACE["b"]}, sampler=TPE, trials=99)
    known = [told(i, {"b": i / 2}, (1 - abs(i / 2 - 7) / 10,)) for i in range(20)]
    found = suggest(entry, ["AP"], known, count=8, epochs=4)
    assert sum(5 < params["b"] < 9 for params in found) > 4
    cheap = suggest(entry, ["gflops"], known, count=8, epochs=4)  # low is good
    assert sum(params["b"] < 4 for params in cheap) > 4


def test_trials_outside_the_space_of_today_are_left_out() -> None:
    entry = SearchEntry(space={"b": RangeEntry(low=0, high=5)}, sampler=TPE, trials=99)
    known = [told(i, {"b": 9.0}, (1.0,)) for i in range(9)]
    assert len(suggest(entry, ["AP"], known, count=2, epochs=4)) == 2
    assert to_prune(entry, ["AP"], known, ["run0"], epochs=4) == set()


def test_senseless_values_are_passed_over() -> None:
    entry = SearchEntry(space={"b": (1, 2, 3)}, sampler=SamplerEntry(grid=GridEntry()))
    assert suggest(entry, ["AP"], [told(0, {"b": 1})], count=9, epochs=4, sound=lambda p: p["b"] != 2) == [{"b": 3}]
    entry = SearchEntry(space={"b": (1, 2, 3)}, sampler=SamplerEntry(random=RandomEntry()), trials=9)
    assert suggest(entry, ["AP"], [told(0, {"b": 1})], count=9, epochs=4, sound=lambda p: p["b"] != 2) == [{"b": 3}]


def test_the_median_ends_what_is_below_it_once_enough_have_finished() -> None:
    entry = SearchEntry(space=SPACE, trials=9, pruner=PrunerEntry(median=MedianEntry(startup=3, warmup=2)))
    done = [told(i, {"a": 0.1, "b": i}, (value,), steps=curve(value, 4)) for i, value in enumerate((0.4, 0.6, 0.8))]
    bad, good = told(3, {"a": 0.1, "b": 5}, steps=curve(0.3, 2)), told(4, {"a": 0.1, "b": 6}, steps=curve(0.9, 2))
    early = told(5, {"a": 0.1, "b": 7}, steps=curve(0.3, 1))
    candidates = ["run3", "run4", "run5"]
    assert to_prune(entry, ["AP"], [*done, bad, good, early], candidates, epochs=4) == {"run3"}
    assert to_prune(entry, ["AP"], [*done[:2], bad, good], candidates, epochs=4) == set()


def test_hyperband_keeps_the_best_of_each_rung_and_asking_again_changes_nothing() -> None:
    entry = SearchEntry(space=SPACE, trials=99, pruner=PrunerEntry(hyperband=HyperbandEntry(factor=2)))
    some = [told(i, {"a": 0.1, "b": i / 4}, steps=curve(1 - i / 40, 1, at=i)) for i in range(40)]
    every = [one.trial.run_id for one in some]
    ended = to_prune(entry, ["AP"], some, every, epochs=4)
    assert 5 < len(ended) < 35
    assert "run0" not in ended
    assert to_prune(entry, ["AP"], some, every, epochs=4) == ended


def test_without_a_pruner_nothing_is_ended() -> None:
    entry = SearchEntry(space=SPACE, trials=9)
    done = [told(i, {"a": 0.1, "b": i}, (0.9,), steps=curve(0.9, 4)) for i in range(6)]
    bad = told(6, {"a": 0.1, "b": 7}, steps=curve(0.1, 2))
    assert to_prune(entry, ["AP"], [*done, bad], ["run6"], epochs=4) == set()


def test_pruned_and_failed_trials_do_not_stop_the_suggestions() -> None:
    entry = SearchEntry(space=SPACE, sampler=TPE, trials=99, pruner=PrunerEntry(median=MedianEntry()))
    nan = float("nan")
    known = [
        *(told(i, {"a": 0.1, "b": i}, state="pruned", steps=curve(0.1 * i, 2)) for i in range(4)),
        told(4, {"a": 0.1, "b": 5}, state="failed", steps=((1.0, 1, nan),)),
        told(5, {"a": 0.1, "b": 6}, (0.5,), steps=curve(0.5, 4)),
    ]
    assert len(suggest(entry, ["AP"], known, count=3, epochs=4)) == 3


def test_the_best_of_one_objective_are_ranked_and_the_first_wins_a_tie() -> None:
    known = [told(i, {}, (value,)) for i, value in enumerate((0.2, 0.9, 0.5, 0.9))]
    assert [one.trial.number for one in best(["AP"], [*known, told(4, {})], 3)] == [1, 3, 2]


def test_the_best_of_several_objectives_are_those_no_other_beats() -> None:
    known = [told(i, {}, values) for i, values in enumerate(((0.5, 2.0), (0.9, 8.0), (0.4, 3.0), (0.9, 9.0)))]
    assert [one.trial.number for one in best(["AP", "gflops"], known, 9)] == [1, 0]
