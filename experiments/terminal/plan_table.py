"""The rows of a plan as a table that fits a narrow terminal, and its runs, a line each."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from rich.table import Table
from rich.text import Text

from experiments.machine.quantities import duration
from experiments.plan.estimate import Costs
from experiments.plan.plan import Plan
from experiments.runs.saved_plan import SavedRow
from experiments.runs.store import State
from experiments.terminal.tables import ATTENTION, STYLES, table_of, worth_showing


def row_table(plan: Plan, states: Mapping[str, State], costs: Costs) -> Iterator[Table | Text]:
    """A line for each teacher and row, their seeds together, with a column for each field that an axis varies."""
    runs = {f"teacher {one.run_id[:6]}": [plan.runs[one.run_id]] for one in plan.teachers}
    runs |= {row.name: [plan.runs[run.run_id] for run in row.runs] for row in plan.rows}
    rows = {row.name: row for row in plan.rows}
    gravest = {name: min((states[run.run_id] for run in own), key=ATTENTION.index) for name, own in runs.items()}
    chosen, rest = worth_showing(gravest)
    varied = [
        label
        for label in dict.fromkeys(label for row in plan.rows for label in row.factors)
        if len({_value(row, label) for row in plan.rows}) > 1
    ]
    papers = {row.name: f"{row.paper[plan.metric]:.1f}" for row in plan.rows if plan.metric in row.paper}
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("row", *varied, *(["paper"] if papers else []), "seeds"):
        table.add_column(heading, overflow="fold")
    several = len(plan.teachers) > 1
    for heading in (["teacher"] if several else []) + ["state", "each"]:
        table.add_column(heading, overflow="fold", justify="right" if heading == "each" else "left")
    for name in chosen:
        own, row = runs[name], rows.get(name)
        counts = Counter(states[run.run_id] for run in own)
        state = ", ".join(f"{count} {state}" if len(counts) > 1 else state for state, count in sorted(counts.items()))
        cells = [
            name if row is None else _short_name(row),
            *("" if row is None else _value(row, label) for label in varied),
            *([papers.get(name, "")] if papers else []),
            _seeds([run.seed for run in own]),
            *([", ".join(dict.fromkeys((run.teacher_id or "")[:6] for run in own))] if several else []),
        ]
        seconds = costs.runs[own[0].run_id].seconds
        table.add_row(*map(Text, cells), Text(state, style=STYLES[gravest[name]]), Text(_time(seconds)))
    yield table
    if rest is not None:
        yield Text(rest, style="dim")


def run_table(plan: Plan, states: Mapping[str, State], costs: Costs) -> Iterator[Table | Text]:
    """A line for each run, with its teacher and cohort."""
    cohorts = {run_id: cohort.cohort_id for cohort in plan.cohorts for run_id in cohort.run_ids}
    lines = [
        (
            run.row or f"teacher {run.recipe['model']['model']}",
            run_id,
            str(run.seed),
            run.teacher_id or "",
            cohorts[run_id],
            states[run_id],
            _time(costs.runs[run_id].seconds),
        )
        for run_id, run in plan.runs.items()
    ]
    yield table_of(("row", "run", "seed", "teacher", "cohort", "state", "each"), lines, styled="state")


def _short_name(row: SavedRow) -> str:
    """The row's name without the values of axes, which have columns of their own."""
    ends = [row.name.find(f"{label}=") for label in row.factors]
    return row.name[: min((end for end in ends if end >= 0), default=len(row.name))].strip()


def _value(row: SavedRow, label: str) -> str:
    """The value of a varied field; nothing where the axes leave the row alone."""
    return _text(row.factors[label]) if label in row.factors else ""


def _text(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "x".join(map(_text, value))
    return f"{value:g}" if isinstance(value, float) else "null" if value is None else str(value)


def _seeds(seeds: Sequence[int]) -> str:
    """Such as 0, 1 and 0-4."""
    in_a_row = len(seeds) > 2 and all(after == before + 1 for before, after in pairwise(seeds))
    return f"{seeds[0]}-{seeds[-1]}" if in_a_row else ", ".join(map(str, seeds))


def _time(seconds: float | None) -> str:
    return "unknown" if seconds is None else duration(seconds)
