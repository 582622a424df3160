"""What each loss is worth: Shapley values against all orders of adding, and only where every subset was trained."""

from collections.abc import Mapping
from itertools import combinations, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reports.formats.cells import gap
from reports.numbers.sweep import SweepNumbers
from reports.sections.losses import additions_table, effects_of, shapley_table
from reports.statistics.loss_effects import complete_games, loss_effects, shapley

LOSSES = ("CS", "SH", "KT", "VT")
PAPER = {"": 56.0, "CS": 63.2, "SH": 56.4, "CS SH": 64.1, "KT": 67.1, "VT": 61.7, "KT VT": 67.5, "CS SH KT VT": 71.6}
Game = Mapping[frozenset[str], float]


def subset(names: str) -> frozenset[str]:
    return frozenset(names.split())


def every_subset(losses: tuple[str, ...]) -> list[frozenset[str]]:
    return [frozenset(some) for size in range(len(losses) + 1) for some in combinations(losses, size)]


def by_orders(losses: tuple[str, ...], worth: Game) -> dict[str, float]:
    """The definition: the mean gain of each loss over all orders of adding."""
    gains = dict.fromkeys(losses, 0.0)
    orders = list(permutations(losses))
    for order in orders:
        there: frozenset[str] = frozenset()
        for loss in order:
            gains[loss] += (worth[there | {loss}] - worth[there]) / len(orders)
            there |= {loss}
    return gains


@given(st.lists(st.floats(0, 100), min_size=16, max_size=16))
def test_shapley_values_are_the_mean_gain_over_all_orders(results: list[float]) -> None:
    worth = dict(zip(every_subset(LOSSES), results, strict=True))
    found = shapley([(loss,) for loss in LOSSES], worth)
    assert [found[(loss,)] for loss in LOSSES] == pytest.approx(list(by_orders(LOSSES, worth).values()), abs=1e-9)
    assert sum(found.values()) == pytest.approx(worth[frozenset(LOSSES)] - worth[frozenset()], abs=1e-9)


def test_all_subsets_make_one_game_of_single_losses() -> None:
    assert complete_games(LOSSES, every_subset(LOSSES)) == [tuple((loss,) for loss in LOSSES)]


def test_the_published_rows_make_three_games() -> None:
    assert complete_games(LOSSES, map(subset, PAPER)) == [
        (("CS",), ("SH",)),
        (("KT",), ("VT",)),
        (("CS", "SH"), ("KT", "VT")),
    ]


def test_a_game_without_its_empty_subset_is_none() -> None:
    assert complete_games(("CS", "SH"), [subset("CS"), subset("SH"), subset("CS SH")]) == []


def test_the_papers_shapley_values_by_hand() -> None:
    paper = {subset(names): value for names, value in PAPER.items()}
    effects = loss_effects(LOSSES, {one: {} for one in paper}, paper)
    assert effects is not None
    values = {value.player: value.paper for value in effects.games[1].values}
    # KT alone +11.1, after VT +5.8; VT alone +5.7, after KT +0.4.
    assert values == pytest.approx({("KT",): (11.1 + 5.8) / 2, ("VT",): (5.7 + 0.4) / 2})
    assert len(effects.missing) == 8


def test_values_are_paired_over_the_seeds_that_every_subset_has() -> None:
    results = {"": (1.0, 2.0, 3.0), "CS": (2.0, 4.0), "SH": (1.0, 2.0, 9.0), "CS SH": (3.0, 5.0)}
    ours = {subset(names): dict(enumerate(values)) for names, values in results.items()}
    effects = loss_effects(("CS", "SH"), ours, {})
    assert effects is not None
    (game,) = effects.games
    found = game.values[0].found
    assert found is not None
    assert found.pairs == pytest.approx({0: 1.5, 1: 2.5})
    assert effects.missing == ()


def test_leaving_in_and_leaving_out_are_told_whether_or_not_they_were_trained() -> None:
    ours = {subset(names): {0: value, 1: value + 1, 2: value - 1} for names, value in PAPER.items()}
    effects = loss_effects(LOSSES, ours, {})
    assert effects is not None
    told = {(one.added, one.to): one for one in effects.additions}
    assert told[("CS",), ()].found is not None
    assert told[("CS",), ("SH",)].trained
    assert not told[("CS",), ("SH", "KT", "VT")].trained
    assert told[("CS", "SH"), ("KT", "VT")].found is not None
    assert (("CS",), ("KT",)) not in told


def test_more_losses_than_anybody_trains_subsets_of_are_left_alone() -> None:
    assert loss_effects([str(place) for place in range(7)], {}, {}) is None


def test_the_tables_say_what_was_not_trained(complete_numbers: SweepNumbers) -> None:
    effects = effects_of(complete_numbers)
    assert effects is not None
    table, values = additions_table(complete_numbers, effects), shapley_table(complete_numbers, effects)
    assert table is not None
    cells = {(row[0].text, row[1].text): row[2] for row in table.rows}
    assert cells["KT", "CS + SH + VT (left out last)"] == gap("not trained")
    assert cells["KT", "none (put in alone)"].kind == "change"
    assert values is not None
    assert len(values.rows) == 6
    assert "of which 8 are not trained" in " ".join(values.notes)


def test_a_sweep_of_too_few_subsets_has_no_shapley_values(hostile_numbers: SweepNumbers) -> None:
    effects = effects_of(hostile_numbers)
    assert effects is not None
    assert shapley_table(hostile_numbers, effects) is None
