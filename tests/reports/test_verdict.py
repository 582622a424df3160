"""The verdict says what the numbers bear, and no more."""

from typing import Any

import pytest
from made_up_store import run_name

from experiments.store import Store
from reports.aggregate import aggregate
from reports.layouts.results import sweep_table
from reports.plots.improvements import effect_figure
from reports.records import SweepNumbers
from reports.verdict import listed, verdict

Sweep = tuple[Store, dict[str, Any]]


def test_the_headline_has_both_numbers_the_interval_and_the_papers(complete_numbers: SweepNumbers) -> None:
    headline = verdict(complete_numbers).headline
    for part in (
        "“all” is best, with 37.7 ± 0.6 AP",
        "18.6 ± 0.5",
        "+19.1",
        "95 % interval",
        "3 seeds",
        "paper: +15.6",
    ):
        assert part in headline


def test_rows_are_sorted_into_better_and_not_to_be_told_apart(troubled_numbers: SweepNumbers) -> None:
    support = " ".join(verdict(troubled_numbers).support)
    assert "“all” are better than “none” by more than seeds explain" in support
    assert "“SH” cannot be told from “none”" in support
    assert "Incomplete: 3 of 25 runs" in support


def test_few_pairs_are_said_to_rest_on_normality(complete_numbers: SweepNumbers) -> None:
    support = " ".join(verdict(complete_numbers).support)
    assert "With 3 pairs an interval reaches 4.3 standard errors either way" in support
    assert "cannot go below p = 0.25" in support


def test_agreement_with_the_paper_says_its_n(complete_numbers: SweepNumbers) -> None:
    assert "over n = 8 rows" in " ".join(verdict(complete_numbers).support)


def test_one_seed_claims_nothing(single_numbers: SweepNumbers) -> None:
    said = verdict(single_numbers)
    assert "one seed" in said.headline
    assert "±" not in said.headline
    assert any("no difference can be told from chance" in sentence for sentence in said.support)
    assert not any("more than seeds explain" in sentence for sentence in said.support)


def test_nothing_finished_says_nothing(empty_numbers: SweepNumbers) -> None:
    said = verdict(empty_numbers)
    assert "Nothing has finished yet" in said.headline
    assert said.support == ("Incomplete: 17 of 17 runs have no result, listed below with their reasons.",)


def test_a_baseline_that_wins_is_said_to_win(complete: Sweep) -> None:
    store, plan = complete
    assert "No row improves on “all”" in verdict(aggregate(store, {**plan, "baseline": "all"})).headline


def test_rows_with_baselines_of_their_own_are_held_against_those(complete: Sweep) -> None:
    store, plan = complete
    rows = [{**row, "baseline": {"CS+SH": "SH", "all": "KT+VT"}.get(row["name"])} for row in plan["rows"]]
    numbers = aggregate(store, {**plan, "rows": rows})
    found = {row.name: row for row in numbers.rows}
    assert found["all"].improvement is not None
    over_tokens = found["all"].measured["AP"].mean - found["KT+VT"].measured["AP"].mean
    assert found["all"].improvement.mean == pytest.approx(over_tokens)
    assert found["CS"].improvement is None
    assert found["all"].paper_improvement == 71.6 - 67.5
    said = verdict(numbers)
    assert "for “KT+VT”" in said.headline
    assert "better than its baseline" in " ".join(said.support)
    assert ("ours", "over its baseline") in {(column.group, column.title) for column in sweep_table(numbers).columns}
    figure = effect_figure(numbers)
    assert figure is not None
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["CS+SH\nover SH", "all\nover KT+VT"]


def test_a_worse_row_is_called_worse(complete: Sweep) -> None:
    store, plan = complete
    support = " ".join(verdict(aggregate(store, {**plan, "baseline": "KT"})).support)
    assert "worse than “KT” by more than seeds explain" in support


def test_a_lacking_baseline_is_said_to_lack(own_store: Sweep) -> None:
    store, plan = own_store
    for seed in (0, 1):
        (store.root / run_name(0, seed) / "result.json").unlink()
    assert "“none”, which it is measured against, has not finished" in verdict(aggregate(store, plan)).headline


def test_names_in_a_sentence() -> None:
    assert [listed(names) for names in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a and b", "a, b and c"]
