"""Lists of runs as tables for people."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from rich.table import Table
from rich.text import Text

from experiments.runs.store import State

STYLES = {
    "finished": "green",
    "running": "cyan",
    "failed": "bold red",
    "damaged": "bold red",
    "interrupted": "yellow",
    "planned": "dim",
    "pruned": "magenta",
    "stopped": "magenta",
}
SHOWN = 40  # runs in a table, unless all are asked for
ATTENTION: tuple[State, ...] = (
    "damaged",
    "failed",
    "running",
    "interrupted",
    "planned",
    "stopped",
    "pruned",
    "finished",
)
_NAMED = 8  # ids in one line


def some_of(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def said_counts(states: Mapping[State, int]) -> str:
    """How many runs are in each state, as text."""
    return ", ".join(f"{count:,} {state}" for state, count in sorted(states.items()))


def worth_showing(states: Mapping[str, State]) -> tuple[list[str], str | None]:
    """The runs to show of many, those that went wrong first, and a line about the others."""
    if len(states) <= SHOWN:
        return list(states), None
    chosen = sorted(states, key=lambda run_id: ATTENTION.index(states[run_id]))[:SHOWN]
    others = Counter(states.values()) - Counter(states[run_id] for run_id in chosen)
    said = ", ".join(f"{others[state]:,} {state}" for state in ATTENTION if others[state])
    return chosen, f"... and {len(states) - SHOWN:,} more: {said}; --all shows every run"


def plain_table(headings: Sequence[str], rows: Iterable[Sequence[str]], *, left: int = 1) -> Table:
    """Rows of cells under headings, set to the right but for the first `left` columns."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="left" if place < left else "right", no_wrap=place == 0)
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def table_of(columns: Sequence[str], lines: Sequence[Sequence[str]], *, styled: str) -> Table | Text:
    """Lines of cells under headings, the column `styled` in the colour of its state. Long tables are plain text: rich
    would be slow.
    """
    if len(lines) > SHOWN:
        widths = [max(map(len, column)) for column in zip(columns, *lines, strict=True)]
        return Text(
            "\n".join(
                "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
                for line in (columns, *lines)
            ),
            no_wrap=True,
            overflow="ignore",
        )
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(
            column,
            justify="right" if column in ("steps", "metric") else "left",
            no_wrap=column in ("run", "teacher", "cohort", "state", "metric"),
        )
    for line in lines:
        table.add_row(
            *(
                Text(cell, style=STYLES[cell] if column == styled else "")
                for column, cell in zip(columns, line, strict=True)
            )
        )
    return table
