"""Every run by itself: what a reader needs to check a mean, or to find the run directory behind it."""

from reports.formats.tables import Column, Number, Table, Text, number
from reports.layouts.results import other_metrics
from reports.numbers.sweep_numbers import SweepNumbers


def runs_table(numbers: SweepNumbers) -> Table:
    """One line a run, teachers first."""
    metric, digits, others = numbers.metric.name, numbers.metric.digits, other_metrics(numbers)
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
        rows.append(
            (
                Text(run.row if run.role == "student" else f"teacher: {run.row}"),
                Number(run.seed, 0),
                Text(run.run_id),
                Text(run.state),
                *(number(value, places) for value, places in shown),
            )
        )
    return Table(name="runs", caption="Every run", columns=columns, rows=tuple(rows))


def unfinished_table(numbers: SweepNumbers) -> Table:
    """The runs without a result, and why."""
    columns = tuple(Column(title=title) for title in ("row", "seed", "state", "reason", "run"))
    rows = tuple(
        (Text(run.row), Number(run.seed, 0), Text(run.state), Text(run.reason), Text(run.run_id))
        for run in numbers.unfinished
    )
    caption = "Runs without a result; none of them counts in any number above"
    return Table(name="unfinished", caption=caption, columns=columns, rows=rows)


def setting_table(numbers: SweepNumbers) -> Table:
    """The settings in which these runs differ from the published ones."""
    columns = tuple(Column(title=title) for title in ("setting", "paper", "here"))
    rows = tuple((Text(one.setting), Text(one.paper), Text(one.here)) for one in numbers.deviations)
    return Table(name="setting", caption="Settings that differ", columns=columns, rows=rows)
