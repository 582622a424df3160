"""The papers' tables of comparison: other methods' published rows, with this sweep's where it was measured alike."""

from collections.abc import Callable

from reports.formats.tables import Cell, Column, Gap, Number, Table, Text, number
from reports.layouts.cost import best_of_models
from reports.numbers.records import RowNumbers, Spread
from reports.numbers.sweep_numbers import SweepNumbers
from reports.paper.literature import PublishedMethod, of_table

_KINDS = {"heatmap": "heatmaps", "distillation": "distillation", "regression": "regression"}


def _spread(found: Spread) -> str:
    return "n = 1" if found.std is None else f"± {found.std:.1f} ({found.n})"


def _sources(rows: tuple[PublishedMethod, ...]) -> tuple[str, ...]:
    return (
        "Published figures: " + "; ".join(dict.fromkeys(row.source for row in rows)) + ". Marks (*) are the source's.",
    )


def val_table(numbers: SweepNumbers) -> Table:
    """The comparison on COCO val2017: methods by kind, then the best row of each model of this sweep."""
    published = of_table("val")
    columns = (
        Column(title="method"),
        Column(title="kind"),
        Column(title="backbone"),
        Column(title="input"),
        Column(title="params (M)", kind="number"),
        Column(title="GFLOPs", kind="number"),
        Column(title="AP", kind="number"),
        Column(title="std (seeds)"),
    )

    def ours(model: str, row: RowNumbers) -> tuple[Cell, ...]:
        cost = row.cost
        size = "" if cost is None else "×".join(reversed(cost.input.split("×")))
        return (
            Text(f"{row.name} (this sweep)"),
            Text("ours"),
            Text(model),
            Text(size) if size else Gap(),
            number(None if cost is None else cost.parameters / 1e6, 1),
            number(None if cost is None else cost.gflops, 2),
            Number(row.measured["AP"].mean),
            Text(_spread(row.measured["AP"])),
        )

    rows = [
        (
            Text(one.method), Text(_KINDS[one.kind]), Text(one.backbone), Text(one.input), number(one.params_m),
            number(one.gflops, 2), number(one.ap), Gap(),
        )
        for one in published
    ]  # fmt: skip
    return Table(
        name="val2017",
        caption="Comparison on COCO val2017",
        columns=columns,
        rows=(*rows, *_ours(numbers, ours)),
        notes=_sources(published),
    )


def dev_table(numbers: SweepNumbers) -> Table:
    """The comparison on COCO test-dev2017, of published rows alone: its annotations are not public."""
    published = of_table("test-dev")
    names = {"ap": "AP", "ap50": "AP50", "ap75": "AP75", "apm": "APM", "apl": "APL"}
    columns = (
        Column(title="method"),
        Column(title="backbone"),
        Column(title="input"),
        *(Column(title=title, kind="number") for title in names.values()),
    )
    rows = tuple(
        (Text(one.method), Text(one.backbone), Text(one.input), *(number(getattr(one, name)) for name in names))
        for one in published
    )
    return Table(
        name="test-dev2017",
        caption="Published comparison on COCO test-dev2017",
        columns=columns,
        rows=rows,
        notes=(
            *_sources(published),
            "None of these runs stands here: test-dev is scored by COCO's server alone.",
        ),
    )


def _ours(numbers: SweepNumbers, line: Callable[[str, RowNumbers], tuple[Cell, ...]]) -> tuple[tuple[Cell, ...], ...]:
    if not numbers.as_published:
        return ()
    return tuple(line(model, row) for model, row in best_of_models(numbers).items() if "AP" in row.measured)
