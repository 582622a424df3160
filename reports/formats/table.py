"""A table: cells under columns, and how every format shows it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, ClassVar, Generic, Literal, NamedTuple, TypeVar

from markupsafe import Markup, escape

from reports.formats.cells import PARTS, Cell, Value
from reports.formats.columnar import csv_text, parquet_bytes
from reports.formats.html import block_html
from reports.formats.latex import escape_latex, latex_float
from reports.formats.words import escape_markdown

ColumnKind = Literal["text", "tick", "measured", "change", "number", "interval", "chance"]
Row = TypeVar("Row")
_PASTED_ROWS = 60  # a longer table is pasted from its file
_SHOWN_NOTES = 3  # the others are folded


class Column(NamedTuple, Generic[Row]):
    """A column: its title, how a row fills it, what its cells hold, and the group it stands under.

    One that stands `aside` is shown on the page when asked for, not in Markdown.
    """

    title: str
    cell: Callable[[Row], Cell]
    kind: ColumnKind = "text"
    group: str = ""
    aside: bool = False

    @property
    def heading(self) -> str:
        """The title with its group's, for formats with one line of titles."""
        return f"{self.group}: {self.title}" if self.group and self.kind != "tick" else self.title

    @property
    def heads(self) -> list[str]:
        """The heads of its columns in files for programs."""
        parts = PARTS.get(self.kind)
        return [f"{self.heading} {part}" for part in parts] if parts else [self.heading]

    @property
    def aligned(self) -> Literal["words", "centred", "figures"]:
        """How its cells stand."""
        return "words" if self.kind == "text" else "centred" if self.kind == "tick" else "figures"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Cells under columns, with a caption and the notes that a reader of the numbers needs.

    `name` is a word unique in a report: the stem of the table's files. `label` is what LaTeX refers to it by.
    """

    counted: ClassVar = "Table"
    name: str
    caption: str
    columns: tuple[Column[Any], ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    label: str = ""

    @property
    def words(self) -> str:
        """The caption and the titles."""
        return " ".join([self.caption, *(column.title for column in self.columns)])

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Neighbouring columns of one group and how many they are; nothing where no column stands in a group."""
        spans = [(group, len(list(columns))) for group, columns in groupby(self.columns, lambda column: column.group)]
        return spans if any(group for group, _ in spans) else []

    def flat(self) -> tuple[list[str], list[list[Value]]]:
        """Heads and rows with every number in full and by itself (mean, std, n, bounds, p); None where there is none.

        Heads that would be the same are numbered.
        """
        heads: list[str] = []
        for head in (head for column in self.columns for head in column.heads):
            same = sum(known == head or known.startswith(f"{head} (") for known in heads)
            heads.append(f"{head} ({same + 1})" if same else head)
        widths = [len(column.heads) for column in self.columns]
        rows = []
        for row in self.rows:
            line: list[Value] = []
            for cell, width in zip(row, widths, strict=True):
                values = cell.values
                line += [*values, *([None] * (width - len(values)))]
            rows.append(line)
        return heads, rows

    def files(self) -> dict[str, str | bytes]:
        """The table as CSV, LaTeX and Parquet."""
        stem, flat = f"tables/{self.name}", self.flat()
        return {
            f"{stem}.csv": csv_text(*flat),
            f"{stem}.tex": self.latex(),
            f"{stem}.parquet": parquet_bytes(*flat, self.caption),
        }

    def latex(self) -> str:
        """The table as a LaTeX float; best means are bold or underlined."""
        titles, rules, end = [], [], 0
        for group, span in self.groups:
            titles.append(rf"\multicolumn{{{span}}}{{c}}{{{escape_latex(group)}}}" if group else "& " * (span - 1))
            rules += [rf"\cmidrule(lr){{{end + 1}-{end + span}}}"] if group else []
            end += span
        grouped = [" & ".join(titles) + r" \\", " ".join(rules)] if titles else []
        return latex_float(
            self.caption,
            self.label or f"tab:{self.name}",
            "".join({"words": "l", "centred": "c", "figures": "r"}[column.aligned] for column in self.columns),
            [*grouped, " & ".join(escape_latex(column.title) for column in self.columns) + r" \\"],
            (" & ".join(map(_latex_cell, row)) + r" \\" for row in self.rows),
            self.notes,
        )

    def markdown(self, *, captioned: bool = True) -> str:
        """The table and its first notes as GitHub Markdown; the best mean is bold."""
        table = self._telling(lambda column: not column.aside)
        align = {"words": "---", "centred": ":-:", "figures": "--:"}

        def cell(one: Cell) -> str:
            shown = escape_markdown(one.text.removesuffix(self._same_count))
            return f"**{shown}**" if one.best else shown

        lines = [
            [escape_markdown(column.heading) for column in table.columns],
            [align[column.aligned] for column in table.columns],
            *(map(cell, row) for row in table.rows),
        ]
        caption = [f"*{escape_markdown(self.caption)}.*\n"] if captioned else []
        notes = ("\n" + escape_markdown(note) for note in self.notes[:_SHOWN_NOTES])
        return "\n".join([*caption, *(f"| {' | '.join(line)} |" for line in lines), *notes]) + "\n"

    def html(self, number: int) -> Markup:
        """The table on the page, with its LaTeX where it is short."""
        table = self._telling(lambda column: True)
        spans = groupby(table.columns, lambda column: (column.group, column.aside))
        groups = [(group, aside, len(list(columns))) for (group, aside), columns in spans]
        return block_html(
            "table",
            table=table,
            number=number,
            groups=groups if any(group for group, *_ in groups) else [],
            aside=sum(column.aside for column in table.columns),
            body=Markup(table._body()),
            prose=all(column.kind == "text" for column in table.columns),
            alike=bool(self._same_count),
            notes=self.notes[:_SHOWN_NOTES],
            further=self.notes[_SHOWN_NOTES:],
            latex=self.latex() if len(self.rows) <= _PASTED_ROWS else "",
        )

    @property
    def _same_count(self) -> str:
        """How many seeds every measured cell has, as its text ends, where all have as many and more than one."""
        cells = [cell for row in self.rows for cell in row if cell.kind == "measured"]
        ends = {cell.text[cell.text.rindex(" (") :] if " (" in cell.text else "" for cell in cells}
        end = ends.pop() if len(ends) == 1 else ""
        return "" if "n = 1" in end or "/" in end else end

    def _telling(self, chosen: Callable[[Column[Any]], bool]) -> "Table":
        """The table with those of the chosen columns that hold something: no dash or zero all the way down."""
        kept = [
            place
            for place, column in enumerate(self.columns)
            if chosen(column) and (not self.rows or any(_tells(row[place]) for row in self.rows))
        ]
        columns = tuple(self.columns[place] for place in kept)
        return replace(self, columns=columns, rows=tuple(tuple(row[place] for place in kept) for row in self.rows))

    def _body(self) -> str:
        """The rows, made without a template: a report of ten thousand runs has a hundred thousand cells.

        The first cell of each row is its heading, and every cell says what it sorts by.
        """
        lines = []
        for row in self.rows:
            cells = []
            for place, (cell, column) in enumerate(zip(row, self.columns, strict=True)):
                tag = "td" if place else "th"
                scope = "" if place else ' scope="row"'
                sort = "" if cell.sort is None else f' data-sort="{cell.sort!r}"'
                hint = f' title="{escape(cell.hint)}"' if cell.hint else ""
                marks = f"{' best' if cell.best else ''}{' aside' if column.aside else ''}"
                kind = f"{column.aligned} {cell.kind}{marks}".rstrip()
                cells.append(f'<{tag}{scope} class="{kind}"{sort}{hint}>{cell.html or escape(cell.text)}</{tag}>')
            lines.append(f"<tr>{''.join(cells)}</tr>")
        return "\n".join(lines)


def _tells(cell: Cell) -> bool:
    empty = cell.kind == "gap" and (cell.text == "–" or cell.text.startswith("n = "))
    return not empty and not (cell.kind == "measured" and cell.values[0] == 0)


def _latex_cell(cell: Cell) -> str:
    if cell.kind == "tick":
        return r"\checkmark" if cell.text else ""
    mean, space, spread = cell.text.partition(" ") if cell.best or cell.underlined else (cell.text, "", "")
    shown = escape_latex(mean)
    shown = rf"\underline{{{shown}}}" if cell.underlined else shown
    shown = rf"\textbf{{{shown}}}" if cell.best else shown
    return shown + space + escape_latex(spread)


def fill(
    columns: Iterable[Column[Row]], rows: Iterable[Row], *, name: str, caption: str, notes: Iterable[str] = ()
) -> Table:
    """The table of these columns, a line a row."""
    every = tuple(columns)
    filled = tuple(tuple(column.cell(row) for column in every) for row in rows)
    return Table(name=name, caption=caption, columns=every, rows=filled, notes=tuple(notes))
