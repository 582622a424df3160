"""What all drawings share: colours, letter sizes, calm axes, and the record of a drawing.

Colours are Okabe and Ito's, told apart by the colour-blind, and no colour carries a meaning alone: marks differ in
shape and are named where they stand.
"""

import math
from dataclasses import dataclass, field

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.formats.svg import svg_text
from reports.numbers.metrics import definitions

OURS, PAPER, INK, MUTED, FAINT = "#0072b2", "#d55e00", "#1c1c1a", "#6b6b66", "#c9c8c2"
ON_DARK, ON_LIGHT = "#fefefe", "#1b1b1b"  # letters on a coloured ground, which no page recolours
LABEL = 9.5
SMALL = 8.0
PANELS_ACROSS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A figure of a report, with what it shows in words; `wide` takes the page's whole width.

    `name` is a word unique in the report: the stem of the figure's file.
    """

    name: str
    figure: Figure
    caption: str
    wide: bool = False
    svg: str = field(init=False)
    """The figure as SVG; every format shows this one."""

    @property
    def legend(self) -> str:
        """The caption, and what the metrics in it are."""
        return " ".join([self.caption, *definitions(self.caption)])

    def __post_init__(self) -> None:
        object.__setattr__(self, "svg", svg_text(self.figure, self.name))


def small_panels(count: int, *, height: float, margin: float) -> tuple[Figure, list[Axes], int]:
    """A figure of so many calm panels that share both axes, up to four a line; and how many stand in a line.

    `height` is a panel's, `margin` what the figure is higher than its panels, both in inches.
    """
    across = min(PANELS_ACROSS, count)
    down = math.ceil(count / across)
    figure = Figure(figsize=(2.1 * across + 0.3, height * down + margin), layout="constrained")
    panels = list(figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).flat)
    for axes in panels[count:]:
        axes.set_visible(False)
    for axes in panels[:count]:
        calm(axes)
    return figure, panels[:count], across


def calm(axes: Axes) -> None:
    """No box around the data, thin muted ticks."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
        axes.spines[side].set_linewidth(0.8)
    axes.tick_params(colors=MUTED, labelsize=SMALL, length=2.5, width=0.8)
