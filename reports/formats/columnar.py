"""A `Table` as CSV and Parquet, for programs: every number in full and by itself."""

import csv
import io
from typing import Any

from reports.formats.cell_text import heading
from reports.formats.tables import Bounds, Cell, Chance, Change, Column, Gap, Measured, Number, Table, Text, Tick
from reports.numbers.records import Interval

_PARTS = {
    "measured": ("mean", "std", "n", "wanted", "low95 bootstrap", "high95 bootstrap"),
    "change": (
        "mean", "std", "n", "low95", "high95", "p", "p_holm", "p_sign_flip", "p_sign_flip_holm", "least_p_sign_flip",
        "low95 bootstrap", "high95 bootstrap",
    ),
    "interval": ("low", "high"),
}  # fmt: skip
Value = str | float | int | bool | None


def _heads(column: Column) -> list[str]:
    name = heading(column)
    parts = _PARTS.get(column.kind)
    return [f"{name} {part}" for part in parts] if parts else [name]


def _bounds_of(interval: Interval | None) -> list[Value]:
    return [None, None] if interval is None else [interval.low, interval.high]


def _values(cell: Cell) -> list[Value]:
    match cell:
        case Text(text):
            return [text]
        case Tick(on):
            return [on]
        case Measured(spread, wanted, _, _):
            return [spread.mean, spread.std, spread.n, wanted, *_bounds_of(spread.bootstrap)]
        case Change(one, _):
            tested = (one.low, one.high, one.p, one.p_adjusted, one.flip_p, one.flip_p_adjusted, one.least_flip_p)
            return [one.mean, one.std, one.n, *tested, *_bounds_of(one.bootstrap)]
        case Number(value, _, _):
            return [value]
        case Bounds(interval, _, _):
            return _bounds_of(interval)
        case Chance(p):
            return [p]
        case Gap():
            return []


def flat_table(table: Table) -> tuple[list[str], list[list[Value]]]:
    """Heads and rows with every number in full and by itself (mean, std, n, bounds, p); None where there is none.

    Heads that would be the same are numbered.
    """
    heads: list[str] = []
    for head in (head for column in table.columns for head in _heads(column)):
        same = sum(known == head or known.startswith(f"{head} (") for known in heads)
        heads.append(f"{head} ({same + 1})" if same else head)
    rows = []
    for row in table.rows:
        line: list[Value] = []
        for cell, column in zip(row, table.columns, strict=True):
            values = _values(cell)
            line += [*values, *([None] * (len(_heads(column)) - len(values)))]
        rows.append(line)
    return heads, rows


def _csv_value(value: Value) -> str:
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, bool) else f"{value:.10g}" if isinstance(value, float) else str(value)


def csv_table(table: Table) -> str:
    """The table as CSV with a head: every number in full and by itself."""
    heads, rows = flat_table(table)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows([_csv_value(value) for value in row] for row in rows)
    return text.getvalue()


def parquet_table(table: Table) -> bytes:
    """The table as Parquet, with the columns of the CSV typed: words, numbers, truth values; its caption in the schema.

    The same table gives the same bytes.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    heads, rows = flat_table(table)
    columns = [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in heads]
    arrays = [pa.array(values, type=_parquet_type(values, pa)) for values in columns]
    typed = pa.table(arrays, names=heads).replace_schema_metadata({"caption": table.caption})
    buffer = io.BytesIO()
    pq.write_table(typed, buffer, compression="zstd")
    return buffer.getvalue()


def _parquet_type(values: list[Value], pa: Any) -> Any:
    known = [value for value in values if value is not None]
    for kind, arrow in ((bool, pa.bool_()), (str, pa.string()), (int, pa.int64())):
        if known and all(isinstance(value, kind) for value in known):
            return arrow
    return pa.float64()
