"""One table record, its layouts, and what each format makes of it."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from made_up_store import HOSTILE, ROWS, run_name, with_rows, write_complete

from experiments.runs.saved_plan import SavedPlan
from experiments.runs.store import Store
from reports.formats.cells import gap, seeds, text, tick
from reports.formats.columnar import csv_text
from reports.formats.latex import escape_latex
from reports.formats.table import Column, Table, fill
from reports.formats.words import duration, escape_markdown, signed
from reports.numbers.metrics import definitions
from reports.numbers.sweep import SweepNumbers, aggregate
from reports.sections.improvements import improvements_figure
from reports.sections.results import results_table
from reports.sections.runs import runs_table
from reports.sections.tests import significance_table
from reports.sections.verdict import support
from reports.statistics.differences import Spread
from reports.write import write_report

Sweep = tuple[Store, SavedPlan]


def csv_of(table: Table) -> str:
    """The table as CSV."""
    return csv_text(*table.flat())


def test_the_loss_table_has_the_papers_columns(complete_numbers: SweepNumbers) -> None:
    titles = [(column.group, column.title) for column in results_table(complete_numbers).columns]
    assert titles == [
        ("", "row"),
        *(("losses in use", name) for name in ("CS", "SH", "KT", "VT")),
        ("ours", "AP"),
        ("ours", "over none"),
        ("paper", "AP"),
        ("paper", "over none"),
        ("ours", "AP, last epoch"),
        ("ours", "group"),
        ("ours", "PCK@0.2"),
    ]


def test_columns_aside_and_those_without_a_value_are_left_out_for_people_alone() -> None:
    columns = [
        Column[str]("row", text),
        Column[str]("nothing", lambda _: gap()),
        Column[str]("zero", lambda _: seeds(Spread(values={0: 0.0}, mean=0.0, std=None), 1, 1), "measured"),
        Column[str]("more", text, aside=True),
    ]
    table = fill(columns, ["a", "b"], name="t", caption="T")
    assert table.markdown(captioned=False).splitlines()[0] == "| row |"
    page = table.html(1).partition("<details")[0]
    assert "nothing" not in page
    assert "zero" not in page
    assert "1 more column<" in page
    assert "nothing,zero mean" in csv_of(table)


def test_seeds_that_all_rows_share_are_counted_once(complete_numbers: SweepNumbers) -> None:
    table = results_table(complete_numbers)
    assert "(3)" not in table.markdown()
    assert 'class="alike"' in table.html(1)
    assert table.notes[0].startswith("Mean ± sample standard deviation over 3 seeds.")


def test_rows_keep_the_plans_order_and_ticks(complete_numbers: SweepNumbers) -> None:
    rows = results_table(complete_numbers).rows
    assert [row[0] for row in rows] == [text(row.name) for row in complete_numbers.rows]
    assert rows[3][1:5] == (tick(True), tick(True), tick(False), tick(False))


def test_only_the_greatest_mean_is_marked_best(complete_numbers: SweepNumbers) -> None:
    cells = [row[5] for row in results_table(complete_numbers).rows]
    assert [cell.best for cell in cells] == [False] * 7 + [True]


def test_a_row_without_a_result_shows_why(empty_numbers: SweepNumbers) -> None:
    table = results_table(empty_numbers)
    assert all(row[5] == gap("missing") for row in table.rows)
    assert "missing" in table.markdown()


def test_one_seed_is_said_to_be_one_seed(single_numbers: SweepNumbers) -> None:
    table = results_table(single_numbers)
    shown = table.markdown()
    assert "37.1 (n = 1)" in shown
    assert "±" not in shown.replace("Mean ±", "")
    assert any("one seed" in note for note in table.notes)
    assert not any("Mean ±" in note for note in table.notes)


def test_lacking_seeds_show_as_a_fraction(troubled_numbers: SweepNumbers) -> None:
    table = results_table(troubled_numbers)
    assert "(2/3)" in table.markdown()
    assert any("fraction" in note for note in table.notes)


def test_values_are_in_points_with_one_decimal(complete_numbers: SweepNumbers) -> None:
    line = next(line for line in results_table(complete_numbers).markdown().splitlines() if line.startswith("| CS "))
    assert line == "| CS | ✓ |  |  |  | 20.3 ± 0.4 | +1.7 ± 0.2 | 63.2 | +7.2 |"


def test_a_sweep_of_another_layout_shows_its_factors(own_store: Sweep) -> None:
    store, plan = own_store
    plan = with_rows(
        replace(plan, table="something new"), lambda place, row: replace(row, factors={"lr": 0.001 * 10**place})
    )
    table = results_table(aggregate(store, plan))
    assert ("factors", "lr") in [(column.group, column.title) for column in table.columns]
    assert table.rows[1][1] == text("0.01")


def test_a_matrix_places_students_down_and_teachers_across(complete: Sweep) -> None:
    store, plan = complete
    places = [("S", "none"), ("S", "stemnet"), ("S", "W48"), ("L", "none"), ("L", "stemnet")]
    rows = tuple(
        replace(row, factors={"student": student, "teacher": teacher})
        for row, (student, teacher) in zip(plan.rows, places, strict=False)
    )
    table = results_table(aggregate(store, replace(plan, table="matrix", rows=rows)))
    assert [row[0] for row in table.rows] == [text("S"), text("L")]
    assert [column.group for column in table.columns[1:]] == ["none", "none", "stemnet", "stemnet", "W48", "W48"]
    assert table.rows[1][5:] == (gap(), gap())
    assert table.rows[1][3].kind == "measured"


def with_layout(numbers: SweepNumbers, layout: str) -> SweepNumbers:
    return replace(numbers, plan=replace(numbers.plan, table=layout))


def test_rows_that_no_two_factors_place_fall_back_to_the_table_of_rows(complete_numbers: SweepNumbers) -> None:
    assert results_table(with_layout(complete_numbers, "matrix")).columns[0].title == "row"


def test_every_run_has_a_line(troubled_numbers: SweepNumbers) -> None:
    table = runs_table(troubled_numbers)
    assert len(table.rows) == 25
    assert table.rows[0][0] == text("teacher: teacher_stemnet")


def test_csv_holds_the_full_numbers_by_themselves(complete_numbers: SweepNumbers) -> None:
    lines = list(csv.DictReader(io.StringIO(csv_of(results_table(complete_numbers)))))
    last = lines[-1]
    row = complete_numbers.rows[-1]
    assert row.improvement is not None
    assert row.improvement.interval is not None
    assert float(last["ours: AP mean"]) == pytest.approx(row.measured["AP"].mean)
    assert float(last["ours: over none low95"]) == pytest.approx(row.improvement.interval.low)
    assert (last["CS"], last["ours: AP n"], last["paper: AP"]) == ("1", "3", "71.6")
    assert lines[0]["ours: over none mean"] == ""


def test_csv_keeps_names_as_they_are(hostile_numbers: SweepNumbers) -> None:
    lines = list(csv.DictReader(io.StringIO(csv_of(results_table(hostile_numbers)))))
    assert lines[1]["row"] == HOSTILE


def test_markdown_shows_names_as_written(hostile_numbers: SweepNumbers) -> None:
    text = results_table(hostile_numbers).markdown()
    assert "<script>" not in text
    widths = {line.replace("\\|", "").count("|") for line in text.splitlines() if line.startswith("|")}
    assert len(widths) == 1


def test_markdown_escapes_markup() -> None:
    assert escape_markdown("a_b*c|d\n<e> [f]`") == "a\\_b\\*c\\|d &lt;e&gt; \\[f\\]\\`"


def test_latex_escapes_its_own_characters() -> None:
    assert escape_latex("50% of a_b & {c} $x ~ ^ \\") == (
        r"50\% of a\_b \& \{c\} \$x \textasciitilde{} \textasciicircum{} \textbackslash{}"
    )


def test_what_others_print_stands_in_columns_of_its_own(tmp_path: Path) -> None:
    store, plan = write_complete(tmp_path, seeds=1, rows=ROWS[:2])
    none, cs = plan.rows
    quoted = replace(plan, rows=(none, replace(cs, quoted={"mmpose says": {"AP": 70.6}})))
    table = results_table(aggregate(store, quoted))
    place = [(column.group, column.title) for column in table.columns].index(("mmpose says", "AP"))
    assert [row[place].text for row in table.rows] == ["–", "70.6"]
    assert "mmpose says: of other models and settings, to look up and not to compare with." in table.notes


def test_latex_has_booktabs_rules_and_as_many_cells_as_columns(complete_numbers: SweepNumbers) -> None:
    text = results_table(complete_numbers).latex()
    assert all(rule in text for rule in (r"\toprule", r"\midrule", r"\bottomrule", r"\cmidrule(lr){2-5}"))
    body = text.partition(r"\midrule")[2].partition(r"\bottomrule")[0].strip().splitlines()
    assert len(body) == 8
    assert {line.count("&") for line in body} == {11}
    assert r"\textbf{37.7} $\pm$ 0.6 (3)" in body[-1]


def test_signs_are_true_minus_signs() -> None:
    assert (signed(-1.25, 1), signed(0.0, 1)) == ("−1.2", "+0.0")


@pytest.mark.parametrize(("n", "wanted", "said"), [(1, 1, "n = 1"), (3, 3, "3"), (1, 2, "1/2")])
def test_the_count_of_seeds(n: int, wanted: int, said: str) -> None:
    spread = Spread(values=dict.fromkeys(range(n), 1.0), mean=1.0, std=None)
    assert seeds(spread, wanted, 1).text == f"1.0 ({said})"


@pytest.mark.parametrize(("seconds", "said"), [(42, "42 s"), (600, "10 min"), (7000, "1.9 h")])
def test_durations_are_for_people(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_a_metric_the_paper_does_not_print_stands_beside_the_papers_own(complete: Sweep) -> None:
    store, plan = complete
    numbers = aggregate(store, replace(plan, metric="PCK@0.2"))
    columns = [(column.group, column.title) for column in results_table(numbers).columns]
    assert numbers.paper_metric == "AP"
    assert ("paper", "AP") in columns
    assert columns.index(("ours", "PCK@0.2")) < columns.index(("paper", "AP")) < columns.index(("ours", "AP"))
    assert numbers.rows[-1].paper_improvement == pytest.approx(15.6)
    assert "by PCK@0.2 here and AP there" in " ".join(support(numbers))
    figure = improvements_figure(numbers, numbers.rows[1:])
    assert "(paper: AP)" in figure.axes[0].get_xlabel()


def test_the_last_epoch_stands_beside_the_best_and_their_gap_is_said(tmp_path: Path) -> None:
    store, plan = write_complete(tmp_path, seeds=2, rows=(ROWS[0], ROWS[7]))
    for seed in (0, 1):
        file = store.root / run_name(0, seed) / "result.json"
        result = json.loads(file.read_text())
        result["last"]["AP"] = result["metrics"]["AP"] - 0.0063
        file.write_text(json.dumps(result))
    table = results_table(aggregate(store, plan))
    said = "chosen on the validation split itself. Best minus last epoch: +0.00 (“all”) to +0.63 (“none”)."
    assert any(said in note for note in table.notes)
    assert not any("optimistic" in note for note in table.notes)
    best, last = table.rows[0][5], table.rows[0][-2]
    assert best.sort - last.sort == pytest.approx(0.63)  # type: ignore[operator]


def test_one_teacher_of_all_seeds_is_said(tmp_path: Path) -> None:
    store, plan = write_complete(tmp_path, seeds=3, rows=(ROWS[0], ROWS[7]))
    assert not any("teacher" in note for note in results_table(aggregate(store, plan)).notes)
    for seed in range(3):
        file = store.root / run_name(1, seed) / "run.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "teacher_id": "7eac4e400000"}))
    numbers = aggregate(store, plan)
    assert any("or of the teacher, which they share." in note for note in results_table(numbers).notes)
    tests = significance_table(numbers)
    assert "Intervals and tests are for this teacher: all seeds of a row learned from one." in tests.notes


def test_every_format_says_which_pck_a_table_shows(complete: Sweep, tmp_path: Path) -> None:
    store, plan = complete
    files = write_report(store, replace(plan, metric="PCK@0.2"), tmp_path, pictures=False)
    of_box = "found within 0.2 of the longer side of the person's box, not of the torso as for LSP"
    assert of_box in files.summary
    for name in ("results", "tests", "additions", "paper", "runs"):
        assert of_box in (tmp_path / "tables" / f"{name}.tex").read_text()
    assert files.html.read_text().count("longer side of the person&#39;s box, not of the torso") >= 5
    assert files.markdown.read_text().count(of_box) == 1


def test_both_kinds_of_pck_are_told_apart() -> None:
    box, torso = definitions("PCK@0.1 PCK@0.2 PCK@0.2-torso")
    assert box.startswith("PCK@0.1 and PCK@0.2: share of labelled joints found within 0.1 and 0.2 of the longer side")
    assert torso.startswith("PCK@0.2-torso: ")
    assert torso.endswith("within 0.2 of the distance from left shoulder to right hip.")
    assert definitions("AP") == ()
