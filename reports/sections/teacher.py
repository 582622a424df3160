"""Every teacher and its run."""

from reports.formats.facts import Fact, FactList
from reports.formats.page import Section
from reports.formats.words import duration
from reports.numbers.metrics import definitions
from reports.numbers.sweep import SweepNumbers
from reports.read.reader import RunNumbers


def teacher(numbers: SweepNumbers) -> Section | None:
    """The facts of each teacher."""
    if not numbers.teachers:
        return None
    named = " ".join(name for run in numbers.teachers for name in run.metrics)
    blocks = tuple(FactList(lines=_lines(run)) for run in numbers.teachers)
    return Section(key="teacher", title="Teacher", short="Teacher", blocks=blocks, after=definitions(named))


def _lines(run: RunNumbers) -> tuple[Fact, ...]:
    best = f", best at {run.best_epoch:g}" if run.best_epoch else ""
    lines = {
        "model": run.row,
        "state": f"{run.state}: {run.reason}" if run.reason else run.state,
        **{name: f"{value:.1f}" for name, value in run.metrics.items()},
        "parameters": f"{run.parameters:,}" if run.parameters else "",
        "epochs": f"{run.epochs:g}{best}" if run.epochs else "",
        "time": duration(run.seconds) if run.seconds else "",
        "run": run.run_id,
    }
    return tuple(Fact(name=name, values=(value,)) for name, value in lines.items() if value)
