"""The verdict says what the numbers bear, and no more."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from made_up_store import ROWS, against, run_name, with_rows, write_complete

from experiments.runs.saved_plan import SavedPlan
from experiments.runs.store import Store
from reports.formats.cells import text
from reports.formats.words import listed
from reports.numbers.sweep import SweepNumbers, aggregate
from reports.sections.improvements import improvements_figure
from reports.sections.losses import additions_table, effects_of, shapley_table
from reports.sections.paper import paper_table
from reports.sections.results import results_table
from reports.sections.tests import significance_table
from reports.sections.verdict import headline, support

Sweep = tuple[Store, SavedPlan]


def test_the_headline_has_both_numbers_the_interval_and_the_papers(complete_numbers: SweepNumbers) -> None:
    said = headline(complete_numbers)
    for part in (
        "“all” has the highest mean, 37.7 ± 0.6 AP against",
        "18.6 ± 0.5",
        "+19.1",
        "95 % interval",
        "3 seeds",
        "paper: +15.6",
    ):
        assert part in said


def test_rows_are_sorted_into_better_and_not_to_be_told_apart(troubled_numbers: SweepNumbers) -> None:
    said = " ".join(support(troubled_numbers))
    assert "“KT+VT” and “all” are significantly better than “none”" in said
    assert "“SH”, “KT” and “VT”: not tested (fewer than three pairs" in said
    assert "Incomplete: 3 of 25 runs" in said


def test_few_seeds_are_said_to_be_few(complete_numbers: SweepNumbers) -> None:
    said = " ".join(support(complete_numbers))
    assert "With 3 seeds the 95 % intervals are very wide; run at least 5 seeds to decide anything." in said
    assert "“SH” does not differ significantly from “none”" in said


def test_code_that_differs_between_runs_is_said_before_anything_else(
    own_store: Sweep, complete_numbers: SweepNumbers
) -> None:
    store, plan = own_store
    for seed, digest in enumerate("ab"):
        file = store.root / run_name(1, seed) / "result.json"
        result = json.loads(file.read_text())
        result["provenance"]["code"] = {"loss SH": "a", "loss KT": digest}
        file.write_text(json.dumps(result))
    first, *_ = support(aggregate(store, plan))
    assert first == "The finished runs were not all trained by the same code of loss KT: compare with care."
    assert "different code" not in " ".join(support(complete_numbers))


def test_agreement_with_the_paper_says_its_n(complete_numbers: SweepNumbers) -> None:
    assert "over n = 8 rows" in " ".join(support(complete_numbers))


def test_one_seed_claims_nothing(single_numbers: SweepNumbers) -> None:
    claim, further = headline(single_numbers), " ".join(support(single_numbers))
    assert "one seed" in claim
    assert "±" not in claim
    assert "too few for any test" in further
    assert "significant" not in further


def test_nothing_finished_says_nothing(empty_numbers: SweepNumbers) -> None:
    assert "Nothing has finished yet" in headline(empty_numbers)
    assert support(empty_numbers) == ("Incomplete: 17 of 17 runs have no result, listed below with their reasons.",)


def test_a_baseline_that_wins_is_said_to_win(complete: Sweep) -> None:
    store, plan = complete
    assert "No row has a higher mean than “all”: the nearest with a baseline, “KT+VT”" in headline(
        aggregate(store, against(plan, "all"))
    )


def test_rows_with_baselines_of_their_own_are_held_against_those(complete: Sweep) -> None:
    store, plan = complete
    chosen = {"CS+SH": "SH", "all": "KT+VT"}
    numbers = aggregate(store, with_rows(plan, lambda _, row: replace(row, baseline=chosen.get(row.name))))
    found = {row.name: row for row in numbers.rows}
    assert found["all"].improvement is not None
    over_tokens = found["all"].measured["AP"].mean - found["KT+VT"].measured["AP"].mean
    assert found["all"].improvement.mean == pytest.approx(over_tokens)
    assert found["CS"].improvement is None
    assert found["all"].paper_improvement == 71.6 - 67.5
    assert "for “KT+VT”" in headline(numbers)
    assert (
        "“CS+SH” is significantly better than “SH”; “all” is significantly better than “KT+VT”" in support(numbers)[0]
    )
    table = results_table(numbers)
    place = [(column.group, column.title) for column in table.columns].index(("ours", "baseline"))
    assert table.columns[place + 1].title == "over its baseline"
    assert table.rows[7][place] == text("KT+VT")
    assert "& KT+VT &" in table.latex()
    assert text("KT+VT") in paper_table(numbers).rows[7]
    figure = improvements_figure(numbers, [row for row, _ in numbers.compared])
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["CS+SH\nover SH", "all\nover KT+VT"]


def test_a_worse_row_is_called_worse(complete: Sweep) -> None:
    store, plan = complete
    said = " ".join(support(aggregate(store, against(plan, "KT"))))
    assert "significantly worse than “KT”" in said


def test_a_lacking_baseline_is_said_to_lack(own_store: Sweep) -> None:
    store, plan = own_store
    for seed in (0, 1):
        (store.root / run_name(0, seed) / "result.json").unlink()
    assert "“none”, which it is measured against, has not finished" in headline(aggregate(store, plan))


def test_a_row_is_best_where_it_is_told_apart_from_the_second_too(tmp_path: Path) -> None:
    def said(second: float) -> str:
        rows = (ROWS[0], ("near", ("KT",), 60.0, second), ROWS[7])
        return headline(aggregate(*write_complete(tmp_path / str(second), seeds=3, rows=rows)))

    assert said(0.20).startswith("“all” is best, with 37.5")
    assert said(0.37).startswith("“all” has the highest mean, 37.5")


def test_a_row_below_another_is_not_best_though_above_its_own_baseline(complete: Sweep) -> None:
    """All rows have baselines, of which several: none is 18.6, and “all” 37.7."""
    store, plan = complete
    chosen = {"KT": None, "CS": "none", "SH": "CS", "none": None}
    rows = tuple(replace(row, baseline=chosen[row.name]) for row in plan.rows if row.name in chosen)
    found = headline(aggregate(store, replace(plan, rows=rows)))
    assert found.startswith("No row has a higher mean than “KT” (30.")
    assert "the nearest with a baseline, “CS”, has 20.3" in found


def test_a_row_trained_otherwise_than_its_baseline_is_said_to_be(tmp_path: Path) -> None:
    store, plan = write_complete(tmp_path, seeds=3, rows=(ROWS[0], ROWS[4], ROWS[7]))
    together = results_table(aggregate(store, plan))
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
    effects = effects_of(numbers)
    assert effects is not None
    tables = [make(numbers) for make in (results_table, significance_table, paper_table)]
    for table in filter(None, (*tables, additions_table(numbers, effects), shapley_table(numbers, effects))):
        assert sentence in table.notes
        assert not any("same batches" in note for note in table.notes)
    assert sentence in support(numbers)


def _begins_with(store: Store, row: int, start: str) -> None:
    for seed in range(3):
        file = store.root / run_name(row, seed) / "run.json"
        spec = json.loads(file.read_text())
        spec["identity"]["start"] = start
        file.write_text(json.dumps(spec))


def test_a_row_that_begins_elsewhere_than_its_baseline_is_said_to(tmp_path: Path) -> None:
    store, plan = write_complete(tmp_path, seeds=3, rows=(ROWS[0], ROWS[4]))
    _begins_with(store, 1, run_name(0, 0))
    assert any("in training too: start trunk of “none” against none." in one for one in support(aggregate(store, plan)))


def test_of_two_rows_with_the_same_losses_the_one_trained_like_the_rest_counts(tmp_path: Path) -> None:
    rows = (ROWS[0], ("heatmaps", (), 56.0, 0.25), ROWS[4])
    store, plan = write_complete(tmp_path, seeds=3, rows=rows)
    assert effects_of(aggregate(store, plan)) is None  # nothing tells the two apart
    _begins_with(store, 1, run_name(0, 0))
    numbers = aggregate(store, plan)
    effects = effects_of(numbers)
    assert effects is not None
    table = additions_table(numbers, effects)
    assert table is not None
    assert "“heatmaps” is left out: it has the losses of “none” and was trained otherwise." in table.notes
    assert table.rows[0][2].text.startswith("+12.3")


def test_rows_that_are_not_told_apart_are_named(complete_numbers: SweepNumbers) -> None:
    assert any(one.startswith("Not told apart from each other, of all pairs: “") for one in support(complete_numbers))


def test_names_in_a_sentence() -> None:
    assert [listed(names) for names in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a and b", "a, b and c"]
