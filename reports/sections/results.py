"""The sweep's own table, laid out as the papers print theirs, and its drawings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from reports.formats.cells import Cell, change, gap, number, seeds, text, tick
from reports.formats.page import Section, there
from reports.formats.table import Column, Table, fill
from reports.formats.words import plain, signed
from reports.numbers.evidence import every_pair, group_letters, row_groups
from reports.numbers.sweep import RowNumbers, SweepNumbers
from reports.paper.literature import of_model
from reports.read.reader import ON, RunNumbers, metric_digits
from reports.sections.confounds import pairing_sentences
from reports.sections.improvements import improvements_drawing
from reports.sections.matrix import matrix_drawing, matrix_factors
from reports.sections.row_cells import baseline_column, cost_columns, measured, name_column, single
from reports.statistics.differences import SIGNIFICANT, mean_difference
from reports.statistics.evidence import over_other

_LAST, _GROUP = ", last epoch", "group"


class Layout(NamedTuple):
    """A table of rows: the title of their names, the columns that tell them apart, and whether teachers come first."""

    columns: Callable[[SweepNumbers], list[Column[RowNumbers]]]
    names: str = "row"
    teachers: bool = False


def results(numbers: SweepNumbers) -> Section:
    """The sweep's table, and its drawings."""
    said = [f"The teacher, {text}." for text in _teachers(numbers)]
    if len(numbers.drawn) < len(numbers.rows):
        said.append(f"Figures show {len(numbers.drawn)} of {len(numbers.rows)} rows: the baseline and the best.")
    drawings = (matrix_drawing(numbers) if numbers.plan.table == "matrix" else None, improvements_drawing(numbers))
    return Section(
        key="results",
        title="Results",
        after=tuple(said),
        blocks=there(results_table(numbers), _parts_table(numbers), *drawings),
    )


def _teachers(numbers: SweepNumbers) -> list[str]:
    """Every teacher with what it reaches."""
    known = ((run.row, run.metrics.get(numbers.metric)) for run in numbers.teachers)
    return [
        f"{model}, has {plain(value, numbers.digits)} {numbers.metric}" for model, value in known if value is not None
    ]


def results_table(numbers: SweepNumbers) -> Table:
    """The table in the layout that its plan names; a name without a layout of its own gives the table of rows."""
    factors = matrix_factors(numbers) if numbers.plan.table == "matrix" else None
    if factors is not None:
        return _matrix(numbers, *factors)
    layout = LAYOUTS.get(numbers.plan.table, LAYOUTS["rows"])
    columns = [name_column(layout.names), *layout.columns(numbers), *_results(numbers)]
    table = fill(columns, numbers.rows, name="results", caption=numbers.plan.title)
    teachers = [
        (text(one.row), *(_teacher_cell(one, numbers, column) for column in table.columns[1:]))
        for one in (numbers.teachers if layout.teachers else ())
    ]
    return replace(table, rows=(*teachers, *table.rows), notes=_notes(numbers, table.columns))


def _parts_table(numbers: SweepNumbers) -> Table | None:
    """What the sweep's metric tells apart, a column each; None where it is one number."""

    def column(name: str) -> Column[RowNumbers]:
        cell = partial(measured, metric=name, digits=metric_digits(name))
        return Column(name.removeprefix(f"{numbers.metric}."), cell, "measured", numbers.metric)

    columns = [name_column("row"), *map(column, numbers.parts)]
    return fill(columns, numbers.rows, name="parts", caption=f"{numbers.metric} by part") if numbers.parts else None


def _losses(numbers: SweepNumbers) -> list[Column[RowNumbers]]:
    """A tick for each loss in use."""

    def column(name: str) -> Column[RowNumbers]:
        return Column(name, lambda row: tick(row.ticks.get(name, False)), "tick", "losses in use")

    return [column(name) for name in dict.fromkeys(name for row in numbers.rows for name in row.ticks)]


def _factors(numbers: SweepNumbers, group: str = "factors", without: str = "") -> list[Column[RowNumbers]]:
    """A column for each factor."""

    def column(name: str) -> Column[RowNumbers]:
        return Column(name, lambda row: text(row.factors[name]) if name in row.factors else gap(), group=group)

    names = dict.fromkeys(name for row in numbers.rows for name in row.factors)
    return [column(name) for name in names if name != without]


def _costs(numbers: SweepNumbers) -> list[Column[RowNumbers]]:
    """The factors and the cost of each model."""
    costs: list[Column[RowNumbers]] = cost_columns("cost", lambda row: row.cost)
    return [*_factors(numbers, group="", without="model"), *costs]


def _roles(_: SweepNumbers) -> list[Column[RowNumbers]]:
    """Whether simulated heatmaps were distilled, and the part played."""
    return [
        Column("simulated heatmaps", lambda row: tick(row.ticks.get("SH", False)), "tick"),
        Column("role", lambda row: text("student" if row.losses else "alone")),
    ]


LAYOUTS: Mapping[str, Layout] = {
    "losses": Layout(_losses),
    "rows": Layout(_factors),
    "sdpose": Layout(_costs),
    "generalisation": Layout(_roles, names="model", teachers=True),
}


def _teacher_cell(teacher: RunNumbers, numbers: SweepNumbers, column: Column[RowNumbers]) -> Cell:
    """A teacher in the table of its students: one run, so one seed."""
    if column.title == "role":
        return text("teacher")
    if column.kind == "measured":
        metric = column.title.removesuffix(_LAST)
        values = teacher.metrics if metric == column.title else teacher.last
        return single(teacher, values.get(metric), metric_digits(metric))
    published = of_model(teacher.row) if column.group == "paper" and column.title == "AP" else None
    return number(published.ap if published else None)


def _results(numbers: SweepNumbers) -> list[Column[RowNumbers]]:
    """The columns that every table of rows ends with: ours, the improvement, the paper's two, our other metrics."""
    metric, digits, theirs = numbers.metric, numbers.digits, numbers.paper_metric
    compared = any(row.baseline is not None for row in numbers.rows)
    best = _best(numbers)

    def last(row: RowNumbers) -> Cell:
        return gap() if row.last is None else seeds(row.last, len(row.runs), digits)

    found = [Column[RowNumbers](metric, lambda row: measured(row, metric, digits, best), "measured", "ours")]
    if compared:
        found += baseline_column(numbers, "ours")
        found.append(Column(numbers.over, lambda row: change(row.improvement, digits), "change", "ours"))
    if any(theirs in row.paper for row in numbers.rows):
        found.append(Column(theirs, lambda row: number(row.paper.get(theirs), digits), "number", "paper"))
        if compared:
            ours = partial(number, digits=digits, signed=True)
            found.append(Column(numbers.over, lambda row: ours(row.paper_improvement), "number", "paper"))
    found += _quoted(numbers)
    if any(row.last is not None for row in numbers.rows):
        found.append(Column(metric + _LAST, last, "measured", "ours", aside=True))
    if groups := row_groups(numbers):
        letters = {row.name: group_letters(row.name, groups) for row in numbers.rows}
        found.append(Column(_GROUP, lambda row: text(letters[row.name]), group="ours", aside=True))
    for name in numbers.other_metrics:
        cell = partial(measured, metric=name, digits=metric_digits(name), best=_best(numbers, name))
        found.append(Column(name, cell, "measured", "ours", aside=ON not in name))
    return found


def _quoted(numbers: SweepNumbers) -> list[Column[RowNumbers]]:
    """A column for each metric that somebody prints of other settings."""

    def column(source: str, name: str) -> Column[RowNumbers]:
        digits = metric_digits(name)
        return Column(name, lambda row: number(row.quoted.get(source, {}).get(name), digits), "number", source)

    pairs = ((source, name) for row in numbers.rows for source, said in row.quoted.items() for name in said)
    return [column(*pair) for pair in dict.fromkeys(pairs)]


def _best(numbers: SweepNumbers, metric: str = "") -> float | None:
    """The best mean, worth marking only where there is more than one; of another metric only where more is better."""
    metric, sign = metric or numbers.metric, 1 if metric else numbers.sign
    means = [row.measured[metric].mean for row in numbers.rows if metric in row.measured]
    return max(means, key=lambda mean: sign * mean) if len(means) > 1 and metric_digits(metric) == 1 else None


def _matrix(numbers: SweepNumbers, down: str, across: str) -> Table:
    """Students down, teachers across, ours beside the paper's."""
    metric, theirs, digits, best = numbers.metric, numbers.paper_metric, numbers.digits, _best(numbers)
    placed = {(row.factors[down], row.factors[across]): row for row in numbers.rows}

    def ours(student: str, teacher: str) -> Cell:
        row = placed.get((student, teacher))
        return gap() if row is None else measured(row, metric, digits, best)

    def paper(student: str, teacher: str) -> Cell:
        row = placed.get((student, teacher))
        return number(None if row is None else row.paper.get(theirs), digits)

    columns: list[Column[str]] = [Column(f"{down} \\ {across}", text)]
    for teacher in dict.fromkeys(row.factors[across] for row in numbers.rows):
        columns += [
            Column(f"{metric}, ours", partial(ours, teacher=teacher), "measured", teacher),
            Column(f"{theirs}, paper", partial(paper, teacher=teacher), "number", teacher),
        ]
    students = dict.fromkeys(row.factors[down] for row in numbers.rows)
    table = fill(columns, students, name="results", caption=numbers.plan.title)
    return replace(table, notes=_notes(numbers, table.columns))


def _notes(numbers: SweepNumbers, columns: Sequence[Column[Any]]) -> tuple[str, ...]:
    """What must be known to read the numbers: the meaning of ±, which validation, one seed, what is incomplete."""
    counts = [found.n for found in numbers.measured.values()]
    said: list[str] = []
    if counts and max(counts) > 1:
        seeds = f"{counts[0]} seeds" if len(set(counts)) == 1 else "seeds, in parentheses how many"
        teacher = " or of the teacher, which they share" if any(row.shares_teacher for row in numbers.rows) else ""
        said.append(
            f"Mean ± sample standard deviation over {seeds}. ± covers random seeds only, not the choice of "
            f"validation images{teacher}."
        )
    if counts and numbers.metric != numbers.plan.metric:
        said.append(_flattered(numbers))
    elif counts:
        said.append(
            f"{numbers.metric} is that of each run's best validation, chosen on the validation split itself."
            + _best_over_last(numbers)
        )
    if any(column.title == _GROUP for column in columns):
        over = over_other(every_pair(numbers))
        said.append(
            f"Rows that share a letter of a group are not told apart {over}: p is at least {SIGNIFICANT:g} after "
            "Holm's correction over all pairs of rows."
        )
    if 1 in counts:
        which = "Every row was" if max(counts) == 1 else "Rows with n = 1 were"
        said.append(f"{which} trained with one seed: one seed has no spread, and its order may be chance.")
    if sources := dict.fromkeys(source for row in numbers.rows for source in row.quoted):
        said.append(f"{' and '.join(sources)}: of other models and settings, to look up and not to compare with.")
    if sets := [column.title for column in columns if column.title in numbers.other_metrics and ON in column.title]:
        said.append(f"{', '.join(sets)}: the same weights in another set's annotated boxes, by the joints both label.")
    if any(column.kind == "change" for column in columns):
        said += pairing_sentences(numbers)
    if any(numbers.metric in row.measured and row.measured[numbers.metric].n < len(row.runs) for row in numbers.rows):
        said.append("A fraction of seeds, such as 1/2, means that some of those asked for have not finished.")
    return tuple(said)


def _flattered(numbers: SweepNumbers) -> str:
    """What the test split is, and how much more the split has on which weights were chosen."""
    metric, digits = numbers.plan.metric, numbers.digits
    on = numbers.metric.partition(ON)[2]
    people = {run.other_sets[on]["people"] for run in numbers.all_runs if on in run.other_sets}
    said = (
        f"{numbers.metric}: measured once, on {' or '.join(f'{count:,}' for count in sorted(people))} people, at each "
        f"run's end, with the weights of its best validation. {metric} is of this validation, on the split that chose "
        "the weights"
    )
    found = sorted(
        (numbers.sign * gap, row.name)
        for row in numbers.rows
        if metric in row.measured
        and numbers.metric in row.measured
        and (gap := mean_difference(row.measured[metric].values, row.measured[numbers.metric].values)) is not None
    )
    if not found:
        return f"{said}."
    (low, least), (high, most) = found[0], found[-1]
    return (
        f"{said}. It is {signed(low, digits)} (“{least}”) to {signed(high, digits)} (“{most}”) over {numbers.metric}. "
        f"What rows share of this may be the splits' own difficulty. They differ in it by {plain(high - low, digits)}, "
        "by which choosing may flatter some."
    )


def _best_over_last(numbers: SweepNumbers) -> str:
    """How much more the best validation has than the last, from the row with the least to that with the greatest."""
    digits = numbers.digits + 1
    found = [
        (gap, row.name)
        for row in numbers.rows
        if row.last is not None
        and numbers.metric in row.measured
        and (gap := mean_difference(row.measured[numbers.metric].values, row.last.values)) is not None
    ]
    if not found:
        return ""
    (low, least), (high, most) = min(found), max(found)
    if signed(low, digits) == signed(high, digits):
        return f" Best minus last epoch: {signed(low, digits)} in every row."
    return f" Best minus last epoch: {signed(low, digits)} (“{least}”) to {signed(high, digits)} (“{most}”)."
