"""The papers' tables of comparison: other methods' published rows, with this sweep's where it was measured alike."""

from dataclasses import replace

from reports.formats.cells import Cell, gap, number, text
from reports.formats.page import Section
from reports.formats.table import Column, Table, fill
from reports.numbers.sweep import RowNumbers, SweepNumbers
from reports.paper.literature import PublishedMethod, of_table
from reports.sections.row_cells import best_of_models
from reports.sections.settings import as_published

_KINDS = {"heatmap": "heatmaps", "distillation": "distillation", "regression": "regression"}


def comparison(numbers: SweepNumbers) -> Section | None:
    """Published methods; only where the runs were measured on the papers' data, and may stand among them."""
    if not as_published(numbers):
        return None
    return Section(
        key="comparison",
        folded=True,
        title="Among published methods",
        blocks=(val_table(numbers), dev_table()),
    )


def _sources(rows: tuple[PublishedMethod, ...]) -> str:
    return (
        "Published figures: " + "; ".join(dict.fromkeys(row.source for row in rows)) + ". Marks (*) are the source's."
    )


def val_table(numbers: SweepNumbers) -> Table:
    """The comparison on COCO val2017: methods by kind, then the best row of each model of this sweep."""
    published = of_table("val")
    columns: list[Column[PublishedMethod]] = [
        Column("method", lambda row: text(row.method)),
        Column("kind", lambda row: text(_KINDS[row.kind])),
        Column("backbone", lambda row: text(row.backbone)),
        Column("input", lambda row: text(row.input)),
        Column("params (M)", lambda row: number(row.params_m), "number"),
        Column("GFLOPs", lambda row: number(row.gflops, 2), "number"),
        Column("AP", lambda row: number(row.ap), "number"),
        Column("std (seeds)", lambda _: gap()),
    ]
    caption = "Comparison on COCO val2017"
    table = fill(columns, published, name="val2017", caption=caption, notes=[_sources(published)])
    ours = [_ours(model, row) for model, row in best_of_models(numbers).items() if "AP" in row.measured]
    return replace(table, rows=(*table.rows, *ours))


def _ours(model: str, row: RowNumbers) -> tuple[Cell, ...]:
    cost, found = row.cost, row.measured["AP"]
    size = "" if cost is None else "×".join(reversed(cost.input.split("×")))
    return (
        text(f"{row.name} (this sweep)"),
        text("ours"),
        text(model),
        text(size) if size else gap(),
        number(None if cost is None else cost.parameters / 1e6),
        number(None if cost is None else cost.gflops, 2),
        number(found.mean),
        text("n = 1" if found.std is None else f"± {found.std:.1f} ({found.n})"),
    )


def dev_table() -> Table:
    """The comparison on COCO test-dev2017, of published rows alone: its annotations are not public."""
    published = of_table("test-dev")
    columns: list[Column[PublishedMethod]] = [
        Column("method", lambda row: text(row.method)),
        Column("backbone", lambda row: text(row.backbone)),
        Column("input", lambda row: text(row.input)),
        Column("AP", lambda row: number(row.ap), "number"),
        Column("AP50", lambda row: number(row.ap50), "number"),
        Column("AP75", lambda row: number(row.ap75), "number"),
        Column("APM", lambda row: number(row.apm), "number"),
        Column("APL", lambda row: number(row.apl), "number"),
    ]
    notes = (_sources(published), "None of these runs stands here: test-dev is scored by COCO's server alone.")
    return fill(
        columns, published, name="test-dev2017", caption="Published comparison on COCO test-dev2017", notes=notes
    )
