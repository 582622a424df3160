"""One table record for every format, and the layouts that fill it from a sweep's numbers.

Layouts: `losses` (ticks, as in the loss ablation), `matrix` (student by teacher), and one for any other sweep.
`renderers.py` turns a `Table` into Markdown, LaTeX and CSV; the page draws the same record as HTML.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from reports.records import Difference, RowNumbers, Spread, SweepNumbers

LOSS_ORDER = ("CS", "SH", "KT", "VT")
OTHER_METRICS = ("AP", "PCK@0.2")


@dataclass(frozen=True, slots=True)
class Text:
    """Words: a name or a factor's value."""

    text: str


@dataclass(frozen=True, slots=True)
class Tick:
    """Whether a loss is in use."""

    on: bool


@dataclass(frozen=True, slots=True)
class Measured:
    """What our seeds measured; `wanted` is how many seeds were asked for, `best` marks the greatest mean."""

    spread: Spread
    wanted: int
    digits: int
    best: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """An improvement over the baseline row, paired by seed."""

    difference: Difference
    digits: int


@dataclass(frozen=True, slots=True)
class Number:
    """A number without a spread, such as the paper's; `signed` shows its plus."""

    value: float
    digits: int = 1
    signed: bool = False


@dataclass(frozen=True, slots=True)
class Gap:
    """Nothing to show, and why in a word: `failed`, `missing`, or empty where nothing belongs."""

    reason: str = ""


Cell = Text | Tick | Measured | Change | Number | Gap


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column: its title, the group it stands under, and what its cells hold."""

    title: str
    group: str = ""
    kind: Literal["text", "tick", "measured", "change", "number"] = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Cells under columns, with a caption and the notes that a reader of the numbers needs."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = field(default=())


def _gap(row: RowNumbers) -> Gap:
    """Why a row has no number: the gravest state among its runs."""
    states = {run.state for run in row.runs}
    for state in ("failed", "interrupted", "running", "missing", "planned"):
        if state in states:
            return Gap(state)
    return Gap("not measured")


def _measured(row: RowNumbers, metric: str, digits: int, best: float | None = None) -> Cell:
    found = row.measured.get(metric)
    if found is None:
        return _gap(row)
    return Measured(found, row.wanted, digits, best is not None and found.mean == best)


def _paper(row: RowNumbers, metric: str, digits: int) -> Cell:
    return Number(row.paper[metric], digits) if metric in row.paper else Gap()


def _best(numbers: SweepNumbers) -> float | None:
    """The greatest mean, worth marking only where there is more than one."""
    means = [row.measured[numbers.metric.name].mean for row in numbers.rows if numbers.metric.name in row.measured]
    return max(means) if len(means) > 1 else None


def _seeds(numbers: SweepNumbers) -> tuple[int, ...]:
    """How many seeds finished, over the rows that have any."""
    return tuple(row.measured[numbers.metric.name].n for row in numbers.rows if numbers.metric.name in row.measured)


def notes(numbers: SweepNumbers, columns: Sequence[Column]) -> tuple[str, ...]:
    """What must be known to read the numbers: the spread's meaning, one seed where it is one, what is incomplete."""
    counts = _seeds(numbers)
    said = []
    if counts and max(counts) > 1:
        said.append(
            "Mean ± sample standard deviation over seeds, in parentheses how many seeds. The spread is that of "
            "training: another validation split would add its own."
        )
    if counts:
        said.append(
            f"{numbers.metric.name} is that of each run's best evaluation, as published: it is chosen on the "
            "validation split itself, which is a little optimistic."
        )
    if 1 in counts:
        which = "Every row was" if max(counts) == 1 else "Rows with n = 1 were"
        said.append(f"{which} trained with one seed: one seed has no spread, and its order may be chance.")
    if any(column.kind == "change" for column in columns):
        said.append(f"Improvements over “{numbers.baseline}” are paired: the same seed, the same batches.")
    if any(
        0 < row.measured[numbers.metric.name].n < row.wanted
        for row in numbers.rows
        if row.measured.get(numbers.metric.name)
    ):
        said.append("A fraction of seeds, such as 1/2, means that some of those asked for have not finished.")
    return tuple(said)


@dataclass(frozen=True, slots=True)
class _Result:
    """A column of results and how a row fills it."""

    column: Column
    cell: Callable[[RowNumbers], Cell]


def _results(numbers: SweepNumbers) -> tuple[_Result, ...]:
    """The columns every layout of rows ends with: ours, the improvement, the paper's two, ours by other metrics."""
    metric, digits, baseline = numbers.metric.name, numbers.metric.digits, numbers.baseline
    over = f"over {baseline}"
    best = _best(numbers)

    def change(row: RowNumbers) -> Cell:
        return Change(row.improvement, digits) if row.improvement else Gap()

    def paper_change(row: RowNumbers) -> Cell:
        known = row.paper_improvement is not None and row.name != baseline
        return Number(row.paper_improvement or 0.0, digits, signed=True) if known else Gap()

    found = [
        _Result(Column(title=metric, group="ours", kind="measured"), lambda row: _measured(row, metric, digits, best))
    ]
    if baseline:
        found.append(_Result(Column(title=over, group="ours", kind="change"), change))
    if any(numbers.paper_metric in row.paper for row in numbers.rows):
        paper = Column(title=numbers.paper_metric, group="paper", kind="number")
        found.append(_Result(paper, lambda row: _paper(row, numbers.paper_metric, digits)))
        if baseline:
            found.append(_Result(Column(title=over, group="paper", kind="number"), paper_change))
    for other in _other_metrics(numbers):
        column = Column(title=other, group="ours", kind="measured")
        found.append(_Result(column, partial(_measured, metric=other, digits=1)))
    return tuple(found)


def _other_metrics(numbers: SweepNumbers) -> tuple[str, ...]:
    """The metrics shown after the sweep's own: those that were measured."""
    others = (name for name in OTHER_METRICS if name != numbers.metric.name)
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


def _listed(numbers: SweepNumbers, features: list[Column], cells: Callable[[RowNumbers], Sequence[Cell]]) -> Table:
    """One line a row: its name, what sets it apart, and the results."""
    results = _results(numbers)
    columns = (Column(title="row"), *features, *(result.column for result in results))
    rows = tuple((Text(row.name), *cells(row), *(result.cell(row) for result in results)) for row in numbers.rows)
    return Table(caption=numbers.title, columns=columns, rows=rows, notes=notes(numbers, columns))


def _matrix_factors(numbers: SweepNumbers) -> tuple[str, str] | None:
    """The two factors a matrix is laid out by, (down, across), or None where the rows do not have two."""
    names = list(dict.fromkeys(name for row in numbers.rows for name in row.factors))
    if "student" in names and "teacher" in names:
        names = ["student", "teacher"]
    complete = len(names) == 2 and all(name in row.factors for row in numbers.rows for name in names)
    cells = {tuple(row.factors[name] for name in names) for row in numbers.rows} if complete else set()
    return (names[0], names[1]) if len(cells) == len(numbers.rows) and complete else None


def matrix_table(numbers: SweepNumbers) -> Table:
    """Students down, teachers across, ours beside the paper's; the table of rows where no two factors place them."""
    factors = _matrix_factors(numbers)
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
            cells.append(_measured(row, metric, digits, _best(numbers)) if row else Gap())
            cells.append(_paper(row, numbers.paper_metric, digits) if row else Gap())
        rows.append(tuple(cells))
    return Table(caption=numbers.title, columns=tuple(columns), rows=tuple(rows), notes=notes(numbers, columns))


LAYOUTS = {"losses": losses_table, "matrix": matrix_table, "rows": rows_table}


def sweep_table(numbers: SweepNumbers) -> Table:
    """The sweep's table in the layout its plan names; a name without a layout of its own gives the table of rows."""
    return LAYOUTS.get(numbers.layout, rows_table)(numbers)


def runs_table(numbers: SweepNumbers) -> Table:
    """Every run by itself: what a reader needs to check a mean, or to find the run directory behind it."""
    metric, digits, others = numbers.metric.name, numbers.metric.digits, _other_metrics(numbers)
    columns = (
        Column(title="row"),
        Column(title="seed", kind="number"),
        Column(title="run"),
        Column(title="state"),
        Column(title=metric, group="best evaluation", kind="number"),
        *(Column(title=other, group="best evaluation", kind="number") for other in others),
        Column(title="epoch", group="best evaluation", kind="number"),
        Column(title=metric, group="last evaluation", kind="number"),
        Column(title="parameters (M)", group="cost", kind="number"),
        Column(title="minutes", group="cost", kind="number"),
    )
    rows = []
    for run in numbers.runs:
        shown: list[tuple[float | None, int]] = [
            (run.metrics.get(metric), digits),
            *((run.metrics.get(other), 1) for other in others),
            (run.best_epoch, 0),
            (run.last.get(metric), digits),
            (None if run.parameters is None else run.parameters / 1e6, 2),
            (None if run.seconds is None else run.seconds / 60, 1),
        ]
        name = run.row if run.role == "student" else f"teacher: {run.row}"
        rows.append(
            (
                Text(name),
                Number(run.seed, 0),
                Text(run.run_id),
                Text(run.state),
                *(Gap() if value is None else Number(value, places) for value, places in shown),
            )
        )
    return Table(caption="Every run", columns=columns, rows=tuple(rows))
