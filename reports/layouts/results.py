"""A sweep's own table, laid out as the papers print theirs.

`losses`: ticks, as in the loss ablation. `matrix`: student by teacher. `generalisation`: the teacher above the
students it did and did not teach. `sdpose`: size, cost and accuracy. `rows`: any other sweep.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from reports.formats.cell_text import signed
from reports.formats.tables import Cell, Column, Gap, Measured, Table, Text, Tick, change, measured, number
from reports.layouts.cost import cost_cells, cost_columns
from reports.numbers.aggregate import LOSS_ORDER, OTHER_METRICS
from reports.numbers.confounds import pairing_sentences
from reports.numbers.records import RowNumbers, Spread, TeacherNumbers
from reports.numbers.statistics import paired_difference
from reports.numbers.sweep_numbers import SweepNumbers
from reports.paper.literature import of_model
from reports.read.reader import ON

LAST = ", last epoch"


def _paper(row: RowNumbers, metric: str, digits: int) -> Cell:
    return number(row.paper.get(metric), digits)


def _best(numbers: SweepNumbers) -> float | None:
    """The best mean, worth marking only where there is more than one."""
    means = [row.measured[numbers.metric.name].mean for row in numbers.rows if numbers.metric.name in row.measured]
    return max(means, key=lambda mean: numbers.metric.sign * mean) if len(means) > 1 else None


def _seeds(numbers: SweepNumbers) -> tuple[int, ...]:
    """How many seeds finished, over the rows that have any."""
    return tuple(row.measured[numbers.metric.name].n for row in numbers.rows if numbers.metric.name in row.measured)


def notes(numbers: SweepNumbers, columns: Sequence[Column]) -> tuple[str, ...]:
    """What must be known to read the numbers: the spread's meaning, one seed where it is one, what is incomplete."""
    counts = _seeds(numbers)
    said = []
    if counts and max(counts) > 1:
        teacher = "" if not any(row.shares_teacher for row in numbers.rows) else " or of the teacher, which they share"
        said.append(
            "Mean ± sample standard deviation over seeds, in parentheses how many seeds. ± covers random seeds only, "
            f"not the choice of validation images{teacher}."
        )
    if counts:
        said.append(
            f"{numbers.metric.name} is that of each run's best validation, chosen on the validation split itself."
            + _best_over_last(numbers)
        )
    if 1 in counts:
        which = "Every row was" if max(counts) == 1 else "Rows with n = 1 were"
        said.append(f"{which} trained with one seed: one seed has no spread, and its order may be chance.")
    if sets := [column.title for column in columns if ON in column.title]:
        said.append(f"{', '.join(sets)}: the same weights in another set's annotated boxes, by the joints both label.")
    if any(column.kind == "change" for column in columns):
        said += pairing_sentences(numbers)
    if any(
        0 < row.measured[numbers.metric.name].n < row.wanted
        for row in numbers.rows
        if row.measured.get(numbers.metric.name)
    ):
        said.append("A fraction of seeds, such as 1/2, means that some of those asked for have not finished.")
    return tuple(said)


def _best_over_last(numbers: SweepNumbers) -> str:
    """How much more the best validation has than the last, from the row with the least to that with the greatest."""
    metric, digits = numbers.metric.name, numbers.metric.digits + 1
    found = [
        (gap.mean, row.name)
        for row in numbers.rows
        if row.last is not None
        and metric in row.measured
        and (gap := paired_difference(row.measured[metric].values, row.last.values)) is not None
    ]
    if not found:
        return ""
    (low, least), (high, most) = min(found), max(found)
    if signed(low, digits) == signed(high, digits):
        return f" Best minus last epoch: {signed(low, digits)} in every row."
    return f" Best minus last epoch: {signed(low, digits)} (“{least}”) to {signed(high, digits)} (“{most}”)."


@dataclass(frozen=True, slots=True)
class _Result:
    """A column of results and how a row fills it."""

    column: Column
    cell: Callable[[RowNumbers], Cell]


def _results(numbers: SweepNumbers) -> tuple[_Result, ...]:
    """The columns every layout of rows ends with: ours, the improvement, the paper's two, ours by other metrics."""
    metric, digits = numbers.metric.name, numbers.metric.digits
    compared = any(row.baseline is not None for row in numbers.rows)
    best = _best(numbers)

    found = [
        _Result(Column(title=metric, group="ours", kind="measured"), lambda row: measured(row, metric, digits, best))
    ]
    if any(row.last is not None for row in numbers.rows):
        column = Column(title=f"{metric}{LAST}", group="ours", kind="measured")
        found.append(_Result(column, lambda row: Gap() if row.last is None else Measured(row.last, row.wanted, digits)))
    if compared and numbers.own_baselines:
        found.append(_Result(Column(title="baseline", group="ours"), lambda row: Text(row.baseline or "–")))
    if compared:
        column = Column(title=numbers.over, group="ours", kind="change")
        found.append(_Result(column, lambda row: change(row.improvement, digits)))
    if any(numbers.paper_metric in row.paper for row in numbers.rows):
        paper = Column(title=numbers.paper_metric, group="paper", kind="number")
        found.append(_Result(paper, lambda row: _paper(row, numbers.paper_metric, digits)))
        if compared:
            column = Column(title=numbers.over, group="paper", kind="number")
            found.append(_Result(column, lambda row: number(row.paper_improvement, digits, signed=True)))
    for other in other_metrics(numbers):
        column = Column(title=other, group="ours", kind="measured")
        found.append(_Result(column, partial(measured, metric=other, digits=1)))
    return tuple(found)


def other_metrics(numbers: SweepNumbers) -> tuple[str, ...]:
    """The metrics shown after the sweep's own: those that were measured."""
    others = [name for name in OTHER_METRICS if name != numbers.metric.name]
    others += dict.fromkeys(name for row in numbers.rows for name in row.measured if ON in name)
    return tuple(name for name in others if any(name in row.measured for row in numbers.rows))


def losses_table(numbers: SweepNumbers) -> Table:
    """The loss ablation: a tick for each loss in use, ours, the improvement over the baseline, and the paper's."""
    ticked = {name for row in numbers.rows for name in row.ticks}
    losses = [name for name in LOSS_ORDER if name in ticked] + sorted(ticked.difference(LOSS_ORDER))
    return _listed(
        numbers,
        [Column(title=name, group="losses in use", kind="tick") for name in losses],
        lambda row: [Tick(row.ticks.get(name, False)) for name in losses],
    )


def rows_table(numbers: SweepNumbers) -> Table:
    """Any sweep: the row, its factors, ours, the improvement over the baseline, and the paper's where it has one."""
    factors = list(dict.fromkeys(name for row in numbers.rows for name in row.factors))
    return _listed(
        numbers,
        [Column(title=name, group="factors") for name in factors],
        lambda row: [Text(row.factors[name]) if name in row.factors else Gap() for name in factors],
    )


def sdpose_table(numbers: SweepNumbers) -> Table:
    """SDPose's table: the row with its factors, what its model costs, and what it reaches."""
    factors = [name for name in dict.fromkeys(name for row in numbers.rows for name in row.factors) if name != "model"]
    return _listed(
        numbers,
        [*(Column(title=name) for name in factors), *cost_columns("cost", speed=False)],
        lambda row: [
            *(Text(row.factors[name]) if name in row.factors else Gap() for name in factors),
            *cost_cells(row.cost, speed=False),
        ],
    )


def _listed(numbers: SweepNumbers, features: list[Column], cells: Callable[[RowNumbers], Sequence[Cell]]) -> Table:
    """One line a row: its name, what sets it apart, and the results."""
    results = _results(numbers)
    columns = (Column(title="row"), *features, *(result.column for result in results))
    rows = tuple((Text(row.name), *cells(row), *(result.cell(row) for result in results)) for row in numbers.rows)
    return Table(
        name="results", caption=numbers.title, columns=columns, rows=rows, notes=notes(numbers, columns)
    )  # fmt: skip


def generalisation_table(numbers: SweepNumbers) -> Table:
    """Teachers above students: whether simulated heatmaps were distilled, the part played, ours and the paper's."""
    results = _results(numbers)
    columns = (
        Column(title="model"),
        Column(title="simulated heatmaps", kind="tick"),
        Column(title="role"),
        *(result.column for result in results),
    )
    rows: list[tuple[Cell, ...]] = [_teacher_line(teacher, numbers, results) for teacher in numbers.teachers]
    for row in numbers.rows:
        taught = any(row.ticks.values())
        line: list[Cell] = [Text(row.name), Tick(row.ticks.get("SH", False)), Text("student" if taught else "alone")]
        rows.append((*line, *(result.cell(row) for result in results)))
    return Table(
        name="results", caption=numbers.title, columns=columns, rows=tuple(rows), notes=notes(numbers, columns)
    )


def _teacher_line(teacher: TeacherNumbers, numbers: SweepNumbers, results: Sequence[_Result]) -> tuple[Cell, ...]:
    """A teacher in the table of its students: one run, so one seed."""
    published = of_model(teacher.model)

    def cell(column: Column) -> Cell:
        if column.kind == "measured":
            metric = column.title.removesuffix(LAST)
            value = (teacher.run.metrics if metric == column.title else teacher.run.last).get(metric)
            if value is None:
                return Gap(teacher.run.state if teacher.run.state != "finished" else "not measured")
            found = Spread(values={teacher.run.seed: value}, mean=value, std=None)
            return Measured(found, 1, numbers.metric.digits)
        if column.group == "paper" and column.title == "AP":
            return number(published.ap if published else None)
        return Gap()

    return Text(teacher.model), Gap(), Text("teacher"), *(cell(result.column) for result in results)


def matrix_factors(numbers: SweepNumbers) -> tuple[str, str] | None:
    """The two factors a matrix is laid out by, (down, across), or None where the rows do not have two."""
    names = list(dict.fromkeys(name for row in numbers.rows for name in row.factors))
    if "student" in names and "teacher" in names:
        names = ["student", "teacher"]
    complete = len(names) == 2 and all(name in row.factors for row in numbers.rows for name in names)
    cells = {tuple(row.factors[name] for name in names) for row in numbers.rows} if complete else set()
    return (names[0], names[1]) if len(cells) == len(numbers.rows) and complete else None


def matrix_table(numbers: SweepNumbers) -> Table:
    """Students down, teachers across, ours beside the paper's; the table of rows where no two factors place them."""
    factors = matrix_factors(numbers)
    if factors is None:
        return rows_table(numbers)
    down, across = factors
    metric, digits = numbers.metric.name, numbers.metric.digits
    placed = {(row.factors[down], row.factors[across]): row for row in numbers.rows}
    students = list(dict.fromkeys(row.factors[down] for row in numbers.rows))
    teachers = list(dict.fromkeys(row.factors[across] for row in numbers.rows))
    columns = [Column(title=f"{down} \\ {across}")]
    for teacher in teachers:
        columns += [
            Column(title=f"{metric}, ours", group=teacher, kind="measured"),
            Column(title=f"{numbers.paper_metric}, paper", group=teacher, kind="number"),
        ]
    rows = []
    for student in students:
        cells: list[Cell] = [Text(student)]
        for teacher in teachers:
            row = placed.get((student, teacher))
            cells.append(measured(row, metric, digits, _best(numbers)) if row else Gap())
            cells.append(_paper(row, numbers.paper_metric, digits) if row else Gap())
        rows.append(tuple(cells))
    return Table(
        name="results",
        caption=numbers.title,
        columns=tuple(columns),
        rows=tuple(rows),
        notes=notes(numbers, columns),
    )


LAYOUTS = {
    "losses": losses_table,
    "matrix": matrix_table,
    "generalisation": generalisation_table,
    "sdpose": sdpose_table,
    "rows": rows_table,
}


def sweep_table(numbers: SweepNumbers) -> Table:
    """The sweep's table in the layout its plan names; a name without a layout of its own gives the table of rows."""
    return LAYOUTS.get(numbers.layout, rows_table)(numbers)
