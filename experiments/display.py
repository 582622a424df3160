"""What the command line shows: tables of plans and runs, and the progress of a launch."""

import time
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from experiments.launch.scheduler import LaunchProgress
from experiments.plan import Plan, PlannedRun
from experiments.store import Store

_PLAIN_SECONDS = 15.0  # between two lines where there is no terminal to redraw
STYLES = {"finished": "green", "running": "cyan", "failed": "bold red", "interrupted": "yellow", "planned": "dim"}


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


def status_table(plan: Plan, store: Store) -> Table:
    """Every run of a plan: what it is, where it stands, what it last measured, and why it failed."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("run", "what", "state", "epoch", plan.metric, "note"):
        table.add_column(column)
    for run in plan.runs.values():
        directory = store.run(run.run_id)
        state = directory.state()
        progress, failure, owner = directory.progress(), directory.failure, directory.holder()
        best = (directory.result() or {}).get("metrics", {}).get(plan.metric)
        last = best if best is not None else (progress.values.get(f"val/{plan.metric}") if progress else None)
        note = ""
        if state == "running" and owner is not None:
            note = f"on {owner.host}, process {owner.pid}"
        elif failure is not None:
            note = f"{failure.message} ({failure.kind}, attempt {failure.attempts})"
        epochs = run.recipe["schedule"]["epochs"]
        done = "" if progress is None or progress.epoch is None else f"{progress.epoch:.0f}/{epochs}"
        table.add_row(
            run.run_id,
            Text(run_name(run)),
            Text(state, style=STYLES[state]),
            done,
            "" if last is None else f"{100 * last:.1f}",
            Text(note),
        )
    return table


class LaunchDisplay:
    """The live view of a launch: one bar over all steps with the time left, and a line for each run at work.

    Without a terminal it prints a line now and then instead.
    """

    def __init__(self, plan: Plan, steps: dict[str, int], console: Console) -> None:
        self._plan, self._steps, self._console = plan, steps, console
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
        self._task = self._bar.add_task(plan.sweep, total=sum(steps.values()))
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
        for run_id, run in self._shown(progress):
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

    def _shown(self, progress: LaunchProgress) -> Iterable[tuple[str, object]]:
        return progress.running.items()
