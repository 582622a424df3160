"""The tables and drawings of runs of full size: costs beside the published, comparisons, heat maps, calibration."""

import io
from dataclasses import replace

import pyarrow.parquet as pq
import pytest
from made_up_coco import write_coco
from made_up_store import with_rows
from matplotlib.text import Annotation
from matplotlib.text import Text as Words

from experiments.runs.saved_plan import SavedPlan
from experiments.runs.store import Store
from reports.formats.cells import Cell, chance, gap, number, text, tick
from reports.formats.table import Table
from reports.numbers.sweep import SweepNumbers, aggregate
from reports.sections import make_sections
from reports.sections.comparison import dev_table, val_table
from reports.sections.cost import cost_drawing, cost_figure, cost_table
from reports.sections.errors import (
    Calibration,
    calibration_drawing,
    calibrations_of,
    confidence,
    joints,
    joints_drawing,
    joints_of,
)
from reports.sections.losses import chains, effects_of, waterfall_drawing
from reports.sections.matrix import matrix_drawing
from reports.sections.paper import paper_table
from reports.sections.results import results_table
from reports.sections.row_cells import best_of_models
from reports.sections.tests import significance_table, tests
from reports.sections.verdict import headline, support


@pytest.fixture(scope="module")
def coco(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, SavedPlan]:
    return write_coco(tmp_path_factory.mktemp("coco"))


@pytest.fixture(scope="module")
def numbers(coco: tuple[Store, SavedPlan]) -> SweepNumbers:
    return aggregate(*coco)


def cells(table: Table, row: int) -> dict[str, Cell]:
    """The cells of a row by group and title."""
    titles = [f"{column.group}: {column.title}" for column in table.columns]
    return dict(zip(titles, table.rows[row], strict=True))


def test_every_section_of_a_full_report_is_made(numbers: SweepNumbers) -> None:
    keys = {section.key for section in make_sections(numbers)}
    assert {"results", "paper", "cost", "comparison", "curves", "joints", "confidence", "settings"} <= keys


def test_a_student_stands_beside_its_teacher_and_the_published_figures(numbers: SweepNumbers) -> None:
    table = cost_table(numbers, best_of_models(numbers))
    teacher, student = cells(table, 0), cells(table, 1)
    assert teacher[": model"] == text("teacher_tokenpose_l")
    assert student["ours: params (M)"] == number(5.364101, 2)
    assert student["× better than its teacher: params"].sort == pytest.approx(12.94, abs=0.01)
    assert student["× better than its teacher: speed"].sort == pytest.approx(41 / 8)
    assert [student[f"paper: {name}"] for name in ("params (M)", "GFLOPs", "images/s", "AP")] == [
        number(5.36, 2), number(2.38, 2), number(40.2), number(71.6),
    ]  # fmt: skip


def test_costs_that_were_not_recorded_are_said_to_lack(complete_numbers: SweepNumbers) -> None:
    table = cost_table(complete_numbers, best_of_models(complete_numbers))
    assert "These runs did not record GFLOPs." in table.notes
    assert cells(table, 1)["ours: GFLOPs"] == gap()


def test_runs_on_coco_stand_among_published_methods_and_others_do_not(
    numbers: SweepNumbers, complete_numbers: SweepNumbers
) -> None:
    rows = val_table(numbers).rows
    assert len(rows) == 24 + 2
    assert rows[-1][:4] == (
        text("HRNet-W48-stage3, HRNet-W48 (this sweep)"), text("ours"), text("distilpose_l"), text("256×192"),
    )  # fmt: skip
    assert len(dev_table().rows) == 8
    assert "comparison" not in {section.key for section in make_sections(complete_numbers)}


def test_the_figure_of_costs_names_ours_and_leaves_no_two_labels_on_one_another(numbers: SweepNumbers) -> None:
    figure = cost_figure(best_of_models(numbers), "AP", published=True)
    assert [axes.get_xlabel() for axes in figure.axes] == ["parameters (M)", "GFLOPs", "images a second"]
    figure.draw_without_rendering()
    for axes in figure.axes:
        labels = [one for one in axes.texts if isinstance(one, Annotation)]
        assert {"distilpose_s", "distilpose_l"} <= {one.get_text() for one in labels}
        boxes = [Words.get_window_extent(one) for one in labels]  # without their lines
        pairs = [(one, other) for place, one in enumerate(boxes) for other in boxes[:place]]
        assert [one for one in pairs if one[0].shrunk(0.8, 0.8).overlaps(one[1].shrunk(0.8, 0.8))] == []


def test_a_sweep_of_one_model_has_no_figure_of_costs(complete_numbers: SweepNumbers) -> None:
    assert cost_drawing(complete_numbers, best_of_models(complete_numbers)) is None


def test_the_heat_map_shows_every_cell_with_its_spread(numbers: SweepNumbers) -> None:
    drawing = matrix_drawing(numbers)
    assert drawing is not None
    assert all(f">{value}</text>" in drawing.svg for value in ("56.0", "71.6", "63.0", "74.4", "55.2", "± 0.2"))


def test_calibration_is_drawn_for_rows_whose_scores_differ(numbers: SweepNumbers) -> None:
    found = calibrations_of(numbers)
    taught = found["stemnet, HRNet-W48"]
    assert sum(taught.people) == 400
    assert taught.error == pytest.approx((0.125 + 0.025) / 2)
    drawing = calibration_drawing(found)
    assert drawing is not None
    assert drawing.svg.count("ECE 0.08") == 2
    assert "Omitted: models without a confidence output (“stemnet, none”" in drawing.caption


def test_scores_that_fall_into_one_bin_are_not_called_constant(numbers: SweepNumbers) -> None:
    low = Calibration(people=(32, *[0] * 19), score=(0.01, *[0.0] * 19), oks=(0.2, *[0.0] * 19), spearman={})
    drawing = calibration_drawing({**calibrations_of(numbers), "narrow": low})
    assert drawing is not None
    assert "Omitted: rows whose scores all fall into one twentieth (“narrow”)." in drawing.caption
    assert "models without a confidence output (“stemnet, none”, “HRNet-W48-stage3, none”)" in drawing.caption


def test_a_joint_that_nobody_labelled_is_left_out(numbers: SweepNumbers) -> None:
    assert joints_of(numbers)["stemnet, none"] == {"nose": 25.0, "ear": 75.0}


def test_left_and_right_are_one_joint(numbers: SweepNumbers) -> None:
    drawing = joints_drawing(joints_of(numbers))
    assert [f">{word}<" in drawing.svg for word in ("nose", "ear", "right eye")] == [True, True, False]


def test_runs_that_recorded_no_errors_have_no_such_sections(complete_numbers: SweepNumbers) -> None:
    assert joints(complete_numbers) is None
    assert confidence(complete_numbers) is None


def test_the_generalisation_layout_puts_the_teacher_first(coco: tuple[Store, SavedPlan]) -> None:
    store, plan = coco
    plan = with_rows(
        replace(plan, table="generalisation", rows=plan.rows[:2]),
        lambda place, row: replace(row, ticks={"SH": place == 1}),
    )
    table = results_table(aggregate(store, plan))
    assert [row[1:3] for row in table.rows] == [
        (gap(), text("teacher")), (tick(False), text("alone")), (tick(True), text("student")),
    ]  # fmt: skip
    assert cells(table, 0)["paper: AP"] == number(75.2)


def test_the_sdpose_layout_shows_what_each_model_costs(coco: tuple[Store, SavedPlan]) -> None:
    store, plan = coco
    table = results_table(aggregate(store, replace(plan, table="sdpose")))
    assert cells(table, 3)["cost: GFLOPs"] == number(10.33, 2)


def test_the_tests_say_the_least_p_that_so_few_pairs_allow(complete_numbers: SweepNumbers) -> None:
    table = significance_table(complete_numbers)
    found = cells(table, 6)
    assert found["sign-flip test: least p possible"] == chance(0.25)
    assert found["sign-flip test: p"] == chance(0.25)
    assert " to " in found["95 % interval: bootstrap"].text
    assert "it cannot fall below 0.05, whatever the difference" in " ".join(table.notes)


def test_one_pair_is_not_tested(single_numbers: SweepNumbers) -> None:
    table = significance_table(single_numbers)
    assert cells(table, 0)["95 % interval: t"] == gap("n = 1")
    assert table.notes == ("Fewer than 3 pairs of seeds have no interval and no test.",)
    assert tests(single_numbers) is None


def test_two_pairs_are_not_tested_anywhere(own_store: tuple[Store, SavedPlan]) -> None:
    found = aggregate(*own_store)
    row = cells(significance_table(found), 0)
    assert row["95 % interval: t"] == gap("n = 2")
    assert row["95 % interval: bootstrap"] == row["paired t test: p"] == row["sign-flip test: p"] == gap()
    said = " ".join([headline(found), *support(found)])
    assert "95 % interval" not in headline(found)
    assert "Two seeds a row are too few for any test or interval of a row alone; run at least 5" in said
    assert "significant" not in said


def test_ours_stands_beside_the_papers_with_ranks_and_signs(complete_numbers: SweepNumbers) -> None:
    first, best = cells(paper_table(complete_numbers), 0), cells(paper_table(complete_numbers), 7)
    assert first["over none: same sign"] == gap()
    assert (best["AP: ours"].kind, best["over none: ours"].kind) == ("measured", "change")
    assert (best["rank: paper"], best["rank: ours"]) == (number(1.0, 0), number(1.0, 0))
    assert best["AP: difference"].sort == pytest.approx(37.7 - 71.6)


def test_a_waterfall_goes_every_longest_way_up(complete_numbers: SweepNumbers) -> None:
    sets = [frozenset(text) for text in ("", "a", "b", "ab", "abc")]
    assert chains(sets) == [tuple(sets[place] for place in way) for way in ((0, 1, 3, 4), (0, 2, 3, 4))]
    assert chains(sets[1:]) == []
    assert chains([sets[0], sets[4]]) == []
    effects = effects_of(complete_numbers)
    assert effects is not None
    drawing = waterfall_drawing(complete_numbers, effects)
    assert drawing is not None
    assert [label for label in (">none<", ">+ CS<", ">+ SH<", ">+ VT<", ">all<") if label not in drawing.svg] == []


def test_parquet_holds_the_columns_of_the_csv_typed(complete_numbers: SweepNumbers) -> None:
    table = results_table(complete_numbers)
    heads, rows = table.flat()
    content = table.files()["tables/results.parquet"]
    assert isinstance(content, bytes)
    found = pq.read_table(io.BytesIO(content))
    assert found.column_names == heads
    assert found.column("CS").to_pylist() == [row[1] for row in rows]
    assert str(found.schema.field("ours: AP mean").type) == "double"
    assert str(found.schema.field("ours: AP n").type) == "int64"
    assert found.schema.metadata[b"caption"].decode() == table.caption
    assert table.files()["tables/results.parquet"] == content


def test_heads_that_would_be_the_same_are_numbered(complete_numbers: SweepNumbers) -> None:
    table = significance_table(complete_numbers)
    heads, _ = table.flat()
    assert len(set(heads)) == len(heads)
