"""The published numbers of other methods, as `published.csv` holds them, each with its source; nothing is filled in."""

import csv
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_FIGURES = ("params_m", "gflops", "fps", "ap", "ap50", "ap75", "apm", "apl")


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedMethod:
    """One published row. What its source does not print is None, or empty.

    `kind` is heatmap, distillation or regression; `post` says whether FPS and AP are with post-processing of heatmaps;
    `model` is the name of the same model here.
    """

    table: str
    kind: str
    method: str
    backbone: str
    input: str
    post: str
    params_m: float | None
    gflops: float | None
    fps: float | None
    ap: float | None
    ap50: float | None
    ap75: float | None
    apm: float | None
    apl: float | None
    model: str
    source: str


@cache
def published_methods() -> tuple[PublishedMethod, ...]:
    """Every published row, in the order of the file."""
    text = files("reports.paper").joinpath("published.csv").read_text(encoding="utf-8")
    return tuple(
        PublishedMethod(
            **{name: (float(value) if value else None) if name in _FIGURES else value for name, value in row.items()}  # type: ignore[arg-type]
        )
        for row in csv.DictReader(text.splitlines())
    )


def of_table(table: str) -> tuple[PublishedMethod, ...]:
    """The rows of one published table: val, test-dev, speed, ablation, generalisation or sdpose."""
    return tuple(row for row in published_methods() if row.table == table)


def of_model(model: str) -> PublishedMethod | None:
    """The published row of a model here that says most about its cost; None where nothing is published."""
    rows = [row for row in published_methods() if row.model == model]
    return max(rows, key=lambda row: (row.fps is not None, row.gflops is not None), default=None)
