"""Drawings of a sweep's numbers: improvements beside the paper's, and training curves, as matplotlib figures.

Colours are Okabe and Ito's, told apart by the colour-blind, and no colour carries a meaning alone: marks differ in
shape and are named where they stand.
"""

import math
from collections.abc import Sequence
from textwrap import wrap

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from reports.records import Curve, Difference, RowNumbers, SweepNumbers

OURS, PAPER, INK, MUTED, FAINT = "#0072b2", "#d55e00", "#1c1c1a", "#6b6b66", "#c9c8c2"
_PANELS_ACROSS = 4
_LABEL = 9.5
_SMALL = 8.0


def _calm(axes: Axes) -> None:
    """No box around the data, thin muted ticks."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
        axes.spines[side].set_linewidth(0.8)
    axes.tick_params(colors=MUTED, labelsize=_SMALL, length=2.5, width=0.8)


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
    rows = [
        row
        for row in numbers.rows
        if row.name != numbers.baseline and (row.improvement or row.paper_improvement is not None)
    ]
    if not rows or numbers.baseline is None:
        return None
    seen = [value for row in rows if row.improvement for value in row.improvement.pairs.values()]
    limits = _range(seen + [row.paper_improvement for row in rows if row.paper_improvement is not None])
    figure = Figure(figsize=(7.2, 0.9 + 0.42 * len(rows)), layout="constrained")
    axes = figure.add_subplot()
    _calm(axes)
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
    axes.set_yticks(range(len(rows)), [row.name for row in rows], fontsize=_LABEL, color=INK)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    unit = numbers.metric.name
    if numbers.paper_metric != unit and any(row.paper_improvement is not None for row in rows):
        unit = f"{unit} (paper: {numbers.paper_metric})"
    axes.set_xlabel(f"{unit} over {numbers.baseline}, points", fontsize=_LABEL, color=INK)
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
        fontsize=_SMALL,
        color=OURS if what == "ours" else PAPER,
        zorder=5,
    )
    return {what}


def _draw_curve(axes: Axes, curve: Curve, colour: str, *, width: float, dashed: bool = False) -> None:
    if curve.seeds > 1:
        axes.fill_between(curve.epochs, curve.low, curve.high, color=colour, alpha=0.22, linewidth=0, zorder=2)
    mark = "o" if len(curve.epochs) == 1 else None
    axes.plot(
        curve.epochs,
        curve.mean,
        color=colour,
        linewidth=width,
        linestyle="--" if dashed else "-",
        marker=mark,
        zorder=3,
    )


def _curve_label(name: str) -> str:
    """The metric's name as a reader knows it."""
    return {"train/loss_reg": "regression loss (training)"}.get(name, name.removeprefix("val/"))


@rc_context({"text.parse_math": False})
def curves_figure(numbers: SweepNumbers, name: str) -> Figure | None:
    """One metric over epochs, a small panel a row: the row in colour over the baseline (dashed) and all others (grey).

    The band spans the seeds, least to greatest. Panels share both axes. None where no row has the metric.

    Args:
        name: the metric's name in the journal, such as `val/AP`.
    """
    rows = [row for row in numbers.rows if name in row.curves]
    if not rows:
        return None
    across = min(_PANELS_ACROSS, len(rows))
    down = math.ceil(len(rows) / across)
    figure = Figure(figsize=(2.1 * across + 0.3, 1.75 * down + 0.35), layout="constrained")
    panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
    for position, axes in enumerate(panels.flat):
        if position >= len(rows):
            axes.set_visible(False)
            continue
        _calm(axes)
        row = rows[position]
        _draw_panel(axes, row, rows, name, numbers.baseline)
        if position >= len(rows) - across:
            axes.tick_params(labelbottom=True)
    logarithmic = name.startswith("train/") and all(min(row.curves[name].low) > 0 for row in rows)
    if logarithmic:
        panels[0, 0].set_yscale("log")
        for axes in panels.flat:
            axes.minorticks_off()
            axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    figure.supxlabel("epoch", fontsize=_LABEL, color=INK)
    figure.supylabel(_curve_label(name), fontsize=_LABEL, color=INK)
    return figure


def _draw_panel(axes: Axes, row: RowNumbers, rows: Sequence[RowNumbers], name: str, baseline: str | None) -> None:
    for other in rows:
        if other.name not in (row.name, baseline):
            axes.plot(other.curves[name].epochs, other.curves[name].mean, color=FAINT, linewidth=0.8, zorder=1)
        elif other.name == baseline and row.name != baseline:
            _draw_curve(axes, other.curves[name], MUTED, width=1.1, dashed=True)
    curve = row.curves[name]
    _draw_curve(axes, curve, OURS, width=1.9)
    axes.set_title("\n".join(wrap(row.name, 26)) or row.name, fontsize=_LABEL, color=INK, loc="left", pad=4)
    if name.startswith("val/"):
        axes.annotate(
            f"{curve.mean[-1]:.1f}", (curve.epochs[-1], curve.mean[-1]), xytext=(3, 0), textcoords="offset points",
            fontsize=_SMALL, color=OURS, va="center", annotation_clip=False,
        )  # fmt: skip


def curve_names(numbers: SweepNumbers) -> tuple[str, ...]:
    """The metrics worth drawing, in order: the sweep's own, PCK, and the regression loss, which all rows have."""
    wanted = (f"val/{numbers.metric.name}", "val/PCK@0.2", "train/loss_reg")
    return tuple(name for name in dict.fromkeys(wanted) if any(name in row.curves for row in numbers.rows))


def effect_caption(numbers: SweepNumbers) -> str:
    """What the drawing of improvements shows, and how to read its marks."""
    rows = [row for row in numbers.rows if row.improvement is not None]
    single = bool(rows) and all(row.improvement is not None and row.improvement.n == 1 for row in rows)
    ours = (
        "Ours (open circles) are of one seed: there is no interval."
        if single
        else "Ours (circles) are means of paired seeds, each seed a tick, with the 95 % paired t interval; an arrow "
        "means that the interval goes on, an open circle that there is one seed."
    )
    other = f", of its {numbers.paper_metric}" if numbers.paper_metric != numbers.metric.name else ""
    known = any(row.paper_improvement is not None for row in numbers.rows)
    paper = f" The paper's are diamonds{other}." if known else ""
    return f"Improvement in {numbers.metric.name} over “{numbers.baseline}”. {ours}{paper}"


def curves_caption(numbers: SweepNumbers, name: str) -> str:
    """What the panels of one metric show."""
    seeds = max(row.curves[name].seeds for row in numbers.rows if name in row.curves)
    band = (
        "the mean of the seeds, the band from the least to the greatest"
        if seeds > 1
        else "one seed, so there is no band"
    )
    behind = [f"“{numbers.baseline}” (dashed)"] if numbers.baseline else []
    others = f", over {' and '.join([*behind, 'the other rows (grey)'])}" if len(numbers.rows) > 1 else ""
    end = "; the number is that of the last epoch" if name.startswith("val/") else ""
    label = _curve_label(name)
    return f"{label[0].upper()}{label[1:]} by epoch: each row in colour, {band}{others}{end}."
