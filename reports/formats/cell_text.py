"""Cells in words, and a `Table` as Markdown."""

from collections.abc import Iterable, Sequence

from reports.formats.tables import Bounds, Cell, Chance, Change, Column, Gap, Measured, Number, Table, Text, Tick
from reports.numbers.records import Spread

_MOST_NAMES = 12
_MARKDOWN = str.maketrans(
    {character: "\\" + character for character in "\\`*_[]|#~$"} | {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
)


def escape_markdown(text: str) -> str:
    """Text that Markdown shows as written: no markup, no HTML, no new table column, on one line."""
    return " ".join(text.split()).translate(_MARKDOWN)


def signed(value: float, digits: int) -> str:
    """A number with its sign, the minus a true minus (U+2212)."""
    return f"{value:+.{digits}f}".replace("-", "−")


def plain(value: float, digits: int) -> str:
    """A number of fixed decimals, the minus a true minus (U+2212)."""
    return f"{value:.{digits}f}".replace("-", "−")


def count(spread: Spread, wanted: int) -> str:
    """How many seeds a mean has, for parentheses: `3`, `2/3` where some are lacking, `n = 1` for a single one."""
    if spread.n == wanted:
        return "n = 1" if spread.n == 1 else str(spread.n)
    return f"{spread.n}/{wanted}"


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: `a`, `a and b`, `a, b and c`; of a great many, the first and how many others."""
    if len(names) > _MOST_NAMES:
        return f"{', '.join(names[: _MOST_NAMES - 1])} and {len(names) - _MOST_NAMES + 1} others"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else "none"


def duration(seconds: float) -> str:
    """A computing time for people."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def p_text(p: float) -> str:
    """A p value for people: three decimals, and no smaller than 0.001."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def interval_text(cell: Bounds) -> str:
    """An interval in words."""
    shown = signed if cell.signed else plain
    return f"{shown(cell.interval.low, cell.digits)} to {shown(cell.interval.high, cell.digits)}"


def cell_text(cell: Cell) -> str:
    """The cell in plain characters; a single seed shows no spread."""
    match cell:
        case Text(text):
            return text
        case Tick(on):
            return "✓" if on else ""
        case Measured(spread, wanted, digits, _):
            std = "" if spread.std is None else f" ± {plain(spread.std, digits)}"
            return f"{plain(spread.mean, digits)}{std} ({count(spread, wanted)})"
        case Change(difference, digits):
            std = "" if difference.std is None else f" ± {plain(difference.std, digits)}"
            return signed(difference.mean, digits) + std
        case Number(value, digits, with_sign):
            return signed(value, digits) if with_sign else plain(value, digits)
        case Bounds():
            return interval_text(cell)
        case Chance(p):
            return p_text(p)
        case Gap(reason):
            return reason or "–"


def heading(column: Column) -> str:
    """The column's title with its group's, for formats with one line of titles."""
    return f"{column.group}: {column.title}" if column.group and column.kind != "tick" else column.title


def _lines(head: Iterable[str], align: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    return ["| " + " | ".join(cells) + " |" for cells in (head, align, *rows)]


def markdown_table(table: Table) -> str:
    """The table and its notes as GitHub Markdown; the best mean is bold."""
    align = {"text": "---", "tick": ":-:"}

    def cell(cell: Cell) -> str:
        text = escape_markdown(cell_text(cell))
        return f"**{text}**" if isinstance(cell, Measured) and cell.best else text

    lines = _lines(
        [escape_markdown(heading(column)) for column in table.columns],
        [align.get(column.kind, "--:") for column in table.columns],
        [[cell(one) for one in row] for row in table.rows],
    )
    return "\n".join([*lines, *("\n" + escape_markdown(note) for note in table.footnotes)]) + "\n"
