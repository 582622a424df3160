"""One table record for every format. `reports.layouts` fills it; renderers and the page show it."""

from dataclasses import dataclass, field
from typing import Literal

from reports.numbers.metrics import definitions
from reports.numbers.records import Difference, Interval, RowNumbers, Spread

ColumnKind = Literal["text", "tick", "measured", "change", "number", "interval", "chance"]


@dataclass(frozen=True, slots=True)
class Text:
    """Words: a name or a factor's value."""

    text: str


@dataclass(frozen=True, slots=True)
class Tick:
    """Whether a loss is in use."""

    on: bool


@dataclass(frozen=True, slots=True)
class Measured:
    """What our seeds measured; `wanted` is how many seeds were asked for, `best` marks the greatest mean."""

    spread: Spread
    wanted: int
    digits: int
    best: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """A difference, such as an improvement over the baseline row, paired by seed."""

    difference: Difference
    digits: int


@dataclass(frozen=True, slots=True)
class Number:
    """A number without a spread, such as the paper's; `signed` shows its plus."""

    value: float
    digits: int = 1
    signed: bool = False


@dataclass(frozen=True, slots=True)
class Bounds:
    """An interval; `signed` shows the plus of its bounds."""

    interval: Interval
    digits: int = 1
    signed: bool = True


@dataclass(frozen=True, slots=True)
class Chance:
    """A p value."""

    p: float


@dataclass(frozen=True, slots=True)
class Gap:
    """Nothing to show, and why in a word: `failed`, `missing`, or empty where nothing belongs."""

    reason: str = ""


Cell = Text | Tick | Measured | Change | Number | Bounds | Chance | Gap


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column: its title, the group it stands under, and what its cells hold."""

    title: str
    group: str = ""
    kind: ColumnKind = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Cells under columns, with a caption and the notes that a reader of the numbers needs.

    `name` is a word unique in a report: the stem of the table's files.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def footnotes(self) -> tuple[str, ...]:
        """The notes, and what the metrics of the table are."""
        return *self.notes, *definitions(" ".join([self.caption, *(column.title for column in self.columns)]))


def gap(row: RowNumbers) -> Gap:
    """Why a row has no number: the gravest state among its runs."""
    states = {run.state for run in row.runs}
    for state in ("failed", "damaged", "interrupted", "running", "missing", "planned"):
        if state in states:
            return Gap(state)
    return Gap("not measured")


def measured(row: RowNumbers, metric: str, digits: int, best: float | None = None) -> Cell:
    """What the row's seeds measured, or why they did not."""
    found = row.measured.get(metric)
    if found is None:
        return gap(row)
    return Measured(found, row.wanted, digits, best is not None and found.mean == best)


def number(value: float | None, digits: int = 1, *, signed: bool = False, reason: str = "") -> Cell:
    """A number, or a gap where there is none."""
    return Gap(reason) if value is None else Number(value, digits, signed)


def bounds(interval: Interval | None, digits: int = 1, *, signed: bool = True) -> Cell:
    """An interval, or a gap where there is none."""
    return Gap() if interval is None else Bounds(interval, digits, signed)


def chance(p: float | None) -> Cell:
    """A p value, or a gap where nothing was tested."""
    return Gap() if p is None else Chance(p)


def change(difference: Difference | None, digits: int = 1, *, reason: str = "") -> Cell:
    """A paired difference, or a gap where no pair has finished."""
    return Gap(reason) if difference is None else Change(difference, digits)
