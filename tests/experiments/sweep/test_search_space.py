"""The `search` section of a sweep file: what it means, and how its mistakes are told."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_searches import SEARCH, small_search

from experiments.sweep.search_space import RangeEntry, SearchEntry, entry_from_json, grid_values, rounded
from experiments.sweep.yaml_nodes import SpecError

KT = "losses.KT: {low: 1e-6, high: 1, log: true}"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("low: 1e-6", "low: 0", "search.space.losses.KT.low: must be above 0 on a logarithmic scale"),
        ("high: 1,", "high: 1e-7,", "search.space.losses.KT.high: must be greater than low"),
        (KT, "losses.KT: [1e-3]", "search.space.losses.KT: must have at least 2 items"),
        (KT, "losses.KT: [1e-3, 1e-3]", "search.space.losses.KT: must differ"),
        (KT, "losses.KT: {lo: 1, high: 2}", "search.space.losses.KT.lo: no such field, did you mean low?"),
        (KT, "losses.KD: [0, 1]", "losses.KD: no such loss, did you mean RKD?"),
        (KT, '"[x]": {lo: 1, high: 2}', "search.space.[x].lo: no such field, did you mean low?"),
        (KT, '"[x]": [1, 2]', "search.space.[x]: no such field, valid: student"),
        ("trials: 12", "trials: 12000", "search.trials: must be at most 10,000"),
        (KT, "student.depth: {low: 1, high: 3}", "student.depth: must be a whole number"),
        (KT, "student.depth: {low: 1, high: 4, step: 2}", "search.space.student.depth.high: must be a whole number"),
        ("log: true}", "log: true, points: 3}", "search.space.losses.KT.points: only a grid takes points"),
        ("random: {}", "grid: {}", "search.space.losses.KT: a grid needs to know how many"),
        ("random: {}", "random: {}, tpe: {}", "search.sampler: must be exactly one of tpe, random, grid"),
        ("random: {}", "randon: {}", "search.sampler.randon: no such field, did you mean random?"),
        ("  trials: 12\n", "", "search.trials: must be given: only a grid has a number of its own"),
        ("trials: 12", "trials: 0", "search.trials: must be at least 1"),
        ("cohort: 3", "objectives: [gflops]", "search.objectives[0]: the first must be an accuracy"),
        ("cohort: 3", "objectives: [AP, speed]", "search.objectives[1]: must be one of the valid values"),
        (
            "cohort: 3",
            "objectives: [AP, gflops]\n  pruner: {median: {}}",
            "search.pruner: needs one objective to judge by",
        ),
        ("cohort: 3", "confirm: {seeds: [0, 1]}", "search.confirm.seeds: must be other seeds than the search's"),
        (KT, "data.root: [data/people, data/others]", "search.space: a search has one set of data"),
        ("seeds: [0]", "seeds: [0, 1]", "seeds: a trial is one run: a search has one seed"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in SEARCH
    with pytest.raises(SpecError) as caught:
        small_search(tmp_path, SEARCH.replace(old, new))
    problem = next((one for one in caught.value.problems if message in str(one)), None)
    assert problem is not None, str(caught.value)
    assert problem.file == "hunt.yaml"
    assert problem.place.line > 1


def test_the_points_of_a_grid_are_counted_before_they_are_made(tmp_path: Path) -> None:
    text = SEARCH.replace("random: {}", "grid: {}")
    text = text.replace(KT, "student.depth: {low: 1, high: 1e18, step: 1}\n    losses.VT: [0, 1]")
    with pytest.raises(SpecError) as caught:
        small_search(tmp_path, text)
    rule = "search.space: a grid must have at most 10,000 points, got 2,000,000,000,000,000,000"
    assert str(caught.value) == f"hunt.yaml:19:5: {rule}"


def test_the_mistakes_of_a_search_are_told_with_the_others(tmp_path: Path) -> None:
    text = SEARCH.replace("low: 1e-6", "low: 2").replace("epochs: 2", "epochs: 0").replace("  trials: 12\n", "")
    with pytest.raises(SpecError) as caught:
        small_search(tmp_path, text)
    assert [one.field for one in caught.value.problems] == [
        "schedule.epochs",
        "search.trials",
        "search.space.losses.KT.high",
    ]


def test_a_row_is_a_point_of_the_space_when_the_search_could_suggest_it(tmp_path: Path) -> None:
    sweep = small_search(tmp_path)
    assert sweep.search is not None
    ours, none = sweep.rows
    assert sweep.search.params(ours) == {"losses.KT": 5e-4}
    assert sweep.search.params(none) is None


def test_a_row_under_a_teacher_of_mmpose_is_a_point_of_the_space_too(tmp_path: Path) -> None:
    given = "{teacher: {mmpose: {config: a.py, checkpoint: b.pth}}, losses: {KT: 0, SH: 2}}"
    text = SEARCH.replace(KT, "losses.SH: {low: 1, high: 4}").replace("{row: ours}", f"{{row: ours, set: {given}}}")
    sweep = small_search(tmp_path, text)
    assert sweep.search is not None
    assert sweep.search.params(sweep.rows[0]) is None  # the search's base has another teacher


def test_a_factor_is_searched_by_the_names_of_its_levels(tmp_path: Path) -> None:
    text = SEARCH.replace("seeds: [0]", "factors: {size: {S: {}, L: {student: {depth: 2}}}}\nseeds: [0]")
    sweep = small_search(tmp_path, text.replace(KT, "size: [S, L]"))
    assert sweep.search is not None
    assert sweep.search.row("x", {"size": "L"}).recipe.student.get("depth") == 2
    assert sweep.search.row("x", {"size": "S"}).recipe.student.get("depth") == 1


def test_the_search_that_ships_holds_the_papers_weights_in_every_profile() -> None:
    from experiments.sweep.sweep_file import find_sweep, read_sweep

    for sweep in read_sweep(find_sweep("search_alphas")).profiles.values():
        assert sweep.search is not None
        paper = sweep.search.params(sweep.rows[0])
        assert paper == {"losses.KT": 5e-4, "losses.VT": 5e-4, "losses.SH": 1.0, "losses.CS": 1e-2}


def test_a_grid_holds_both_ends_and_even_steps_between() -> None:
    assert grid_values(RangeEntry(low=1e-4, high=1, log=True, points=5)) == (1e-4, 1e-3, 1e-2, 0.1, 1)
    assert grid_values(RangeEntry(low=0, high=1, points=3)) == (0, 0.5, 1)
    assert grid_values(RangeEntry(low=8, high=24, step=8)) == (8, 16, 24)
    assert grid_values((0, "a")) == (0, "a")


@given(st.floats(1e-6, 1e3), st.floats(1.0, 1e4), st.floats(0, 1))
def test_a_rounded_number_has_three_digits_and_stays_inside(low: float, factor: float, share: float) -> None:
    dimension = RangeEntry(low=low, high=low * factor, log=True)
    value = rounded(dimension, min(max(low * factor**share, low), low * factor))
    assert low <= value <= low * factor
    assert value in (low, low * factor) or float(f"{value:.3g}") == value


def test_an_entry_survives_json() -> None:
    space: dict[str, Any] = {"losses.KT": RangeEntry(low=0, high=1), "size": ("S", "L"), "on": (True, False)}
    entry = SearchEntry(space=space, trials=3, objectives=("AP", "gflops"))
    assert entry_from_json(entry.json()) == entry
