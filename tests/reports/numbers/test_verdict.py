"""The verdict says what the numbers bear, and no more."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_up_store import ROWS, run_name, write_complete

from experiments.runs.store import Store
from reports.formats.cell_text import listed
from reports.formats.latex import latex_table
from reports.formats.tables import Text
from reports.layouts.differences import differences_table
from reports.layouts.effects import additions_table, shapley_table
from reports.layouts.paper import paper_table
from reports.layouts.results import sweep_table
from reports.numbers.aggregate import aggregate
from reports.numbers.records import Fact
from reports.numbers.sweep_numbers import SweepNumbers
from reports.numbers.verdict import verdict
from reports.plots.improvements import effect_figure

Sweep = tuple[Store, dict[str, Any]]


def test_the_headline_has_both_numbers_the_interval_and_the_papers(complete_numbers: SweepNumbers) -> None:
    headline = verdict(complete_numbers).headline
    for part in (
        "“all” has the highest mean, 37.7 ± 0.6 AP against",
        "18.6 ± 0.5",
        "+19.1",
        "95 % interval",
        "3 seeds",
        "paper: +15.6",
    ):
        assert part in headline


def test_rows_are_sorted_into_better_and_not_to_be_told_apart(troubled_numbers: SweepNumbers) -> None:
    support = " ".join(verdict(troubled_numbers).support)
    assert "“KT+VT” and “all” are significantly better than “none”" in support
    assert "“SH”, “KT” and “VT”: not tested (fewer than three pairs" in support
    assert "Incomplete: 3 of 25 runs" in support


def test_few_pairs_are_said_to_rest_on_normality(complete_numbers: SweepNumbers) -> None:
    support = " ".join(verdict(complete_numbers).support)
    assert "With 3 seeds the 95 % intervals are very wide; run at least 5 seeds to decide anything." in support
    assert "cannot go below p = 0.25" in support
    assert "“SH” does not differ significantly from “none”" in support


def test_code_that_differs_between_runs_is_said_before_anything_else(complete_numbers: SweepNumbers) -> None:
    agreed = Fact(name="code loss SH", values=(("a", 5),))
    mixed = Fact(name="code loss KT", values=(("a", 3), ("b", 2)))
    support = verdict(replace(complete_numbers, facts=(agreed, mixed))).support
    assert support[0] == "The finished runs were trained by different code of loss KT: compare with care."
    assert "different code" not in " ".join(verdict(replace(complete_numbers, facts=(agreed,))).support)


def test_agreement_with_the_paper_says_its_n(complete_numbers: SweepNumbers) -> None:
    assert "over n = 8 rows" in " ".join(verdict(complete_numbers).support)


def test_one_seed_claims_nothing(single_numbers: SweepNumbers) -> None:
    said = verdict(single_numbers)
    assert "one seed" in said.headline
    assert "±" not in said.headline
    assert any("too few for any test" in sentence for sentence in said.support)
    assert not any("significant" in sentence for sentence in said.support)


def test_nothing_finished_says_nothing(empty_numbers: SweepNumbers) -> None:
    said = verdict(empty_numbers)
    assert "Nothing has finished yet" in said.headline
    assert said.support == ("Incomplete: 17 of 17 runs have no result, listed below with their reasons.",)


def test_a_baseline_that_wins_is_said_to_win(complete: Sweep) -> None:
    store, plan = complete
    assert (
        "No row has a higher mean than “all”: the nearest with a baseline, “KT+VT”"
        in verdict(aggregate(store, {**plan, "baseline": "all"})).headline
    )


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
    assert "“CS+SH” is significantly better than “SH”; “all” is significantly better than “KT+VT”" in said.support[0]
    table = sweep_table(numbers)
    place = [(column.group, column.title) for column in table.columns].index(("ours", "baseline"))
    assert table.columns[place + 1].title == "over its baseline"
    assert table.rows[7][place] == Text("KT+VT")
    assert "& KT+VT &" in latex_table(table)
    beside = paper_table(numbers)
    assert beside is not None
    assert Text("KT+VT") in beside.rows[7]
    figure = effect_figure(numbers)
    assert figure is not None
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["CS+SH\nover SH", "all\nover KT+VT"]


def test_a_worse_row_is_called_worse(complete: Sweep) -> None:
    store, plan = complete
    support = " ".join(verdict(aggregate(store, {**plan, "baseline": "KT"})).support)
    assert "significantly worse than “KT”" in support


def test_a_lacking_baseline_is_said_to_lack(own_store: Sweep) -> None:
    store, plan = own_store
    for seed in (0, 1):
        (store.root / run_name(0, seed) / "result.json").unlink()
    assert "“none”, which it is measured against, has not finished" in verdict(aggregate(store, plan)).headline


def test_a_row_is_best_where_it_is_told_apart_from_the_second_too(tmp_path: Path) -> None:
    def said(second: float) -> str:
        rows = (ROWS[0], ("near", ("KT",), 60.0, second), ROWS[7])
        return verdict(aggregate(*write_complete(tmp_path / str(second), seeds=3, rows=rows))).headline

    assert said(0.20).startswith("“all” is best, with 37.5")
    assert said(0.37).startswith("“all” has the highest mean, 37.5")


def test_a_row_below_another_is_not_best_though_above_its_own_baseline(complete: Sweep) -> None:
    """All rows have baselines, of which several: none is 18.6, and “all” 37.7."""
    store, plan = complete
    chosen = {"KT": None, "CS": "none", "SH": "CS", "none": None}
    rows = [{**row, "baseline": chosen[row["name"]]} for row in plan["rows"] if row["name"] in chosen]
    headline = verdict(aggregate(store, {**plan, "rows": rows})).headline
    assert headline.startswith("No row has a higher mean than “KT” (30.")
    assert "the nearest with a baseline, “CS”, has 20.3" in headline


def test_a_row_trained_otherwise_than_its_baseline_is_said_to_be(tmp_path: Path) -> None:
    store, plan = write_complete(tmp_path, seeds=3, rows=(ROWS[0], ROWS[4], ROWS[7]))
    together = sweep_table(aggregate(store, plan))
    assert any("both runs of a pair saw the same batches" in note for note in together.notes)
    for row in (1, 2):
        for seed in range(3):
            file = store.root / run_name(row, seed) / "run.json"
            file.write_text(file.read_text().replace('"batch_size": 64', '"batch_size": 32'))
    numbers = aggregate(store, plan)
    sentence = (
        "“KT” and “all” differ from “none” in training too: batch size 32 against 64, so another number of optimiser "
        "steps. Their improvements include the effect of that."
    )
    tables = [make(numbers) for make in (sweep_table, differences_table, additions_table, shapley_table, paper_table)]
    for table in tables:
        if table is not None:
            assert sentence in table.notes
            assert not any("same batches" in note for note in table.notes)
    assert sentence in verdict(numbers).support


def test_names_in_a_sentence() -> None:
    assert [listed(names) for names in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a and b", "a, b and c"]
