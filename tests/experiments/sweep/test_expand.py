import itertools
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_sweeps import SMALL

from experiments.sweep.sweep_file import RowSpec, SpecError, read_sweep

RATES = st.lists(st.floats(1e-5, 1.0).map(lambda value: round(value, 6)), min_size=1, max_size=3, unique=True)
EPOCHS = st.lists(st.integers(1, 99), min_size=1, max_size=3, unique=True)


def _rows(folder: Path, axes: str, text: str = SMALL) -> tuple[RowSpec, ...]:
    file = folder / "sweep.yaml"
    file.write_text(text.replace("baseline: none\n", "") + f"axes: {axes}\n")
    return read_sweep(file).profile().rows


@settings(max_examples=25, deadline=None)
@given(rates=RATES, epochs=EPOCHS)
def test_a_grid_gives_every_row_with_every_combination_once(
    tmp_path_factory: pytest.TempPathFactory, rates: list[float], epochs: list[int]
) -> None:
    axes = f"{{grid: {{schedule.lr: {rates}, schedule.epochs: {epochs}}}}}"
    rows = _rows(tmp_path_factory.mktemp("grid"), axes)
    found = [(row.name.split()[0], row.recipe.schedule.lr, row.recipe.schedule.epochs) for row in rows]
    assert found == list(itertools.product(("none", "KT"), rates, epochs))
    assert len({row.name for row in rows}) == len(rows)


@settings(max_examples=25, deadline=None)
@given(pairs=st.lists(st.tuples(st.integers(1, 99), st.integers(1, 99)), min_size=1, max_size=4, unique=True))
def test_a_zip_takes_its_lists_in_step(tmp_path_factory: pytest.TempPathFactory, pairs: list[tuple[int, int]]) -> None:
    epochs, batches = zip(*pairs, strict=True)
    axes = f"{{zip: {{schedule.epochs: {list(epochs)}, schedule.batch_size: {list(batches)}}}}}"
    rows = _rows(tmp_path_factory.mktemp("zip"), axes)
    found = [(row.recipe.schedule.epochs, row.recipe.schedule.batch_size) for row in rows]
    assert found == [*pairs, *pairs]


FIELDS = {
    "schedule.lr": st.integers(1, 99).map(lambda n: n / 1000),
    "schedule.epochs": st.integers(1, 99),
    "schedule.batch_size": st.integers(1, 99),
    "augmentation.rotation": st.integers(0, 90).map(float),
    "losses.VT": st.integers(1, 99).map(float),
}


@st.composite
def _axes(draw: st.DrawFn) -> tuple[dict[str, list[float]], dict[str, list[float]], dict[str, list[float]]]:
    """A grid, a zip of another two fields, and a conditional axis of a fifth: any of them may be absent."""
    fields = draw(st.permutations(sorted(FIELDS)))
    crossed = {
        f: draw(st.lists(FIELDS[f], min_size=1, max_size=3, unique=True)) for f in fields[: draw(st.integers(0, 2))]
    }
    length = draw(st.integers(1, 3))
    stepped = {
        f: draw(st.lists(FIELDS[f], min_size=length, max_size=length, unique=True))
        for f in fields[2 : 2 + draw(st.integers(0, 2))]
    }
    conditional = {
        f: draw(st.lists(FIELDS[f], min_size=1, max_size=2, unique=True))
        for f in fields[4 : 4 + draw(st.integers(0, 1))]
    }
    return crossed, stepped, conditional


@settings(max_examples=40, deadline=None)
@given(axes=_axes())
def test_every_cell_is_there_once_in_the_order_of_the_file(
    tmp_path_factory: pytest.TempPathFactory, axes: tuple[dict[str, list[float]], ...]
) -> None:
    crossed, stepped, conditional = axes
    if not (crossed or stepped or conditional):
        return
    when = [{"given": {"losses.KT": [5e-4]}, "grid": conditional}] if conditional else []
    written = json.dumps({"grid": crossed, "zip": stepped, "when": when})
    folder = tmp_path_factory.mktemp("cells")
    rows = _rows(folder, written)

    cells = list(itertools.product(*crossed.values()))
    steps = list(zip(*stepped.values(), strict=True)) if stepped else [()]
    expected = []
    for row in ("none", "KT"):  # the condition holds for the second alone
        extra = list(itertools.product(*conditional.values())) if row == "KT" else [()]
        expected += [(row, *cell, *step, *more) for cell in cells for step in steps for more in extra]
    names = [*crossed, *stepped, *conditional]
    found = [
        (
            row.name.split()[0],
            *(_value(row, name) for name in names if name not in conditional or row.name.startswith("KT")),
        )
        for row in rows
    ]
    assert found == expected
    assert len({row.name for row in rows}) == len(rows)
    assert _rows(folder, written) == rows


def _value(row: RowSpec, field: str) -> float:
    part, name = field.split(".")
    if part == "losses":
        return {use.name: use.weight for use in row.recipe.losses or ()}.get(name, 0.0)
    value: float = getattr(getattr(row.recipe, part), name)
    return value


def test_a_conditional_axis_applies_where_its_condition_holds(tmp_path: Path) -> None:
    axes = """
  grid: {schedule.epochs: [3, 4]}
  when:
    - {given: {losses.KT: [5e-4], schedule.epochs: 4}, zip: {losses.KT: [1, 2], losses.VT: [3, 4]}}
"""
    rows = _rows(tmp_path, axes)
    assert [row.name for row in rows] == [
        "none epochs=3",
        "none epochs=4",
        "KT epochs=3",
        "KT epochs=4 KT=1 VT=3",
        "KT epochs=4 KT=2 VT=4",
    ]
    assert rows[-1].factors == {"epochs": 4, "KT": 2, "VT": 4}
    assert (_value(rows[-1], "losses.KT"), _value(rows[-1], "losses.VT")) == (2.0, 4.0)


def test_the_papers_number_stays_where_no_axis_changes_the_row(tmp_path: Path) -> None:
    rows = _rows(tmp_path, "{grid: {schedule.epochs: [2, 3]}}")
    assert [row.paper for row in rows] == [{"AP": 56.0}, {}, {"AP": 67.1}, {}]


def test_axes_alone_make_rows(tmp_path: Path) -> None:
    text = SMALL.partition("rows:")[0]
    rows = _rows(tmp_path, "{grid: {losses.KT: [0, 1e-3], student: [{depth: 2}]}}", text)
    assert [row.name for row in rows] == ["KT=0 student=depth:2", "KT=0.001 student=depth:2"]
    assert [row.recipe.student.get("depth") for row in rows] == [2, 2]


def test_neither_rows_nor_axes_make_one_row(tmp_path: Path) -> None:
    file = tmp_path / "sweep.yaml"
    file.write_text(SMALL.partition("rows:")[0].replace("baseline: none\n", ""))
    assert [row.name for row in read_sweep(file).profile().rows] == ["base"]


def test_a_factor_is_an_axis_by_its_levels_names(tmp_path: Path) -> None:
    text = SMALL.partition("rows:")[0] + "factors: {teaching: {off: {losses: {KT: 0}}, on: {}}}\n"
    rows = _rows(tmp_path, "{grid: {teaching: [off, on]}}", text)
    assert [(row.name, row.factors, _value(row, "losses.KT")) for row in rows] == [
        ("teaching=off", {"teaching": "off"}, 0.0),
        ("teaching=on", {"teaching": "on"}, 5e-4),
    ]


def test_fields_of_one_last_name_are_told_apart(tmp_path: Path) -> None:
    rows = _rows(tmp_path, "{grid: {schedule.epochs: [2], teacher.schedule.epochs: [3]}}")
    assert rows[1].name == "KT schedule.epochs=2 teacher.schedule.epochs=3"


@pytest.mark.parametrize(
    ("axes", "problem"),
    [
        ("{grid: {nope.x: [1]}}", "16:15: nope.x: no such field"),
        ("{grid: {" + ".".join("q" * 500) + ": [1]}}", "no such field, valid: student"),
        ("{grid: {schedule.lr: [-1]}}", "16:29: schedule.lr: must be greater than 0, got -1"),
        (
            "{zip: {schedule.lr: [1, 2], losses.KT: [1]}}",
            "16:8: zip: all lists must be of one length, got: schedule.lr",
        ),
        ("{grid: {schedule.lr: []}}", "16:28: axes.grid.schedule.lr: must have at least 1 items, got []"),
        ("{grid: {schedule.lr: [1, 1]}}", "must name one row, got 'none lr=1' again"),
        ("{when: [{grid: {schedule.lr: [1]}}]}", "axes.when[0].given: must be given"),
        ("{gird: {}}", "16:8: axes.gird: no such field, did you mean grid?"),
        (
            "{grid: {schedule.lr: [1, 2]}, zip: {schedule.lr: [1, 4]}}",
            "16:15: schedule.lr: must be set by one axis alone: a later one sets it too (row 'none lr=1 lr=1'",
        ),
        (
            "{grid: {schedule.lr: [1], schedule: [{epochs: 3}, {lr: 2}]}}",
            "16:15: schedule.lr: must be set by one axis alone: a later one sets it too (row 'none lr=1 schedule=lr:2'",
        ),
        (
            "{grid: {schedule.lr: [1]}, when: [{given: {losses.VT: 0}, zip: {schedule.lr: [2]}}]}",
            "16:15: schedule.lr: must be set by one axis alone",
        ),
        ("{when: [{given: {typo: 1}, grid: {schedule.lr: [1]}}]}", "16:24: typo: no such field, valid: student"),
        ("{when: [{given: {losses.KD: 1}, grid: {}}]}", "16:24: losses.KD: no such loss, did you mean RKD?"),
        (
            "{when: [{given: {losses.VT: 1}, grid: {schedule.rate: [1]}}]}",
            "16:46: schedule.rate: no such field, valid: epochs",
        ),
    ],
)
def test_a_wrong_axis_is_explained(tmp_path: Path, axes: str, problem: str) -> None:
    with pytest.raises(SpecError) as caught:
        _rows(tmp_path, axes)
    assert problem in str(caught.value)


def test_a_condition_on_a_factor_holds_for_the_level_that_a_row_picked(tmp_path: Path) -> None:
    text = SMALL.replace("row: KT,", "row: KT, factors: {teaching: on},")
    text += "factors: {teaching: {off: {}, on: {}}}\n"
    rows = _rows(tmp_path, "{when: [{given: {teaching: on}, grid: {losses.SH: [1, 2]}}]}", text)
    assert [row.name for row in rows] == ["none", "KT SH=1", "KT SH=2"]
    with pytest.raises(SpecError, match=r"17:34: teaching: no such level, got 'onn'; did you mean on\?"):
        _rows(tmp_path, "{when: [{given: {teaching: onn}, grid: {losses.SH: [1, 2]}}]}", text)
    with pytest.raises(SpecError, match=r"no such field, did you mean teacher\? valid: .*; or a factor: teaching"):
        _rows(tmp_path, "{when: [{given: {teach: on}, grid: {losses.SH: [1, 2]}}]}", text)


@pytest.mark.parametrize(
    "given",
    [
        "precision: fp32",
        "losses.VT: 0",
        "schedule.milestones: [[]]",
        "input_size: [48, 64]",
        "teacher.schedule.epochs: [1, 2]",
        "teacher.schedule.gamma: 0.1",
    ],
)
def test_a_condition_holds_for_what_a_recipe_leaves_out_too(tmp_path: Path, given: str) -> None:
    rows = _rows(tmp_path, f"{{when: [{{given: {{{given}}}, grid: {{losses.SH: [1]}}}}]}}")
    assert [row.name for row in rows] == ["none SH=1", "KT SH=1"]


def test_an_axis_and_a_factor_of_one_name_are_told_apart(tmp_path: Path) -> None:
    text = SMALL.replace("row: KT,", "row: KT, factors: {model: big},")
    text += "factors: {model: {big: {student: {depth: 2}}}}\n"
    assert _rows(tmp_path, "{grid: {student.model: [distilpose_s]}}", text)[1].factors == {
        "model": "big",
        "student.model": "distilpose_s",
    }


def test_a_mapping_and_a_field_of_it_are_two_axes(tmp_path: Path) -> None:
    axes = "{grid: {student: [{model: distilpose_s}, {model: base_stemnet, dim: 16}], student.depth: [1, 2]}}"
    rows = _rows(tmp_path, axes, SMALL.replace("KT: 5e-4", "SH: 1").replace("KT: 0", "SH: 0"))
    assert [row.recipe.student.get("depth") for row in rows] == [1, 2, 1, 2] * 2


@pytest.mark.parametrize(
    ("axes", "count"),
    [
        ("{grid: {losses.VT: %s, losses.SH: %s}}", "16,000,000"),
        ("{grid: {losses.VT: %s}, zip: {losses.SH: %s, losses.CS: %s}}", "16,000,000"),
        ("{grid: {losses.VT: %s}, when: [{given: {precision: fp32}, grid: {losses.SH: %s}}]}", "8,000,000"),
    ],
)
def test_runs_are_counted_before_they_are_made(tmp_path: Path, axes: str, count: str) -> None:
    values = str(list(range(2000)))
    with pytest.raises(SpecError) as caught:
        _rows(tmp_path, axes.replace("%s", values))
    rule = "must make at most 100,000 runs (rows x points of the axes x seeds)"
    assert str(caught.value).endswith(f"{rule}, got {count}")


GRID = "{grid: {schedule.lr: [1, 2], losses.SH: [3, 4]}, exclude: [%s]}"


@pytest.mark.parametrize(
    ("exclude", "left"),
    [
        ("{schedule.lr: 1}", ["lr=2 SH=3", "lr=2 SH=4"]),
        ("{schedule.lr: 1, losses.SH: [3, 5]}", ["lr=1 SH=4", "lr=2 SH=3", "lr=2 SH=4"]),
        ("{schedule.lr: 1}, {losses.SH: 3}", ["lr=2 SH=4"]),
    ],
)
def test_points_where_all_fields_of_an_exclusion_hold_are_left_out(
    tmp_path: Path, exclude: str, left: list[str]
) -> None:
    rows = _rows(tmp_path, GRID % exclude)
    assert [row.name for row in rows] == [f"{name} {values}" for name in ("none", "KT") for values in left]


@pytest.mark.parametrize(
    ("exclude", "said"),
    [
        ("{schedule.lr: 7}", "axes.exclude: must leave out a point of the axes, leaves out none"),
        ("{schedule.rate: 1}", "schedule.rate: no such field, valid:"),
        ("{}", "axes.exclude[0]: must"),
        ("{schedule.lr: [1, 2]}", "axes.exclude: must leave a row, leaves out every one"),
    ],
)
def test_an_exclusion_that_makes_no_sense_is_refused(tmp_path: Path, exclude: str, said: str) -> None:
    with pytest.raises(SpecError) as error:
        _rows(tmp_path, GRID % exclude)
    assert said in str(error.value)


def test_axes_leave_a_row_alone_that_says_so_and_the_others_compare_with_it(tmp_path: Path) -> None:
    text = SMALL.replace("- {row: none, ", "- {row: none, axes: false, ")
    file = tmp_path / "sweep.yaml"
    file.write_text(text + "axes: {grid: {schedule.lr: [1, 2]}, exclude: [{schedule.lr: 1, losses.KT: 5e-4}]}\n")
    rows = read_sweep(file).profile().rows
    assert [(row.name, row.baseline, row.factors) for row in rows] == [
        ("none", "none", {}),
        ("KT lr=2", "none", {"lr": 2}),
    ]
    assert rows[0].paper == {"AP": 56.0}
