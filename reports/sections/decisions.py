"""Sweeps whose seeds grew until rows were decided: what was decided of each, and by which interval."""

from experiments.runs.saved_plan import SavedDecision
from reports.formats.cells import bounds, number, text
from reports.formats.page import Section
from reports.formats.table import Column, Table, fill
from reports.numbers.sweep import SweepNumbers
from reports.statistics.resampling import Interval

Line = tuple[str, SavedDecision]


def decisions(numbers: SweepNumbers) -> Section | None:
    """A line for every row that was compared; nothing for a sweep whose seeds are given."""
    if numbers.plan.until is None:
        return None
    return Section(key="decisions", title="Seeds until rows were decided", blocks=(_table(numbers),))


def _table(numbers: SweepNumbers) -> Table:
    until = numbers.plan.until
    assert until is not None
    columns: list[Column[Line]] = [
        Column("row", lambda line: text(line[0])),
        Column("verdict", lambda line: text(line[1].verdict)),
        Column("seeds", lambda line: number(line[1].seeds, 0)),
        Column(
            "gain", lambda line: number(line[1].gain if line[1].seeds else None, numbers.digits, signed=True), "number"
        ),
        Column("interval", lambda line: bounds(_interval(line[1]), numbers.digits), "interval"),
    ]
    looks = ", ".join(map(str, until.looks))
    notes = [
        f"Looked at after {looks} seeds, and trained on only while undecided. The interval holds at every look and for "
        f"every row at once, at {100 * (1 - until.alpha):g} %; equivalent: within {until.margin:g} of the baseline. "
        "`python -m benchmarks.sequential` holds its level by simulation.",
        "Every other test of this report takes the numbers of seeds as if they had been fixed before.",
    ]
    metric = numbers.plan.metric
    if metric != numbers.metric:
        notes.append(f"By {metric}, of the split that chose the weights: what test said decided no seed.")
    lines = list(until.decisions.items())
    return fill(columns, lines, name="decisions", caption=f"Gains in {metric} over the baseline", notes=notes)


def _interval(one: SavedDecision) -> Interval | None:
    return Interval(low=one.low, high=one.high) if one.seeds else None
