"""Improvements over the baseline: row by row beside the paper's, and step by step along nested sets of losses."""

import math
from collections.abc import Sequence

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.numbers.records import Difference
from reports.numbers.sweep_numbers import SweepNumbers
from reports.plots.style import FAINT, INK, LABEL, OURS, PAPER, SMALL, Drawing, calm


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Limits that hold all values and zero, with air."""
    low, high = min([0.0, *values]), max([0.0, *values])
    air = 0.06 * (high - low or 1.0)
    return low - air, high + air


def _interval(axes: Axes, position: float, difference: Difference, limits: tuple[float, float]) -> None:
    """The 95 % interval as a line; an arrowhead where it goes on past the edge of the drawing."""
    if difference.low is None or difference.high is None:
        return
    left, right = max(difference.low, limits[0]), min(difference.high, limits[1])
    axes.plot([left, right], [position, position], color=OURS, linewidth=1.6, solid_capstyle="butt", zorder=2)
    for cut, edge, mark in ((difference.low < limits[0], left, "<"), (difference.high > limits[1], right, ">")):
        if cut:
            axes.plot([edge], [position], marker=mark, color=OURS, markersize=5, clip_on=False, zorder=2)
        else:
            axes.plot([edge, edge], [position - 0.09, position + 0.09], color=OURS, linewidth=1.6, zorder=2)


@rc_context({"text.parse_math": False})
def effect_figure(numbers: SweepNumbers) -> Figure | None:
    """Improvement over the baseline, row by row: ours with its 95 % interval and every seed, the paper's beside it.

    None where no row has an improvement, measured or published.
    """
    rows = [row for row in numbers.drawn_rows if row.improvement is not None or row.paper_improvement is not None]
    if not rows:
        return None
    seen = [value for row in rows if row.improvement for value in row.improvement.pairs.values()]
    limits = _range(seen + [row.paper_improvement for row in rows if row.paper_improvement is not None])
    figure = Figure(figsize=(7.2, 0.9 + 0.42 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    calm(axes)
    axes.axvline(0, color=INK, linewidth=0.9, zorder=1)
    named: set[str] = set()
    for position, row in enumerate(rows):
        if position % 2 == 0:
            axes.axhspan(position - 0.5, position + 0.5, color=FAINT, alpha=0.18, linewidth=0, zorder=0)
        ours_at, paper_at = position - 0.14, position + 0.2
        if row.improvement is not None:
            _interval(axes, ours_at, row.improvement, limits)
            filled = row.improvement.n > 1
            if filled:
                seeds = list(row.improvement.pairs.values())
                axes.plot(seeds, [ours_at] * len(seeds), "|", color=OURS, markersize=7, markeredgewidth=0.9, zorder=3)
            axes.plot(
                [row.improvement.mean], [ours_at], "o", color=OURS, markersize=6, zorder=4,
                markerfacecolor=OURS if filled else "#ffffff", markeredgewidth=1.4,
            )  # fmt: skip
            ends = [row.improvement.mean, *row.improvement.pairs.values(), row.improvement.high or -math.inf]
            named |= _name(axes, "ours", named, min(max(ends), limits[1]), ours_at, limits)
        if row.paper_improvement is not None:
            axes.plot([row.paper_improvement], [paper_at], "D", color=PAPER, markersize=5, zorder=3)
            named |= _name(axes, "paper", named, row.paper_improvement, paper_at, limits)
    axes.set_xlim(*limits)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    labels = [f"{row.name}\nover {row.baseline}" if numbers.own_baselines else row.name for row in rows]
    axes.set_yticks(range(len(rows)), labels, fontsize=LABEL, color=INK)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    unit = numbers.metric.name
    if numbers.paper_metric != unit and any(row.paper_improvement is not None for row in rows):
        unit = f"{unit} (paper: {numbers.paper_metric})"
    axes.set_xlabel(f"{unit} {numbers.over}, points", fontsize=LABEL, color=INK)
    return figure


def _name(axes: Axes, what: str, named: set[str], x: float, y: float, limits: tuple[float, float]) -> set[str]:
    """Name a kind of mark where it first stands."""
    if what in named:
        return set()
    to_the_left = x > limits[0] + 0.8 * (limits[1] - limits[0])
    axes.annotate(
        what,
        (x, y),
        xytext=(-9 if to_the_left else 9, 0),
        textcoords="offset points",
        ha="right" if to_the_left else "left",
        va="center",
        fontsize=SMALL,
        color=OURS if what == "ours" else PAPER,
        zorder=5,
    )
    return {what}


def effect_caption(numbers: SweepNumbers) -> str:
    """What the drawing of improvements shows, and how to read its marks."""
    rows = [row for row in numbers.drawn_rows if row.improvement is not None]
    single = bool(rows) and all(row.improvement is not None and row.improvement.n == 1 for row in rows)
    ours = (
        "Ours (open circles) are of one seed: there is no interval."
        if single
        else "Ours (circles) are means of paired seeds, each seed a tick, with the 95 % paired t interval; an arrow "
        "means that the interval goes on, an open circle that there is one seed."
    )
    other = f", of its {numbers.paper_metric}" if numbers.paper_metric != numbers.metric.name else ""
    known = any(row.paper_improvement is not None for row in numbers.drawn_rows)
    paper = f" The paper's are diamonds{other}." if known else ""
    return f"Improvement in {numbers.metric.name} over {numbers.against}. {ours}{paper}"


def improvements_drawing(numbers: SweepNumbers) -> Drawing | None:
    """The improvements with their caption; None where there are none."""
    figure = effect_figure(numbers)
    return None if figure is None else Drawing(name="improvements", figure=figure, caption=effect_caption(numbers))
