"""Teacher by student as a heat map, ours beside the paper's."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.layouts.results import matrix_factors
from reports.numbers.sweep_numbers import SweepNumbers
from reports.plots.style import INK, LABEL, MUTED, ON_DARK, ON_LIGHT, SMALL, Drawing

_COLOURS = "cividis"  # rises evenly in lightness, also for the colour-blind and in grey print


def draw_grid(
    axes: Axes,
    values: Mapping[tuple[int, int], float],
    texts: Mapping[tuple[int, int], str],
    rows: Sequence[str],
    columns: Sequence[str],
    limits: tuple[float, float],
) -> None:
    """Cells coloured by value with their text; a cell without a value stays empty and says so by a dash."""
    colours = colormaps[_COLOURS]
    grid = np.full((len(rows), len(columns)), np.nan)
    for (row, column), value in values.items():
        grid[row, column] = value
    low, high = limits
    axes.pcolormesh(
        np.arange(len(columns) + 1) - 0.5, np.arange(len(rows) + 1) - 0.5, grid, cmap=_COLOURS,
        vmin=low, vmax=high, edgecolors="white", linewidth=1.2,
    )  # fmt: skip
    for row in range(len(rows)):
        for column in range(len(columns)):
            known = values.get((row, column))
            share = 0.0 if known is None or high <= low else (known - low) / (high - low)
            red, green, blue, _ = colours(min(1.0, max(0.0, share)))
            dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
            colour = MUTED if known is None else ON_DARK if dark else ON_LIGHT
            axes.text(
                column, row, texts.get((row, column), "–"), ha="center", va="center", fontsize=SMALL, color=colour
            )
    axes.set_xticks(range(len(columns)), columns, fontsize=SMALL, color=INK)
    axes.set_yticks(range(len(rows)), rows, fontsize=SMALL, color=INK)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)


@rc_context({"text.parse_math": False})
def matrix_figure(numbers: SweepNumbers) -> Figure | None:
    """Two heat maps, each in its own range: ours with its spread, and the paper's. None where rows are no matrix."""
    factors = matrix_factors(numbers)
    metric, theirs = numbers.metric.name, numbers.paper_metric
    if factors is None or not any(metric in row.measured for row in numbers.rows):
        return None
    down, across = factors
    rows = list(dict.fromkeys(row.factors[down] for row in numbers.rows))
    columns = list(dict.fromkeys(row.factors[across] for row in numbers.rows))
    place = {row.name: (rows.index(row.factors[down]), columns.index(row.factors[across])) for row in numbers.rows}
    ours = {place[row.name]: row.measured[metric] for row in numbers.rows if metric in row.measured}
    paper = {place[row.name]: row.paper[theirs] for row in numbers.rows if theirs in row.paper}
    count = 2 if paper else 1
    figure = Figure(figsize=(count * (1.3 + 1.15 * len(columns)) + 0.6, 1.0 + 0.55 * len(rows)), layout="constrained")
    panels = figure.subplots(1, count, sharey=True, squeeze=False)[0]
    texts = {
        at: f"{found.mean:.1f}" + ("" if found.std is None else f"\n± {found.std:.1f}") for at, found in ours.items()
    }
    means = {at: found.mean for at, found in ours.items()}
    draw_grid(panels[0], means, texts, rows, columns, (min(means.values()), max(means.values())))
    panels[0].set_title(f"ours, {metric}", fontsize=LABEL, color=INK, loc="left")
    panels[0].set_ylabel(down, fontsize=LABEL, color=INK)
    if paper:
        shown = {at: f"{value:.1f}" for at, value in paper.items()}
        draw_grid(panels[1], paper, shown, rows, columns, (min(paper.values()), max(paper.values())))
        panels[1].set_title(f"paper, {theirs}", fontsize=LABEL, color=INK, loc="left")
    for axes in panels:
        axes.set_xlabel(across, fontsize=LABEL, color=INK)
    return figure


def matrix_drawing(numbers: SweepNumbers) -> Drawing | None:
    """The heat maps with their caption; only for sweeps laid out as a matrix."""
    figure = matrix_figure(numbers) if numbers.layout == "matrix" else None
    if figure is None:
        return None
    return Drawing(
        name="matrix",
        figure=figure,
        wide=True,
        caption="Students down, teachers across: the lighter, the better. Each panel has its own range of colours, so "
        "compare patterns between the two, and not shades.",
    )
