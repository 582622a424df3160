"""What all drawings share: colours, letter sizes, calm axes, and the record of a drawing.

Colours are Okabe and Ito's, told apart by the colour-blind, and no colour carries a meaning alone: marks differ in
shape and are named where they stand.
"""

from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

OURS, PAPER, INK, MUTED, FAINT = "#0072b2", "#d55e00", "#1c1c1a", "#6b6b66", "#c9c8c2"
ON_DARK, ON_LIGHT = "#fefefe", "#1b1b1b"  # letters on a coloured ground, which no page recolours
LABEL = 9.5
SMALL = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A figure of a report, with what it shows in words; `wide` takes the page's whole width.

    `name` is a word unique in the report: the stem of the figure's file.
    """

    name: str
    figure: Figure
    caption: str
    wide: bool = False


def calm(axes: Axes) -> None:
    """No box around the data, thin muted ticks."""
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(FAINT)
        axes.spines[side].set_linewidth(0.8)
    axes.tick_params(colors=MUTED, labelsize=SMALL, length=2.5, width=0.8)
