"""What each loss pulled: its share of the loss and of the gradient on the shared trunk, and who pulls with whom."""

from collections.abc import Mapping
from typing import NamedTuple

from reports.formats.cells import number, text
from reports.formats.drawing import INK, LABEL, LINES, ON_DARK, SMALL, WIDTH, Drawing, draw, one_panel
from reports.formats.page import Section
from reports.formats.table import Column, Table, fill
from reports.formats.words import signed
from reports.numbers.pulls import pulls_of
from reports.numbers.sweep import SweepNumbers

WEAK = 0.02  # of the gradient: below it, a row says little of its loss
_GRADIENT, _SHARE, _COSINE = "_gradient", "_share", "_cosine"
_ROOM = 0.06  # of the gradient: what has less is named beside its bar


class Pull(NamedTuple):
    """A loss of a row: its share of the loss, its share of the gradients' norms, and its cosines with the others."""

    row: str
    loss: str
    share: float
    gradient: float | None
    cosines: Mapping[str, float]


def pulls(numbers: SweepNumbers) -> Section | None:
    """What pulled in every row that has several losses, drawn; and what was too weak to tell anything."""
    lines = _lines(numbers)
    if not any(line.gradient is not None for line in lines):
        return None
    weak = [
        f"{line.loss} of “{line.row}” ({100 * line.gradient:.1f} %)"
        for line in lines
        if line.gradient is not None and line.gradient < WEAK
    ]
    said = f"Less than {100 * WEAK:.0f} % of the gradient: {', '.join(weak)}. These rows say little of that loss."
    return Section(key="pulls", title="What each loss pulled", after=(said,) if weak else (), blocks=(_drawing(lines),))


def pull_table(numbers: SweepNumbers) -> Section | None:
    """The numbers behind it: a line for every loss of every row that has several."""
    lines = _lines(numbers)
    blocks = (_table(lines),)
    return (
        Section(key="pull-table", folded=True, title="Shares and cosines of losses", blocks=blocks) if lines else None
    )


def _lines(numbers: SweepNumbers) -> list[Pull]:
    return [line for row in numbers.drawn_rows for line in _of_row(row.name, pulls_of(row.drawn_runs, numbers))]


def _of_row(row: str, means: Mapping[str, float]) -> list[Pull]:
    whole = sum(value for name, value in means.items() if name.endswith(_GRADIENT))
    losses = [name.removesuffix(_SHARE) for name in means if name.endswith(_SHARE)]

    def cosine(a: str, b: str) -> float | None:
        return means.get(f"{a}_{b}{_COSINE}", means.get(f"{b}_{a}{_COSINE}"))

    return [
        Pull(
            row=row,
            loss=loss,
            share=means[loss + _SHARE],
            gradient=means[loss + _GRADIENT] / whole if whole and loss + _GRADIENT in means else None,
            cosines={other: found for other in losses if other != loss and (found := cosine(loss, other)) is not None},
        )
        for loss in losses
    ]


def _drawing(lines: list[Pull]) -> Drawing:
    """A bar a row, cut by its losses."""
    rows = list(dict.fromkeys(line.row for line in lines))
    colours = dict(zip(dict.fromkeys(line.loss for line in lines), LINES * len(lines), strict=False))
    figure, axes = one_panel(WIDTH, 0.7 + 0.32 * len(rows))
    for place, row in enumerate(rows):
        left, beside = 0.0, []
        for line in lines:
            if line.row != row or line.gradient is None:
                continue
            axes.barh([place], [100 * line.gradient], left=left, height=0.68, color=colours[line.loss])
            words = f"{line.loss} {100 * line.gradient:.0f}" if line.gradient >= 0.01 else f"{line.loss} < 1"
            if line.gradient >= _ROOM:
                middle = left + 50 * line.gradient
                axes.text(middle, place, words, ha="center", va="center", color=ON_DARK, fontsize=SMALL)
            else:
                beside.append(words)
            left += 100 * line.gradient
        axes.text(101, place, ", ".join(beside), ha="left", va="center", color=INK, fontsize=SMALL)
    axes.set_xlim(0, 118)
    axes.set_xticks(range(0, 101, 20))
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks(range(len(rows)), rows, fontsize=LABEL, color=INK)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("% of the gradient on the shared trunk")
    caption = "Who pulled: each loss's share of the losses' gradients on the trunk, while training; mean of the seeds."
    return draw(figure, name="gradients", caption=caption)


def _table(lines: list[Pull]) -> Table:
    def per_cent(value: float | None) -> float | None:
        return None if value is None else 100 * value

    def others(line: Pull) -> str:
        return ", ".join(f"{name} {signed(value, 2)}" for name, value in line.cosines.items() if name != "reg")

    columns: list[Column[Pull]] = [
        Column("row", lambda line: text(line.row)),
        Column("loss", lambda line: text(line.loss)),
        Column("% of the loss", lambda line: number(per_cent(line.share)), "number"),
        Column("% of the gradient", lambda line: number(per_cent(line.gradient)), "number"),
        Column("cosine with reg", lambda line: number(line.cosines.get("reg"), 2, signed=True), "number"),
        Column("cosine with others", lambda line: text(others(line))),
    ]
    note = (
        "Looked at every 200 steps, on the batch of that step; means over a run and its seeds. The gradient is that on "
        "the parameters that every loss of the row reaches; its per cent are of the sum of the losses' norms."
    )
    return fill(columns, lines, name="pulls", caption="What each loss pulled while training", notes=(note,))
