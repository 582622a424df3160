"""A `Table` as Markdown, LaTeX (booktabs) and CSV: the same cells, escaped for each language."""

import csv
import io
from collections.abc import Iterable

from reports.records import Spread
from reports.tables import Cell, Change, Column, Gap, Measured, Number, Table, Text, Tick

_MARKDOWN = {character: "\\" + character for character in "\\`*_[]|#~$"} | {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "−": r"$-$",
    "×": r"$\times$",
    "–": "--",
} | {character: "\\" + character for character in "&%$#_{}"}


def escape_markdown(text: str) -> str:
    """Text that Markdown shows as written: no markup, no HTML, no new table column, on one line."""
    return "".join(_MARKDOWN.get(character, character) for character in " ".join(text.split()))


def escape_latex(text: str) -> str:
    """Text that LaTeX typesets as written."""
    return "".join(_LATEX.get(character, character) for character in " ".join(text.split()))


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


def duration(seconds: float) -> str:
    """A computing time for people."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


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
        case Gap(reason):
            return reason or "–"


def _heading(column: Column) -> str:
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
        [escape_markdown(_heading(column)) for column in table.columns],
        [align.get(column.kind, "--:") for column in table.columns],
        [[cell(one) for one in row] for row in table.rows],
    )
    return "\n".join([*lines, *("\n" + escape_markdown(note) for note in table.notes)]) + "\n"


def _latex_cell(cell: Cell) -> str:
    match cell:
        case Tick(on):
            return r"\checkmark" if on else ""
        case Measured(_, _, _, True):
            return rf"\textbf{{{escape_latex(cell_text(cell))}}}"
        case _:
            return escape_latex(cell_text(cell))


def _latex_groups(columns: tuple[Column, ...]) -> list[str]:
    """The line of group titles and the rules below it; nothing where no column stands in a group."""
    spans: list[tuple[str, int, int]] = []
    for position, column in enumerate(columns, start=1):
        if spans and spans[-1][0] == column.group:
            spans[-1] = (column.group, spans[-1][1], position)
        else:
            spans.append((column.group, position, position))
    if not any(group for group, _, _ in spans):
        return []
    titles = [rf"\multicolumn{{{last - first + 1}}}{{c}}{{{escape_latex(group)}}}" for group, first, last in spans]
    rules = [rf"\cmidrule(lr){{{first}-{last}}}" for group, first, last in spans if group]
    return [" & ".join(titles) + r" \\", " ".join(rules)]


def latex_table(table: Table) -> str:
    """The table as a LaTeX `table` float with booktabs rules; needs the packages booktabs and amssymb."""
    align = "".join({"text": "l", "tick": "c"}.get(column.kind, "r") for column in table.columns)
    return "\n".join(
        [
            r"% \usepackage{booktabs,amssymb}",
            r"\begin{table}",
            r"\centering",
            rf"\caption{{{escape_latex(' '.join([table.caption + '.', *table.notes]))}}}",
            rf"\begin{{tabular}}{{{align}}}",
            r"\toprule",
            *_latex_groups(table.columns),
            " & ".join(escape_latex(column.title) for column in table.columns) + r" \\",
            r"\midrule",
            *(" & ".join(_latex_cell(cell) for cell in row) + r" \\" for row in table.rows),
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _raw(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}"


_MEASURED_PARTS = ("mean", "std", "n", "wanted")
_CHANGE_PARTS = ("mean", "std", "n", "low95", "high95", "p", "p_holm")


def _csv_heads(column: Column) -> list[str]:
    name = _heading(column)
    parts = {"measured": _MEASURED_PARTS, "change": _CHANGE_PARTS}.get(column.kind)
    return [f"{name} {part}" for part in parts] if parts else [name]


def _csv_values(cell: Cell, column: Column) -> list[str]:
    match cell:
        case Text(text):
            return [text]
        case Tick(on):
            return [str(int(on))]
        case Measured(spread, wanted, _, _):
            return [_raw(spread.mean), _raw(spread.std), str(spread.n), str(wanted)]
        case Change(difference, _):
            bounds = (difference.low, difference.high, difference.p, difference.p_adjusted)
            return [_raw(difference.mean), _raw(difference.std), str(difference.n), *map(_raw, bounds)]
        case Number(value, _, _):
            return [_raw(value)]
        case Gap():
            return [""] * len(_csv_heads(column))


def csv_table(table: Table) -> str:
    """The table as CSV with a head: every number in full and by itself (mean, std, n, interval, p)."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([head for column in table.columns for head in _csv_heads(column)])
    for row in table.rows:
        pairs = zip(row, table.columns, strict=True)
        writer.writerow([value for cell, column in pairs for value in _csv_values(cell, column)])
    return text.getvalue()
