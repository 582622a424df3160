"""What still trains, what is missing and what failed."""

from reports.formats.cells import number, text
from reports.formats.page import Section
from reports.formats.table import Column, fill
from reports.numbers.sweep import SweepNumbers
from reports.read.reader import RunNumbers

_NOT_BEGUN = ("planned", "missing")


def unfinished(numbers: SweepNumbers) -> Section | None:
    """The runs that began and have no result, with the reason, and how many have not begun; None where all finished."""
    begun = [run for run in numbers.unfinished if run.state not in _NOT_BEGUN]
    waiting = len(numbers.unfinished) - len(begun)
    if not numbers.unfinished:
        return None
    columns: list[Column[RunNumbers]] = [
        Column("row", lambda run: text(run.row)),
        Column("seed", lambda run: number(run.seed, 0)),
        Column("state", lambda run: text(run.state)),
        Column(f"{numbers.plan.metric} so far", lambda run: number(run.last.get(numbers.plan.metric), numbers.digits)),
        Column("reason", lambda run: text(run.reason)),
        Column("run", lambda run: text(run.run_id)),
    ]
    caption = "Runs without a result; none of them counts in any number"
    table = fill(columns, begun, name="unfinished", caption=caption)
    said = f"{waiting} run{'s have' if waiting > 1 else ' has'} not started."
    return Section(
        key="unfinished",
        title="Not finished",
        text=(said,) if waiting else (),
        blocks=(table,) if begun else (),
    )
