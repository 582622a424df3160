"""What each loss pulled: its share of the loss and of the gradient on the shared trunk, and who pulls with `reg`."""

from collections.abc import Mapping

from reports.formats.cells import number, text
from reports.formats.page import Section
from reports.formats.table import Column, Table, fill
from reports.numbers.pulls import pulls_of
from reports.numbers.sweep import RowNumbers, SweepNumbers

WEAK = 0.01  # of the gradient: below it, a row says little of its loss
_GRADIENT, _SHARE, _COSINE = "_gradient", "_share", "_cosine"


def pulls(numbers: SweepNumbers) -> Section | None:
    """A line for every loss of every row that has several."""
    lines = [(row, *line) for row in numbers.drawn_rows for line in _lines(pulls_of(row.drawn_runs, numbers))]
    if not lines:
        return None
    weak = [
        f"{loss} of “{row.name}” ({100 * pull:.1f} %)"
        for row, loss, _, pull, _ in lines
        if pull is not None and pull < WEAK
    ]
    said = f"Less than {100 * WEAK:.0f} % of the gradient: {', '.join(weak)}. These rows say little of that loss."
    return Section(
        key="pulls",
        folded=True,
        title="What each loss pulled",
        text=(said,) if weak else (),
        blocks=(_table(lines),),
    )


Line = tuple[RowNumbers, str, float | None, float | None, float | None]


def _lines(means: Mapping[str, float]) -> list[tuple[str, float | None, float | None, float | None]]:
    """Loss, share of the loss, share of the gradients' norms, cosine with reg."""
    whole = sum(value for name, value in means.items() if name.endswith(_GRADIENT))
    losses = [name.removesuffix(_SHARE) for name in means if name.endswith(_SHARE)]
    return [
        (
            loss,
            means[loss + _SHARE],
            means[loss + _GRADIENT] / whole if whole and loss + _GRADIENT in means else None,
            means.get(f"reg_{loss}{_COSINE}", means.get(f"{loss}_reg{_COSINE}")),
        )
        for loss in losses
    ]


def _table(lines: list[Line]) -> Table:
    def per_cent(value: float | None) -> float | None:
        return None if value is None else 100 * value

    columns: list[Column[Line]] = [
        Column("row", lambda line: text(line[0].name)),
        Column("loss", lambda line: text(line[1])),
        Column("% of the loss", lambda line: number(per_cent(line[2])), "number"),
        Column("% of the gradient", lambda line: number(per_cent(line[3])), "number"),
        Column("cosine with reg", lambda line: number(line[4], 2, signed=True), "number"),
    ]
    note = (
        "Looked at every 200 steps, on the batch of that step; means over a run and its seeds. The gradient is that on "
        "the parameters that every loss of the row reaches; its per cent are of the sum of the losses' norms."
    )
    return fill(columns, lines, name="pulls", caption="What each loss pulled while training", notes=(note,))
