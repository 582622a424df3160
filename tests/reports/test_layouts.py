"""The tables and drawings of runs of full size: costs beside the published, comparisons, heat maps, calibration."""

from dataclasses import replace
from typing import Any

import pytest
from made_up_coco import write_coco
from matplotlib.text import Annotation
from matplotlib.text import Text as Words

from experiments.runs.store import Store
from reports.formats.columnar import flat_table, parquet_table
from reports.formats.tables import Bounds, Chance, Change, Gap, Measured, Number, Table, Text, Tick
from reports.layouts.cost import cost_table
from reports.layouts.differences import differences_table
from reports.layouts.paper import paper_table
from reports.layouts.published import dev_table, val_table
from reports.layouts.results import generalisation_table, sdpose_table, sweep_table
from reports.numbers.aggregate import aggregate
from reports.numbers.records import Calibration
from reports.numbers.sweep_numbers import SweepNumbers
from reports.numbers.verdict import verdict
from reports.plots.calibration import calibration_drawing, calibration_figure
from reports.plots.cost import cost_figure
from reports.plots.joints import joints_figure
from reports.plots.matrix import matrix_figure
from reports.plots.waterfall import chains, waterfall_figure
from reports.sections import SECTIONS, make_sections


@pytest.fixture(scope="module")
def coco(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, dict[str, Any]]:
    return write_coco(tmp_path_factory.mktemp("coco"))


@pytest.fixture(scope="module")
def numbers(coco: tuple[Store, dict[str, Any]]) -> SweepNumbers:
    return aggregate(*coco)


def cells(table: Table | None, row: int) -> dict[str, Any]:
    """The cells of a row by group and title."""
    assert table is not None
    titles = [f"{column.group}: {column.title}" for column in table.columns]
    return dict(zip(titles, table.rows[row], strict=True))


def test_every_section_of_a_full_report_is_made(numbers: SweepNumbers) -> None:
    keys = {section.key for section in make_sections(numbers, SECTIONS)}
    assert {"results", "tests", "paper", "cost", "comparison", "curves", "errors"} <= keys


def test_a_student_stands_beside_its_teacher_and_the_published_figures(numbers: SweepNumbers) -> None:
    table = cost_table(numbers)
    teacher, student = cells(table, 0), cells(table, 1)
    assert teacher[": model"] == Text("teacher_tokenpose_l")
    assert student["ours: params (M)"] == Number(5.364101, 2)
    assert student["× better than its teacher: params"].value == pytest.approx(12.94, abs=0.01)
    assert student["× better than its teacher: speed"].value == pytest.approx(41 / 8)
    assert [student[f"paper: {name}"] for name in ("params (M)", "GFLOPs", "images/s", "AP")] == [
        Number(5.36, 2), Number(2.38, 2), Number(40.2), Number(71.6),
    ]  # fmt: skip


def test_costs_that_were_not_recorded_are_said_to_lack(complete_numbers: SweepNumbers) -> None:
    table = cost_table(complete_numbers)
    assert table is not None
    assert "These runs did not record GFLOPs." in table.notes
    assert cells(table, 1)["ours: GFLOPs"] == Gap()


def test_runs_on_coco_stand_among_published_methods_and_others_do_not(
    numbers: SweepNumbers, complete_numbers: SweepNumbers
) -> None:
    rows = val_table(numbers).rows
    assert len(rows) == 21 + 2
    assert rows[-1][:4] == (
        Text("HRNet-W48-stage3, HRNet-W48 (this sweep)"), Text("ours"), Text("distilpose_l"), Text("256×192"),
    )  # fmt: skip
    assert len(dev_table(numbers).rows) == 8
    assert len(val_table(complete_numbers).rows) == 21
    assert "comparison" not in {section.key for section in make_sections(complete_numbers)}


def test_the_figure_of_costs_names_ours_and_leaves_no_two_labels_on_one_another(numbers: SweepNumbers) -> None:
    figure = cost_figure(numbers)
    assert figure is not None
    assert [axes.get_xlabel() for axes in figure.axes] == ["parameters (M)", "GFLOPs", "images a second"]
    figure.draw_without_rendering()
    for axes in figure.axes:
        labels = [one for one in axes.texts if isinstance(one, Annotation)]
        assert {"distilpose_s", "distilpose_l"} <= {one.get_text() for one in labels}
        boxes = [Words.get_window_extent(one) for one in labels]  # without their lines
        pairs = [(one, other) for place, one in enumerate(boxes) for other in boxes[:place]]
        assert [one for one in pairs if one[0].shrunk(0.8, 0.8).overlaps(one[1].shrunk(0.8, 0.8))] == []


def test_a_sweep_of_one_model_has_no_figure_of_costs(complete_numbers: SweepNumbers) -> None:
    assert cost_figure(complete_numbers) is None


def test_the_heat_map_shows_every_cell_with_its_spread(numbers: SweepNumbers) -> None:
    figure = matrix_figure(numbers)
    assert figure is not None
    ours, paper = figure.axes
    assert {text.get_text() for text in paper.texts} == {"56.0", "71.6", "63.0", "74.4"}
    assert "55.2\n± 0.2" in {text.get_text() for text in ours.texts}


def test_calibration_is_drawn_for_rows_whose_scores_differ(numbers: SweepNumbers) -> None:
    found = {row.name: row.calibration for row in numbers.rows}
    told = found["stemnet, HRNet-W48"]
    assert told is not None
    assert sum(told.people) == 400
    assert told.error == pytest.approx((0.125 + 0.025) / 2)
    figure, drawing = calibration_figure(numbers), calibration_drawing(numbers)
    assert figure is not None
    assert drawing is not None
    assert len([axes for axes in figure.axes if axes.get_visible()]) == 2
    assert "Omitted: models without a confidence output (“stemnet, none”" in drawing.caption


def test_scores_that_fall_into_one_bin_are_not_called_constant(numbers: SweepNumbers) -> None:
    taught = next(row for row in numbers.rows if row.name == "stemnet, HRNet-W48")
    low = Calibration(people=(32, *[0] * 19), score=(0.01, *[0.0] * 19), oks=(0.2, *[0.0] * 19), spearman={})
    narrow = replace(taught, name="narrow", calibration=low)
    drawing = calibration_drawing(replace(numbers, rows=(*numbers.rows, narrow), drawn=(*numbers.drawn, "narrow")))
    assert drawing is not None
    assert "Omitted: rows whose scores all fall into one twentieth (“narrow”)." in drawing.caption
    assert "models without a confidence output (“stemnet, none”, “HRNet-W48-stage3, none”)" in drawing.caption


def test_a_joint_that_nobody_labelled_is_left_out(numbers: SweepNumbers) -> None:
    figure = joints_figure(numbers)
    assert figure is not None
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["nose", "left eye"]


def test_runs_that_recorded_no_errors_are_said_to(complete_numbers: SweepNumbers) -> None:
    (section,) = [one for one in make_sections(complete_numbers) if one.key == "errors"]
    assert "did not record how their errors are spread" in section.text[0]


def test_the_generalisation_layout_puts_the_teacher_first(coco: tuple[Store, dict[str, Any]]) -> None:
    store, plan = coco
    rows = [{**row, "ticks": {"SH": place == 1}} for place, row in enumerate(plan["rows"][:2])]
    table = generalisation_table(aggregate(store, {**plan, "rows": rows}))
    assert [row[1:3] for row in table.rows] == [
        (Gap(), Text("teacher")), (Tick(False), Text("alone")), (Tick(True), Text("student")),
    ]  # fmt: skip
    assert cells(table, 0)["paper: AP"] == Number(75.2)


def test_the_sdpose_layout_shows_what_each_model_costs(coco: tuple[Store, dict[str, Any]]) -> None:
    store, plan = coco
    table = sweep_table(aggregate(store, {**plan, "table": "sdpose"}))
    assert table == sdpose_table(aggregate(store, {**plan, "table": "sdpose"}))
    assert cells(table, 3)["cost: GFLOPs"] == Number(10.33, 2)


def test_the_tests_say_the_least_p_that_so_few_pairs_allow(complete_numbers: SweepNumbers) -> None:
    table = differences_table(complete_numbers)
    found = cells(table, 6)
    assert found["sign-flip test: least p possible"] == Chance(0.25)
    assert found["sign-flip test: p"] == Chance(0.25)
    assert isinstance(found["95 % interval: bootstrap"], Bounds)
    assert table is not None
    assert "it cannot fall below 0.05, whatever the difference" in " ".join(table.notes)


def test_one_pair_is_not_tested(single_numbers: SweepNumbers) -> None:
    table = differences_table(single_numbers)
    assert cells(table, 0)["95 % interval: t"] == Gap("n = 1")
    assert table is not None
    assert table.notes == ("Fewer than 3 pairs of seeds have no interval and no test.",)


def test_two_pairs_are_not_tested_anywhere(own_store: tuple[Store, dict[str, Any]]) -> None:
    found = aggregate(*own_store)
    row = cells(differences_table(found), 0)
    assert row["95 % interval: t"] == Gap("n = 2")
    assert row["95 % interval: bootstrap"] == row["paired t test: p"] == row["sign-flip test: p"] == Gap()
    text = " ".join([verdict(found).headline, *verdict(found).support])
    assert "95 % interval" not in verdict(found).headline
    assert "Two seeds a row are too few for any test or interval; run at least 5 seeds" in text
    assert "significant" not in text


def test_ours_stands_beside_the_papers_with_ranks_and_signs(complete_numbers: SweepNumbers) -> None:
    first, best = cells(paper_table(complete_numbers), 0), cells(paper_table(complete_numbers), 7)
    assert first["over none: same sign"] == Gap()
    assert isinstance(best["AP: ours"], Measured)
    assert isinstance(best["over none: ours"], Change)
    assert (best["rank: paper"], best["rank: ours"]) == (Number(1.0, 0), Number(1.0, 0))
    assert best["AP: difference"].value == pytest.approx(37.7 - 71.6)


def test_a_waterfall_goes_every_longest_way_up(complete_numbers: SweepNumbers) -> None:
    sets = [frozenset(text) for text in ("", "a", "b", "ab", "abc")]
    assert chains(sets) == [tuple(sets[place] for place in way) for way in ((0, 1, 3, 4), (0, 2, 3, 4))]
    assert chains(sets[1:]) == []
    assert chains([sets[0], sets[4]]) == []
    figure = waterfall_figure(complete_numbers)
    assert figure is not None
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == [
        "none", "+ CS", "+ SH", "+ KT\n+ VT", "all",
    ]  # fmt: skip


def test_parquet_holds_the_columns_of_the_csv_typed(complete_numbers: SweepNumbers) -> None:
    import io

    import pyarrow.parquet as pq

    table = sweep_table(complete_numbers)
    heads, rows = flat_table(table)
    found = pq.read_table(io.BytesIO(parquet_table(table)))
    assert found.column_names == heads
    assert found.column("CS").to_pylist() == [row[1] for row in rows]
    assert str(found.schema.field("ours: AP mean").type) == "double"
    assert str(found.schema.field("ours: AP n").type) == "int64"
    assert found.schema.metadata[b"caption"].decode() == table.caption
    assert parquet_table(table) == parquet_table(table)


def test_heads_that_would_be_the_same_are_numbered(complete_numbers: SweepNumbers) -> None:
    table = differences_table(complete_numbers)
    assert table is not None
    heads, _ = flat_table(table)
    assert len(set(heads)) == len(heads)
