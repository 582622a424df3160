"""The table for a paper: what is chosen stands in it, what is not does not."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from made_up_store import against, with_rows

from experiments.runs.saved_plan import SavedPlan, TableChoices
from experiments.runs.store import Store
from reports.numbers.sweep import SweepNumbers, aggregate
from reports.sections import SECTIONS
from reports.sections.publication import publication_table
from reports.write import write_report

Sweep = tuple[Store, SavedPlan]


def titles(numbers: SweepNumbers, **choices: object) -> list[str]:
    return [column.title for column in publication_table(numbers, TableChoices(**choices)).columns]  # type: ignore[arg-type]


def cells(numbers: SweepNumbers, column: str, **choices: object) -> list[str]:
    table = publication_table(numbers, TableChoices(columns=(column,), **choices))  # type: ignore[arg-type]
    return [row[1].text for row in table.rows]


def test_columns_and_rows_are_those_named_in_their_order(complete_numbers: SweepNumbers) -> None:
    table = publication_table(
        complete_numbers, TableChoices(columns=("PCK@0.2", "losses", "AP"), rows=("all", "KT", "none"))
    )
    assert [column.title for column in table.columns] == ["row", "PCK@0.2", "CS", "SH", "KT", "VT", "AP"]
    assert [row[0].text for row in table.rows] == ["all", "KT", "none"]


def test_without_choices_it_has_losses_metric_improvement_and_the_papers_numbers(
    complete_numbers: SweepNumbers,
) -> None:
    assert titles(complete_numbers) == ["row", "CS", "SH", "KT", "VT", "AP", "over none", "AP"]


def test_losses_that_no_chosen_row_uses_have_no_column(complete_numbers: SweepNumbers) -> None:
    assert titles(complete_numbers, columns=("losses",), rows=("none", "KT")) == ["row", "KT"]


def test_rows_with_baselines_of_their_own_name_them(complete: Sweep) -> None:
    store, plan = complete
    own = with_rows(plan, lambda place, row: replace(row, baseline="KT" if place == 7 else "none"))
    assert titles(aggregate(store, own), columns=("improvement",)) == ["row", "baseline", "over its baseline"]


def test_a_sweep_without_a_baseline_has_no_improvement(complete: Sweep) -> None:
    store, plan = complete
    assert "over none" not in titles(aggregate(store, against(plan, None)))


@pytest.mark.parametrize(
    ("spread", "shape"),
    [("no", r"\d+\.\d"), ("std", r"\d+\.\d ± \d+\.\d"), ("interval", r"\d+\.\d \[\d+\.\d, \d+\.\d\]")],
)
def test_the_spread_is_as_chosen(complete_numbers: SweepNumbers, spread: str, shape: str) -> None:
    assert all(re.fullmatch(shape, one) for one in cells(complete_numbers, "AP", spread=spread))


def test_digits_are_as_chosen(complete_numbers: SweepNumbers) -> None:
    assert all(re.fullmatch(r"\d+\.\d{3}", one) for one in cells(complete_numbers, "AP", spread="no", digits=3))


def test_the_best_is_bold_and_the_second_underlined_and_equal_ones_alike(complete_numbers: SweepNumbers) -> None:
    table = publication_table(complete_numbers, TableChoices(columns=("AP",), digits=1, spread="no"))
    assert [(row[0].text, row[1].best, row[1].underlined) for row in table.rows[-2:]] == [
        ("KT+VT", False, True),
        ("all", True, False),
    ]
    tex = table.latex()
    assert r"\underline{34." in tex
    assert r"\textbf{37.7}" in tex
    coarse = publication_table(complete_numbers, TableChoices(columns=("AP",), digits=0, rows=("KT+VT", "VT")))
    fine = publication_table(complete_numbers, TableChoices(columns=("AP",), best="underline", second="no"))
    assert sum(row[1].best for row in coarse.rows) == 1
    assert [row[1].underlined for row in fine.rows] == [False] * 7 + [True]
    assert not any(row[1].best for row in fine.rows)


def test_less_is_better_where_the_plan_says_so(complete: Sweep) -> None:
    store, plan = complete
    table = publication_table(
        aggregate(store, replace(plan, lower_is_better=("AP",))), TableChoices(columns=("AP", "PCK@0.2"))
    )
    assert [[row[place].best for row in table.rows].index(True) for place in (1, 2)] == [0, 7]


def test_few_seeds_have_no_interval_and_the_note_says_so(hostile_numbers: SweepNumbers) -> None:
    table = publication_table(hostile_numbers, TableChoices(columns=("AP",), spread="interval"))
    assert "[" not in table.rows[0][1].text
    assert "Mean over 2 seeds; fewer than 3 have no interval." in table.notes


def test_unfinished_rows_are_named(troubled_numbers: SweepNumbers) -> None:
    notes = publication_table(troubled_numbers, TableChoices()).notes
    assert any(note.startswith("Not all seeds have finished: ") for note in notes)


def test_a_sweep_of_which_nothing_has_finished_has_a_table_of_gaps(empty_numbers: SweepNumbers) -> None:
    assert cells(empty_numbers, "AP")[0] == "missing"


@pytest.mark.parametrize(("choices", "rule"), [({"columns": ("APP",)}, "columns: "), ({"rows": ("nobody",)}, "rows: ")])
def test_what_is_none_of_the_sweeps_is_refused_with_what_there_is(
    complete_numbers: SweepNumbers, choices: dict[str, tuple[str, ...]], rule: str
) -> None:
    with pytest.raises(ValueError, match=rf"{rule}must be of this sweep, got '\w+'; valid: .*KT"):
        publication_table(complete_numbers, TableChoices(**choices))  # type: ignore[arg-type]


def test_the_latex_is_short_and_its_labels_are_the_sweeps_own(complete: Sweep, tmp_path: Path) -> None:
    store, plan = complete
    files = write_report(store, plan, tmp_path, sections=SECTIONS[:4])
    text = files.paper.read_text()
    assert r"\caption{Loss ablation.}" in text
    assert len(text.splitlines()) < 35
    labels = [re.findall(r"\\label{(.*)}", file.read_text()) for file in sorted((tmp_path / "tables").glob("*.tex"))]
    assert ["tab:losses-tiny"] in labels
    assert ["tab:losses-tiny-results"] in labels
    assert len({label for found in labels for label in found}) == len(labels)
    captions = [re.findall(r"\\caption{(.*)}", file.read_text()) for file in (tmp_path / "tables").glob("*.tex")]
    assert all(len(one) == 1 and one[0].count(". ") == 0 for one in captions)
    assert files.latex.read_text().index("publication.tex") < files.latex.read_text().index("results.tex")


def test_choices_of_the_plan_are_used(complete: Sweep, tmp_path: Path) -> None:
    store, plan = complete
    chosen = TableChoices(columns=("AP",), rows=("none", "all"), label="tab:main", caption="Mine.")
    text = write_report(store, replace(plan, report=chosen), tmp_path, sections=()).paper.read_text()
    assert r"\label{tab:main}" in text
    assert r"\caption{Mine.}" in text
    assert "KT" not in text
