"""Every two rows compared, over other pictures and other seeds."""

from collections.abc import Mapping, Sequence

from reports.formats.cells import bounds, chance, number, text
from reports.formats.page import Section
from reports.formats.table import Column, Table, fill
from reports.numbers.evidence import DRAWS, every_pair
from reports.numbers.sweep import SweepNumbers
from reports.statistics.evidence import Comparison
from reports.statistics.resampling import Interval


def evidence(numbers: SweepNumbers) -> Section | None:
    """Every two rows compared; nothing where no pair of rows could be tested."""
    compared = every_pair(numbers)
    if not compared:
        return None
    return Section(key="evidence", folded=True, title="Every two rows", blocks=(_pairs_table(numbers, compared),))


def _pairs_table(numbers: SweepNumbers, compared: Sequence[Comparison]) -> Table:
    digits = numbers.digits
    columns: list[Column[Comparison]] = [
        Column("row", lambda one: text(one.row)),
        Column("against", lambda one: text(one.other)),
        Column("difference", lambda one: number(one.mean, digits, signed=True), "number"),
        Column("95 % interval", lambda one: bounds(_interval(one), digits), "interval"),
        Column("p", lambda one: chance(one.p), "chance"),
        Column("Holm", lambda one: chance(one.p_adjusted), "chance"),
        Column("over other", lambda one: text(" and ".join(one.parts))),
    ]
    caption = f"Every two rows: {numbers.metric}, over other pictures and other seeds"
    return fill(columns, compared, name="pairs", caption=caption, notes=_notes(compared))


def _interval(one: Comparison) -> Interval | None:
    found = one.interval()
    return None if found is None else Interval(low=found[0], high=found[1])


def _notes(compared: Sequence[Comparison]) -> tuple[str, ...]:
    sources: Mapping[str, None] = {source: None for one in compared for source in one.parts}
    said = [
        "An interval's half-width is the root of the sum of its sources' squared half-widths, each by its own t; "
        "`python -m benchmarks.levels` holds the levels by simulation."
    ]
    if "pictures" in sources:
        said.append(f"Pictures: {DRAWS} draws of the pictures measured on, with replacement, the same for every row.")
    if any(list(one.parts) == ["pictures"] for one in compared):
        said.append("With one seed, only other pictures are spoken of: another seed may turn the order round.")
    if "pooled seeds" in sources:
        said.append("Pooled seeds: with two seeds, the residual over all rows and seeds stands for every row's own.")
    return tuple(said)
