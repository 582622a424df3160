"""Improvements over the baseline, row by row: ours with its interval and every seed, the paper's beside it."""

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.formats.drawing import FAINT, INK, LABEL, OURS, PAPER, WIDTH, Drawing, draw, one_panel
from reports.numbers.evidence import over_baselines
from reports.numbers.sweep import RowNumbers, SweepNumbers
from reports.statistics.evidence import over_other

Limits = tuple[float, float]


def improvements_drawing(numbers: SweepNumbers) -> Drawing | None:
    """The improvements with their caption; None where no row has one, measured or published."""
    rows = [row for row in numbers.drawn_rows if row.improvement is not None or row.paper_improvement is not None]
    if not rows:
        return None
    return draw(improvements_figure(numbers, rows), name="improvements", caption=_caption(numbers, rows))


def improvements_figure(numbers: SweepNumbers, rows: Sequence[RowNumbers]) -> Figure:
    """A line a row."""
    seen = [value for row in rows if row.improvement for value in row.improvement.pairs.values()]
    found = over_baselines(numbers)
    limits = _range(seen + [row.paper_improvement for row in rows if row.paper_improvement is not None])
    figure, axes = one_panel(WIDTH, 1.0 + 0.36 * len(rows))
    axes.axvline(0, color=INK, linewidth=0.9, zorder=1)
    for position, row in enumerate(rows):
        if position % 2 == 0:
            axes.axhspan(position - 0.5, position + 0.5, color=FAINT, alpha=0.18, linewidth=0, zorder=0)
        ours_at, paper_at = position - 0.14, position + 0.2
        if row.improvement is not None:
            one, seeds = row.improvement, list(row.improvement.pairs.values())
            _interval(axes, ours_at, found[row.name].interval() if row.name in found else None, limits)
            if one.n > 1:
                axes.plot(seeds, [ours_at] * len(seeds), "|", color=OURS, markersize=7, markeredgewidth=0.9, zorder=3)
            axes.plot(
                [one.mean], [ours_at], "o", color=OURS, markersize=6, zorder=4,
                markerfacecolor=OURS if one.n > 1 else "#ffffff", markeredgewidth=1.4,
            )  # fmt: skip
        if row.paper_improvement is not None:
            axes.plot([row.paper_improvement], [paper_at], "D", color=PAPER, markersize=5, zorder=3)
    axes.set_xlim(*limits)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    labels = [f"{row.name}\nover {row.baseline}" if numbers.own_baselines else row.name for row in rows]
    axes.set_yticks(range(len(rows)), labels, fontsize=LABEL, color=INK)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    published = any(row.paper_improvement is not None for row in rows)
    other = f" (paper: {numbers.paper_metric})" if published and numbers.paper_metric != numbers.metric else ""
    axes.set_xlabel(f"{numbers.metric}{other} {numbers.over}, points")
    marks = {"ours": ("o", OURS), "one seed": ("|", OURS)} if seen else {}
    marks |= {"paper": ("D", PAPER)} if published else {}
    for name, (mark, colour) in marks.items():
        axes.plot([], [], mark, color=colour, markersize=6, label=name)
    figure.legend(loc="outside upper right", ncols=3)
    return figure


def _range(values: Sequence[float]) -> Limits:
    """Limits that hold all values and zero, with air."""
    low, high = min([0.0, *values]), max([0.0, *values])
    air = 0.06 * (high - low or 1.0)
    return low - air, high + air


def _interval(axes: Axes, position: float, found: tuple[float, float] | None, limits: Limits) -> None:
    """The 95 % interval as a line; an arrowhead where it goes on past the edge of the drawing."""
    if found is None:
        return
    low, high = found
    left, right = max(low, limits[0]), min(high, limits[1])
    axes.plot([left, right], [position, position], color=OURS, linewidth=0.9, solid_capstyle="butt", zorder=2)
    for cut, edge, mark in ((low < limits[0], left, "<"), (high > limits[1], right, ">")):
        if cut:
            axes.plot([edge], [position], marker=mark, color=OURS, markersize=5, clip_on=False, zorder=2)
        else:
            axes.plot([edge, edge], [position - 0.09, position + 0.09], color=OURS, linewidth=0.9, zorder=2)


def _caption(numbers: SweepNumbers, rows: Sequence[RowNumbers]) -> str:
    """What the drawing shows, and how to read its marks."""
    found = [row.improvement for row in rows if row.improvement is not None]
    said = f"Improvement in {numbers.metric} over {numbers.against}"
    if any(one.n > 1 for one in found):
        said += ": mean and every seed"
    known = [one for one in over_baselines(numbers).values() if one.parts]
    if known:
        said += f", with the 95 % interval {over_other(known)} (an arrow: it goes on)"
    if any(row.paper_improvement is not None for row in rows):
        other = f" ({numbers.paper_metric})" if numbers.paper_metric != numbers.metric else ""
        said += f"; the paper's{other} beside it"
    return f"{said}."
