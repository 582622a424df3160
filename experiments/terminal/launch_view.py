"""Plans, and the progress of a launch, on a terminal."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from experiments.launch.input_need import InputNeed, input_need
from experiments.launch.memory_needs import MemoryNeed
from experiments.launch.protocol import MOST_WORKERS, Slot
from experiments.launch.records import LaunchProgress
from experiments.launch.time_left import TimeLeft
from experiments.machine.quantities import data_size, duration
from experiments.plan.estimate import Costs, planned_steps
from experiments.plan.plan import Plan
from experiments.plan.teachers import several_teachers
from experiments.runs.saved_plan import SavedUntil
from experiments.runs.store import State
from experiments.terminal.output import Plain, in_notebook, plain
from experiments.terminal.plan_table import row_table, run_table
from experiments.terminal.tables import plain_table

_PLAIN_SECONDS = 15.0  # between two lines where there is no terminal to redraw
_START_SECONDS = 8.0  # of a process, until its first step: imports, data, models; seen on two CPU cores


def plan_tables(
    plan: Plan,
    states: Mapping[str, State],
    costs: Costs,
    needs: Mapping[str, MemoryNeed | None] | None = None,
    *,
    everything: bool = False,
) -> Iterator[Table | Text]:
    """A plan for people: settings, rows, cost and, if any cohort needs it, GPU memory.

    A row is a line, and of many those that need attention come first; with `everything` each run is one.
    """
    yield Text(f"{plan.title}  ({plan.sweep}, profile {plan.profile}, from {plan.source})", style="bold")
    settings = [
        Text.assemble((f"{name} ", "dim"), _shortened(str(value)), "   ") for name, value in plan.settings.items()
    ]
    yield Text.assemble(*settings)
    yield from run_table(plan, states, costs) if everything else row_table(plan, states, costs)
    if (reason := several_teachers(plan)) is not None:
        yield Text(reason, style="bold yellow")
    yield Text(_cost_line(plan, states, costs))
    if (need := input_need(plan, costs)) is not None:
        yield Text(_input_line(need))
    if needs:
        yield from _memory_lines(plan, needs)


def _input_line(need: InputNeed) -> str:
    """The cores that hand a GPU its people."""
    said = f"Input: up to {need.people:,.0f} people a second"
    decoding, cached = need.cores(cached=False), need.cores(cached=True)
    if need.decoding > MOST_WORKERS:
        return f"{said}, more than {decoding} cores decode; with `launch --cache DIR` {cached} cores a process suffice."
    return f"{said}: {decoding} cores a process, or {cached} with `launch --cache DIR`."


def _memory_lines(plan: Plan, found: Mapping[str, MemoryNeed | None]) -> Iterator[Text]:
    """The GPU memory of cohorts, equal ones counted, and those too large for a GPU of this machine."""
    needs = {cohort_id: need for cohort_id, need in found.items() if need is not None}
    if len(needs) < len(found):
        yield Text(f"GPU memory of {_counted(len(found) - len(needs), 'cohort')}: unknown.")
    sizes = {cohort.cohort_id: len(cohort.run_ids) for cohort in plan.cohorts}
    alike = Counter(
        (needs[cohort_id], sizes[cohort_id]) for cohort_id in sorted(needs, key=lambda id: -needs[id].bytes)
    )
    for basis in dict.fromkeys(need.basis for need in needs.values()):
        parts = [
            f"{data_size(need.bytes)} for {_counted(count, 'cohort')} of {_counted(size, 'run')}"
            for (need, size), count in alike.items()
            if need.basis == basis
        ]
        yield Text(f"GPU memory, {basis}: about {_shortened(', '.join(parts))}.")
    for (need, size), count in alike.items():
        if need.fits_with is not None:
            remedy = (
                f"with {need.fits_with} people at once it would; `launch` tries that after it ran out of memory "
                "(batch normalisation then sees only these)"
                if need.fits_with
                else "not even one person at a time would"
            )
            words = (
                f"{data_size(need.bytes)} for {_counted(count, 'cohort')} of {_counted(size, 'run')}: more than a GPU "
                f"of this machine has to give; {remedy}. A smaller schedule.batch_size takes less."
            )
            yield Text(words, style="bold red")


def _counted(count: int, thing: str) -> str:
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


def _shortened(text: str, limit: int = 160) -> str:
    """A long list, cut."""
    if len(text) <= limit:
        return text
    return f"{text[: text.rfind(',', 0, limit)]}, ... ({text.count(',') + 1} in all)" if "," in text[:limit] else text


def decision_table(until: SavedUntil) -> Table:
    """What the looks decided of each row."""
    lines = [
        (
            name,
            one.verdict,
            str(one.seeds),
            f"{one.gain:+.2f} ({one.low:+.2f} to {one.high:+.2f})" if one.seeds else "",
            str(one.wanted - one.seeds),
        )
        for name, one in until.decisions.items()
    ]
    return plain_table(("row", "verdict", "seeds seen", "gain", "seeds to come"), lines, left=2)


def launch_summary(plan: Plan, states: Mapping[str, State], costs: Costs, slots: Sequence[Slot]) -> Text:
    """What a launch will do and cost."""
    where = ", ".join(dict.fromkeys(f"{slot.device} x{slot.threads}" for slot in slots))
    reason = several_teachers(plan)
    first = plan.title if reason is None else f"{plan.title}\n{reason}"
    return Text(f"{first}\n{_cost_line(plan, states, costs, guesses=False)} {len(slots)} processes: {where}.")


def _cost_line(plan: Plan, states: Mapping[str, State], costs: Costs, *, guesses: bool = True) -> str:
    """What is done and what the rest costs, with start-up and validation where these were measured."""
    done = sum(state == "finished" for state in states.values())
    left = [run_id for run_id, state in states.items() if state not in ("finished", "stopped")]
    starts = sum(not set(left).isdisjoint(cohort.run_ids) for cohort in plan.cohorts)
    counts = f"{_counted(len(plan.runs), 'run')} in {_counted(len(plan.cohorts), 'cohort')}, {done:,} finished"
    if not left:
        return f"{counts}; nothing is left."
    bases = [costs.runs[run_id].basis for run_id in left if costs.runs[run_id].seconds is not None]
    said = f"by {' and '.join(dict.fromkeys(bases))}"
    if all(costs.runs[run_id].is_whole for run_id in left):
        seconds = costs.left_seconds + starts * _START_SECONDS
        return f"{counts}; left: about {duration(seconds)} of computing with start-up and validation, {said}."
    if not guesses:
        return f"{counts}; how long the rest takes is told once it is known."
    parts = [f"{_START_SECONDS:.0f} s to start each of {_counted(starts, 'cohort')}"]
    if bases:
        parts.insert(0, f"about {duration(costs.left_seconds)} of training, {said}")
    if costs.left_unknown:
        parts.append(f"{_counted(costs.left_unknown, 'run')} of unknown cost")
    return f"{counts}; left: {', '.join(parts)}; data loading and validation not included."


@contextmanager
def counting(console: Console, what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar for a count: yields a function of (done, total). It shows nothing until called, or without a terminal."""
    if not console.is_terminal:
        yield lambda done, total: None
        return
    bar = Progress(
        TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=console, transient=True
    )
    task = bar.add_task(what, visible=False)
    with bar:
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)


@contextmanager
def measuring(console: Console) -> Iterator[Callable[[str], None]]:
    """A function that shows what is being measured: on one line that vanishes, or, without a terminal, once."""
    line = console.status("measuring models")
    said: list[str] = []

    def say(text: str) -> None:
        if console.is_terminal:
            line.start()
            line.update(Text(plain(text)))
        elif not said:
            console.print("measuring what the models cost, once")
        said.append(text)

    try:
        yield say
    finally:
        line.stop()


def _notebook_line() -> Callable[[str], None]:
    """A function that puts a text in the place of the one before, in the output of the notebook's cell."""
    from IPython.display import display

    line = display({"text/plain": "starting"}, raw=True, display_id=True)
    return lambda text: line.update({"text/plain": text}, raw=True)


class LaunchDisplay:
    """The live view of a launch: a bar over all steps with the time left, and a line for each running run.

    A notebook has one line, redrawn; without either a line is printed now and then. `begun` are the steps already done;
    `slots` processes work at a time.
    """

    def __init__(self, plan: Plan, console: Console, begun: Mapping[str, int] | None = None, *, slots: int = 1) -> None:
        self._plan, self._console = plan, console
        self._reached = dict(begun or {})
        self._steps = {run_id: planned_steps(run) for run_id, run in plan.runs.items()}
        self._bar = Progress(
            TextColumn("{task.description}", style="bold", markup=False),
            BarColumn(bar_width=None),
            TaskProgressColumn(),
            MofNCompleteColumn(),
            TextColumn("steps{task.fields[left]}", markup=False),
            console=console,
            expand=True,
        )
        self._task = self._bar.add_task(plan.sweep, total=sum(self._steps.values()), left="")
        self._live = Live(Plain(self._bar), console=console, refresh_per_second=2) if console.is_terminal else None
        self._redraw = _notebook_line() if in_notebook() else None
        self._printed = 0.0
        self._time = TimeLeft(plan, slots)

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._live is not None:
            self._live.stop()

    def lengthened(self, plan: Plan | None) -> Plan | None:
        """The plan given, which is shown from now on, unless it is None."""
        if plan is not None:
            self._plan = plan
            self._time.follow(plan)
            self._steps = {run_id: planned_steps(run) for run_id, run in plan.runs.items()}
            self._bar.update(self._task, total=sum(self._steps.values()))
        return plan

    def update(self, progress: LaunchProgress) -> None:
        """Show where the launch stands."""
        self._reached |= {run_id: run.step for run_id, run in progress.running.items() if run is not None}
        self._reached |= {run_id: self._steps[run_id] for run_id in progress.finished | progress.pruned}
        done = sum(self._reached.values())
        seconds = self._time.look(progress, self._reached)
        left = f", about {duration(seconds)} left" if seconds else ""
        self._bar.update(self._task, completed=done, left=left)
        if self._live is not None:
            self._live.update(Plain(Group(self._bar, self._running(progress))))
        elif self._redraw is not None:
            self._redraw(f"{self._line(progress, done)}{left}")
        elif time.monotonic() - self._printed >= _PLAIN_SECONDS:
            self._printed = time.monotonic()
            self._console.print(f"{self._line(progress, done)}{left}")

    def _line(self, progress: LaunchProgress, done: int) -> str:
        starting = sum(run is None for run in progress.running.values())
        counts = {"failed": len(progress.failed), "starting": starting}
        some = "".join(f", {count} {what}" for what, count in counts.items() if count)
        return (
            f"{duration(progress.seconds)}: {len(progress.finished)} of {progress.total} runs finished{some}, "
            f"{len(progress.running) - starting} running, {done / max(1, sum(self._steps.values())):.0%} of all steps"
        )

    def _running(self, progress: LaunchProgress) -> Table:
        table, names = Table(box=None, pad_edge=False, show_header=False), self._plan.run_names
        for run_id, run in progress.running.items():
            values = {} if run is None else run.values
            numbers = [
                f"{name} {value:.4g}"
                for name, value in values.items()
                if value is not None and name in ("train/loss", f"val/{self._plan.metric}", "val/PCK@0.2")
            ]
            where = "starting" if run is None else f"step {run.step} of {self._steps[run_id]}"
            table.add_row(Text(names[run_id], style="cyan"), where, ", ".join(numbers))
        for run_id, why in progress.failed.items():
            table.add_row(Text(names[run_id], style="bold red"), "failed", Text(why))
        if progress.elsewhere:
            table.add_row(f"{len(progress.elsewhere)} runs", "held by another launch", "")
        return table
