"""The table for a paper: the columns and rows that a sweep file's `report` or the command line names."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from experiments.runs.saved_plan import TableChoices
from reports.formats.cells import Cell, chance, change, gap, number, seeds, text, tick
from reports.formats.table import Column, Table, fill
from reports.formats.words import plain, signed
from reports.numbers.metrics import definitions
from reports.numbers.sweep import RowNumbers, SweepNumbers
from reports.read.reader import metric_digits
from reports.sections.row_cells import baseline_column, cost_columns, name_column, state_gap
from reports.statistics.differences import Difference, Spread, difference, spread
from reports.statistics.resampling import LEAST_SEEDS, Interval

Columns = list[Column[RowNumbers]]
_MARKED = {"bold": "bold", "underline": "underlined"}


def publication_table(numbers: SweepNumbers, choices: TableChoices) -> Table:
    """The table, its notes no more than a reader of a paper needs.

    Raises:
        ValueError: a column or row is none of this sweep's.
    """
    rows = _rows(numbers, choices)
    known = _known_columns(numbers, rows, choices)
    chosen = choices.columns or tuple(_default_columns(numbers))
    measured = {name for run in numbers.all_runs for name in run.metrics}
    columns: Columns = [name_column()]
    for name in chosen:
        if name in known:
            columns += known[name]
        elif name in measured or not measured:
            columns.append(_metric(numbers, rows, name, choices))
        else:
            valid = ", ".join([*known, *sorted(measured)])
            raise ValueError(f"columns: must be of this sweep, got {name!r:.80}; valid: {valid}")
    if not {"paper", "paper improvement"} & set(chosen):
        columns = [column._replace(group="" if column.group == "ours" else column.group) for column in columns]
    return replace(
        fill(columns, rows, name="publication", caption=(choices.caption or numbers.plan.title).removesuffix(".")),
        notes=(*_notes(numbers, rows, choices), *definitions(" ".join(column.title for column in columns))),
        label=choices.label or f"tab:{numbers.plan.sweep}-{numbers.plan.profile}",
    )


def _rows(numbers: SweepNumbers, choices: TableChoices) -> Sequence[RowNumbers]:
    by_name = {row.name: row for row in numbers.rows}
    for name in choices.rows or ():
        if name not in by_name:
            raise ValueError(f"rows: must be of this sweep, got {name!r:.80}; valid: {', '.join(by_name)}")
    return [by_name[name] for name in choices.rows or by_name]


def _default_columns(numbers: SweepNumbers) -> Iterator[str]:
    if numbers.plan.table == "losses":
        yield "losses"
    elif any(row.factors for row in numbers.rows):
        yield "factors"
    yield numbers.metric
    if any(row.improvement is not None for row in numbers.rows):
        yield "improvement"
    if any(numbers.paper_metric in row.paper for row in numbers.rows):
        yield "paper"


def _known_columns(numbers: SweepNumbers, rows: Sequence[RowNumbers], choices: TableChoices) -> Mapping[str, Columns]:
    """The columns that are no metric, by the words that choose them."""
    metric, theirs = numbers.metric, numbers.paper_metric
    digits = _digits(numbers.metric, choices)
    used = {name for row in rows for name in (*row.losses, *row.factors)}
    ticks = dict.fromkeys(name for row in numbers.rows for name in row.ticks if name in used)
    factors = dict.fromkeys(name for row in numbers.rows for name in row.factors if name in used)

    def ticked(name: str) -> Column[RowNumbers]:
        return Column(name, lambda row: tick(row.ticks.get(name, False)), "tick", "losses")

    def factor(name: str) -> Column[RowNumbers]:
        return Column(name, lambda row: text(row.factors[name]) if name in row.factors else gap())

    def improvement(row: RowNumbers) -> Cell:
        found = row.improvement
        cell = change(found, digits)
        return cell if found is None else replace(cell, text=_difference(found, digits, choices), html="")

    def last(row: RowNumbers) -> Cell:
        return state_gap(row) if row.last is None else _measured(row, row.last, digits, choices)

    def p(row: RowNumbers) -> Cell:
        return chance(row.improvement.p_adjusted if row.improvement else None)

    def paper(row: RowNumbers) -> Cell:
        return number(row.paper.get(theirs), digits)

    def paper_improvement(row: RowNumbers) -> Cell:
        return number(row.paper_improvement, digits, signed=True)

    costs: Columns = cost_columns("", lambda row: row.cost)
    fps: Column[RowNumbers] = Column("FPS", lambda row: number(row.cost.fps if row.cost else None), "number")
    return {
        **{name: [ticked(name)] for name in ticks},
        **{name: [factor(name)] for name in factors},
        "losses": [ticked(name) for name in ticks],
        "factors": [factor(name) for name in factors],
        "seeds": [Column("seeds", lambda row: number(_finished(row), 0), "number")],
        "last epoch": [Column(f"{metric}, last epoch", last, "measured", "ours")],
        "baseline": [Column("baseline", lambda row: text(row.baseline or "–"), group="ours")],
        "improvement": [
            *baseline_column(numbers, "ours"),
            Column(numbers.over, improvement, "change", "ours"),
        ],
        "p": [Column("p", p, "chance", "ours")],
        "paper": [Column(theirs, paper, "number", "paper")],
        "paper improvement": [Column(numbers.over, paper_improvement, "number", "paper")],
        "params": costs[:1],
        "GFLOPs": costs[1:],
        "FPS": [fps],
    }


def _finished(row: RowNumbers) -> int:
    return sum(run.finished for run in row.runs)


def _digits(metric: str, choices: TableChoices) -> int:
    return metric_digits(metric) if choices.digits is None else choices.digits


def _metric(
    numbers: SweepNumbers, rows: Sequence[RowNumbers], metric: str, choices: TableChoices
) -> Column[RowNumbers]:
    """A metric's column, its two best values marked; values that look the same are marked alike."""
    digits = _digits(metric, choices)
    found: dict[str, Spread] = {}
    for row in rows:
        if values := {run.seed: run.metrics[metric] for run in row.runs if run.finished and metric in run.metrics}:
            found[row.name] = spread(values)
    less = any(metric == name or metric.startswith((f"{name}.", f"{name} ")) for name in numbers.plan.lower_is_better)
    means = sorted((one.mean for one in found.values()), reverse=not less)
    ranked = list(dict.fromkeys(plain(mean, digits) for mean in means))
    marks = dict(zip(ranked, (choices.best, choices.second), strict=False)) if len(found) > 1 else {}

    def cell(row: RowNumbers) -> Cell:
        if row.name not in found:
            return state_gap(row)
        one = found[row.name]
        mark = marks.get(plain(one.mean, digits))
        return replace(_measured(row, one, digits, choices), best=mark == "bold", underlined=mark == "underline")

    return Column(metric, cell, "measured", "ours")


def _measured(row: RowNumbers, one: Spread, digits: int, choices: TableChoices) -> Cell:
    words = plain(one.mean, digits)
    interval = difference(one.values)
    if choices.spread == "std" and one.std is not None:
        words += f" ± {plain(one.std, digits)}"
    elif choices.spread == "interval" and interval is not None:
        words += _bracketed(interval.interval, lambda value: plain(value, digits))
    return replace(seeds(one, len(row.runs), digits), text=words, html="")


def _difference(one: Difference, digits: int, choices: TableChoices) -> str:
    words = signed(one.mean, digits)
    if choices.spread == "std" and one.std is not None:
        words += f" ± {plain(one.std, digits)}"
    elif choices.spread == "interval":
        words += _bracketed(one.interval, lambda value: signed(value, digits))
    return words


def _bracketed(interval: Interval | None, shown: Callable[[float], str]) -> str:
    return "" if interval is None else f" [{shown(interval.low)}, {shown(interval.high)}]"


def _notes(numbers: SweepNumbers, rows: Sequence[RowNumbers], choices: TableChoices) -> Iterator[str]:
    counts = sorted({_finished(row) for row in rows if _finished(row)})
    if counts:
        few, most = counts[0], counts[-1]
        n = f"{few} to {most} seeds" if few < most else f"{most} seed{'s' * (most > 1)}"
        what = "Value" if most == 1 else "Mean ± sample standard deviation" if choices.spread == "std" else "Mean"
        if choices.spread == "interval" and few < LEAST_SEEDS:
            n += f"; fewer than {LEAST_SEEDS} have no interval"
        elif choices.spread == "interval":
            what = "Mean [95 % t interval]"
        yield f"{what} over {n}."
    marks = [
        f"{name} {_MARKED[mark]}" for name, mark in (("best", choices.best), ("second", choices.second)) if mark != "no"
    ]
    if marks and len(rows) > 1:
        yield f"{', '.join(marks).capitalize()}."
    if lacking := [row.name for row in rows if _finished(row) < len(row.runs)]:
        yield f"Not all seeds have finished: {', '.join(lacking)}."
