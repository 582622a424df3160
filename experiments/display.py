"""What the command line shows: tables of plans and runs, and the progress of a launch."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from experiments.estimate import Costs, planned_steps
from experiments.launch.protocol import Slot
from experiments.launch.scheduler import LaunchProgress
from experiments.plan import Plan, PlannedRun
from experiments.store import RunDir, Store

_PLAIN_SECONDS = 15.0  # between two lines where there is no terminal to redraw
STYLES = {"finished": "green", "running": "cyan", "failed": "bold red", "interrupted": "yellow", "planned": "dim"}
_STATUS_FIELDS = ("run_id", "what", "state", "epoch", "step", "total_steps", "starts", "note")


def duration(seconds: float) -> str:
    """Seconds in words: `42 s`, `3 min`, `2.5 h`, `4.1 days`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 86400:.1f} days"


def run_name(run: PlannedRun) -> str:
    """How people call a run: its row (or the teacher's model) and its seed."""
    return f"{run.row or 'teacher ' + run.recipe['model']['model']}, seed {run.seed}"


def saved_status_rows(store: Store, plan: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Where every run of a saved plan stands: what it is, its state, epoch, last or best metric, and why it failed."""
    names = {teacher["run_id"]: f"teacher {teacher['model']}" for teacher in plan["teachers"]}
    for row in plan["rows"]:
        for run in row["runs"]:
            names.setdefault(run["run_id"], f"{row['name']}, seed {run['seed']}")
    return [_status_row(store.run(run_id), name, plan["metric"]) for run_id, name in names.items()]


def _status_row(run: RunDir, name: str, metric: str) -> dict[str, Any]:
    progress, failure, owner, result = run.progress(), run.failure, run.holder(), run.result()
    if result is not None:
        value = result["metrics"].get(metric)
    else:
        value = None if progress is None else progress.values.get(f"val/{metric}")
    note = ""
    if owner is not None and result is None:
        note = f"on {owner.host}, process {owner.pid}"
    elif failure is not None:
        note = f"{failure.message} ({failure.kind}, attempt {failure.attempts})"
    return {
        "run_id": run.run_id,
        "what": name,
        "state": run.state(),
        "epoch": None if progress is None else progress.epoch,
        "step": None if progress is None else progress.step,
        "total_steps": None if progress is None else progress.total_steps,
        metric: value,
        "starts": run.starts,
        "note": note,
    }


def status_table(rows: Iterable[Mapping[str, Any]]) -> Table:
    """The rows for people."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("run", "what", "state", "steps", "metric", "note"):
        table.add_column(
            column, justify="right" if column in ("steps", "metric") else "left", no_wrap=column in ("run", "metric")
        )
    for row in rows:
        metric = next((name for name in row if name not in _STATUS_FIELDS), "")
        value = row.get(metric)
        steps = "" if row["step"] is None else f"{row['step']}/{row['total_steps'] or '?'}"
        table.add_row(
            row["run_id"],
            Text(row["what"]),
            Text(row["state"], style=STYLES[row["state"]]),
            steps,
            "" if value is None else f"{metric} {100 * value:.1f}",
            Text(row["note"]),
        )
    return table


def plan_tables(plan: Plan, store: Store, costs: Costs) -> Iterable[Table | Text]:
    """A plan for people: its settings, rows, cohorts and cost."""
    yield Text(f"{plan.title}  ({plan.sweep}, profile {plan.profile}, from {plan.source})", style="bold")
    settings = Table.grid(padding=(0, 2))
    for name, value in plan.settings.items():
        settings.add_row(Text(name, style="dim"), Text(str(value)))
    yield settings
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("row", "paper", "run", "seed", "teacher", "cohort", "state", "cost alone"):
        table.add_column(column, no_wrap=column in ("run", "teacher", "cohort"))
    cohorts = {run_id: cohort.cohort_id for cohort in plan.cohorts for run_id in cohort.run_ids}
    papers = {row.name: row.paper.get(plan.metric) for row in plan.rows}
    for run_id, run in plan.runs.items():
        paper = papers.get(run.row or "")
        state = store.run(run_id).state()
        table.add_row(
            Text(run.row or f"teacher {run.recipe['model']['model']}"),
            "" if paper is None else f"{paper:.1f}",
            run_id,
            str(run.seed),
            run.teacher_id or "",
            cohorts[run_id],
            Text(state, style=STYLES[state]),
            duration(costs.runs[run_id].seconds),
        )
    yield table
    yield Text(_cost_line(plan, store, costs))


def launch_summary(plan: Plan, store: Store, costs: Costs, slots: Sequence[Slot]) -> Text:
    """What a launch will do and cost, said before it starts."""
    where = ", ".join(dict.fromkeys(f"{slot.device} x{slot.threads}" for slot in slots))
    return Text(f"{plan.title}\n{_cost_line(plan, store, costs)} {len(slots)} processes: {where}.")


def _cost_line(plan: Plan, store: Store, costs: Costs) -> str:
    done = sum(store.run(run_id).finished for run_id in plan.runs)
    return (
        f"{len(plan.runs)} runs in {len(plan.cohorts)} cohorts, {done} finished; left: about "
        f"{duration(costs.left_seconds)} of computing, by {' and '.join(costs.bases)}; reading data and validation "
        "come on top."
    )


@contextmanager
def counting(console: Console, what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar for a count: yields a function of (done, total). It shows nothing until called."""
    bar = Progress(
        TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console, transient=True
    )
    task = bar.add_task(what, visible=False)
    with bar:
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)


class LaunchDisplay:
    """The live view of a launch: one bar over all steps with the time left, and a line for each run at work.

    Without a terminal it prints a line now and then instead.
    """

    def __init__(self, plan: Plan, console: Console) -> None:
        self._plan, self._console = plan, console
        self._steps = {run_id: planned_steps(run, plan.train_people[run_id]) for run_id, run in plan.runs.items()}
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            MofNCompleteColumn(),
            TextColumn("steps, left"),
            TimeRemainingColumn(),
            console=console,
            expand=True,
            speed_estimate_period=120,
        )
        self._task = self._bar.add_task(plan.sweep, total=sum(self._steps.values()))
        self._live = Live(self._bar, console=console, refresh_per_second=2) if console.is_terminal else None
        self._printed = 0.0
        self._began: tuple[float, int] | None = None

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def update(self, progress: LaunchProgress) -> None:
        """Show where the launch stands."""
        done = sum(self._steps[run_id] for run_id in progress.finished)
        done += sum(run.step for run in progress.running.values() if run is not None)
        self._bar.update(self._task, completed=done)
        if self._live is not None:
            self._live.update(Group(self._bar, self._running(progress)))
        elif time.monotonic() - self._printed >= _PLAIN_SECONDS:
            self._printed = time.monotonic()
            self._console.print(self._line(progress, done))

    def _line(self, progress: LaunchProgress, done: int) -> str:
        total = sum(self._steps.values())
        if self._began is None:
            self._began = (progress.seconds, done)
        seconds, steps = progress.seconds - self._began[0], done - self._began[1]
        left = f", about {duration(seconds / steps * (total - done))} left" if steps > 0 else ""
        failed = f", {len(progress.failed)} failed" if progress.failed else ""
        return (
            f"{duration(progress.seconds)}: {len(progress.finished)} of {progress.total} runs finished{failed}, "
            f"{len(progress.running)} running, {done / max(1, total):.0%} of all steps{left}"
        )

    def _running(self, progress: LaunchProgress) -> Table:
        table = Table(box=None, pad_edge=False, show_header=False)
        for run_id, run in progress.running.items():
            planned = self._plan.runs[run_id]
            values = {} if run is None else run.values
            numbers = [
                f"{name} {value:.4g}"
                for name, value in values.items()
                if value is not None and name in ("train/loss", f"val/{self._plan.metric}", "val/PCK@0.2")
            ]
            where = "starting" if run is None else f"step {run.step} of {self._steps[run_id]}"
            table.add_row(Text(run_name(planned), style="cyan"), where, ", ".join(numbers))
        for run_id, why in progress.failed.items():
            table.add_row(Text(run_name(self._plan.runs[run_id]), style="bold red"), "failed", Text(why))
        if progress.elsewhere:
            table.add_row(f"{len(progress.elsewhere)} runs", "held by another launch", "")
        return table
