"""Every run by itself: what a reader needs to check a mean, or to find the run directory behind it."""

from reports.formats.cells import number, text
from reports.formats.page import Section
from reports.formats.table import Column, Table, fill
from reports.numbers.sweep import SweepNumbers
from reports.read.reader import RunNumbers


def runs(numbers: SweepNumbers) -> Section:
    """Every run by itself."""
    return Section(key="runs", folded=True, title="Every run", blocks=(runs_table(numbers),))


def runs_table(numbers: SweepNumbers) -> Table:
    """One line a run, teachers first."""
    metric, digits, best, cost = numbers.metric, numbers.digits, "best evaluation", "cost"

    def metric_column(name: str, digits: int) -> Column[RunNumbers]:
        return Column(name, lambda run: number(run.metrics.get(name), digits), "number", best)

    columns: list[Column[RunNumbers]] = [
        Column("row", lambda run: text(run.row if run.role == "student" else f"teacher: {run.row}")),
        Column("seed", lambda run: number(run.seed, 0), "number"),
        Column("run", lambda run: text(run.run_id)),
        Column("state", lambda run: text(run.state)),
        metric_column(metric, digits),
        *(metric_column(other, 1) for other in numbers.other_metrics),
        Column("epoch", lambda run: number(run.best_epoch, 0), "number", best),
        Column(metric, lambda run: number(run.last.get(metric), digits), "number", "last evaluation"),
        Column("parameters (M)", lambda run: number(run.parameters and run.parameters / 1e6, 2), "number", cost),
        Column("minutes", lambda run: number(run.seconds and run.seconds / 60), "number", cost),
    ]
    return fill(columns, numbers.runs, name="runs", caption="Every run")
