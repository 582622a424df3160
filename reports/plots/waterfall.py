"""The way from no loss to all of them, step by step along nested sets that were trained."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.numbers.records import RowNumbers
from reports.numbers.statistics import paired_difference
from reports.numbers.sweep_numbers import SweepNumbers
from reports.plots.style import FAINT, INK, LABEL, OURS, PAPER, SMALL, Drawing, calm

_MOST_PANELS = 6
_GREY = "#9a9994"

Losses = frozenset[str]


def chains(subsets: Sequence[Losses]) -> list[tuple[Losses, ...]]:
    """Every longest way from the empty set to the greatest through ever larger trained sets, in the rows' order."""
    start, end = frozenset[str](), max(subsets, key=len, default=frozenset())
    if start not in subsets or not end or any(not subset <= end for subset in subsets):
        return []

    def onward(way: tuple[Losses, ...]) -> Iterator[tuple[Losses, ...]]:
        if way[-1] == end:
            yield way
        for subset in subsets:
            if subset > way[-1]:
                yield from onward((*way, subset))

    ways = list(onward((start,)))
    longest = max(len(way) for way in ways)
    return [way for way in ways if len(way) == longest][:_MOST_PANELS] if longest > 2 else []


def _rows(numbers: SweepNumbers) -> dict[Losses, RowNumbers]:
    """Measured rows by their losses; nothing where two rows have the same."""
    measured = [row for row in numbers.rows if numbers.metric.name in row.measured]
    found = {frozenset(name for name, on in row.ticks.items() if on): row for row in measured}
    return found if len(found) == len(measured) else {}


@rc_context({"text.parse_math": False})
def waterfall_figure(numbers: SweepNumbers) -> Figure | None:
    """A panel for each longest way: where it starts, what each step adds, where it ends. None without such a way."""
    rows = _rows(numbers) if numbers.effects is not None else {}
    ways = chains(list(rows))
    if not ways:
        return None
    across = min(2, len(ways))
    down = math.ceil(len(ways) / across)
    figure = Figure(figsize=(3.9 * across, 2.3 * down + 0.3), layout="constrained")
    panels = figure.subplots(down, across, sharey=True, squeeze=False)
    for position, axes in enumerate(panels.flat):
        if position >= len(ways):
            axes.set_visible(False)
            continue
        _draw(axes, ways[position], rows, numbers)
    figure.supylabel(numbers.metric.name, fontsize=LABEL, color=INK)
    return figure


def _draw(axes: Axes, way: Sequence[Losses], rows: Mapping[Losses, RowNumbers], numbers: SweepNumbers) -> None:
    calm(axes)
    metric, order = numbers.metric.name, numbers.effects.losses if numbers.effects else ()
    first, last = rows[way[0]].measured[metric].mean, rows[way[-1]].measured[metric].mean
    paper_known = numbers.metric.name == numbers.paper_metric
    labels = [rows[way[0]].name]
    axes.bar([0], [first], width=0.62, color=_GREY)
    axes.annotate(f"{first:.1f}", (0, first), xytext=(0, 3), textcoords="offset points", ha="center", fontsize=SMALL)
    for step, (before, after) in enumerate(pairwise(way), start=1):
        low, high = rows[before].measured[metric], rows[after].measured[metric]
        gain = high.mean - low.mean
        axes.plot([step - 1 + 0.31, step + 0.31], [low.mean, low.mean], color=FAINT, linewidth=0.8, zorder=1)
        up = gain >= 0
        axes.bar(
            [step], [abs(gain)], bottom=min(low.mean, high.mean), width=0.62, color=OURS if up else PAPER,
            hatch=None if up else "////", edgecolor="#ffffff", linewidth=0.4, zorder=2,
        )  # fmt: skip
        paired = paired_difference(high.values, low.values)
        if paired is not None and paired.low is not None and paired.high is not None:
            ends = [low.mean + paired.low, low.mean + paired.high]
            axes.plot([step, step], ends, color=INK, linewidth=1.1, zorder=3)
        top = max(low.mean, high.mean, low.mean + (paired.high or 0.0) if paired else 0.0)
        sign = "+" if up else "−"
        axes.annotate(
            f"{sign}{abs(gain):.1f}", (step, top), xytext=(0, 3), textcoords="offset points", ha="center",
            fontsize=SMALL, color=INK,
        )  # fmt: skip
        labels.append("+ " + "\n+ ".join(name for name in order if name in after - before))
    end = len(way)
    axes.plot([end - 1 + 0.31, end + 0.31], [last, last], color=FAINT, linewidth=0.8, zorder=1)
    axes.bar([end], [last], width=0.62, color=_GREY)
    axes.annotate(f"{last:.1f}", (end, last), xytext=(0, 3), textcoords="offset points", ha="center", fontsize=SMALL)
    labels.append(rows[way[-1]].name)
    if paper_known and all(metric in rows[one].paper for one in way):
        places = [*range(len(way)), end]
        values = [rows[one].paper[metric] for one in (*way, way[-1])]
        axes.plot(places, values, "D", color=PAPER, markersize=4.5, markeredgecolor="#ffffff", zorder=4)
    axes.set_xticks(range(end + 1), labels, fontsize=SMALL, color=INK)
    axes.tick_params(axis="x", length=0)
    axes.margins(y=0.12)
    axes.set_ylim(bottom=0)


def waterfall_drawing(numbers: SweepNumbers) -> Drawing | None:
    """The waterfall with its caption; None where the sweep trains no nested sets of losses."""
    figure = waterfall_figure(numbers)
    if figure is None:
        return None
    paper = "; diamonds: the paper's values" if numbers.metric.name == numbers.paper_metric else ""
    return Drawing(
        name="waterfall",
        figure=figure,
        caption=f"Cumulative gains in {numbers.metric.name}, one panel per order of adding losses. Lines: 95 % paired "
        f"t intervals of the step, from three seeds on; hatched: a decrease{paper}. What a loss adds depends on what "
        "is there before it, so the orders differ.",
    )
