"""What is missing and what failed."""

from reports.formats.cells import number, text
from reports.formats.page import Section
from reports.formats.table import Column, fill
from reports.numbers.sweep import SweepNumbers
from reports.read.reader import RunNumbers


def unfinished(numbers: SweepNumbers) -> Section:
    """The runs without a result, and why."""
    columns: list[Column[RunNumbers]] = [
        Column("row", lambda run: text(run.row)),
        Column("seed", lambda run: number(run.seed, 0)),
        Column("state", lambda run: text(run.state)),
        Column("reason", lambda run: text(run.reason)),
        Column("run", lambda run: text(run.run_id)),
    ]
    caption = "Runs without a result; none of them counts in any number above"
    table = fill(columns, numbers.unfinished, name="unfinished", caption=caption)
    return Section(
        key="unfinished",
        title="Missing and failed",
        short="Missing and failed",
        text=() if table.rows else (f"Nothing: all {len(numbers.runs)} runs have finished.",),
        blocks=(table,) if table.rows else (),
    )
