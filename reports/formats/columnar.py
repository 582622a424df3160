"""Heads and rows as CSV and Parquet, for programs."""

import csv
import io
from collections.abc import Sequence
from typing import Any

from reports.formats.cells import Value


def _csv_value(value: Value) -> str:
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, bool) else f"{value:.10g}" if isinstance(value, float) else str(value)


def csv_text(heads: Sequence[str], rows: Sequence[Sequence[Value]]) -> str:
    """The rows as CSV with a head."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows([_csv_value(value) for value in row] for row in rows)
    return text.getvalue()


def parquet_bytes(heads: Sequence[str], rows: Sequence[Sequence[Value]], caption: str) -> bytes:
    """The rows as Parquet, every column typed (words, numbers, truth values), the caption in the schema."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in heads]
    arrays = [pa.array(values, type=_parquet_type(values, pa)) for values in columns]
    typed = pa.table(arrays, names=list(heads)).replace_schema_metadata({"caption": caption})
    buffer = io.BytesIO()
    pq.write_table(typed, buffer, compression="zstd")
    return buffer.getvalue()


def _parquet_type(values: list[Value], pa: Any) -> Any:
    known = [value for value in values if value is not None]
    for kind, arrow in ((bool, pa.bool_()), (str, pa.string()), (int, pa.int64())):
        if known and all(isinstance(value, kind) for value in known):
            return arrow
    return pa.float64()
