"""A drawing: a matplotlib figure as SVG, as a file of its own and inside a page in the page's colours and fonts.

Colours are Okabe and Ito's, told apart by the colour-blind, and no colour carries a meaning alone: marks differ in
shape and are named where they stand.
"""

import io
import math
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from textwrap import wrap
from typing import Any, ClassVar

import matplotlib
import numpy as np
from markupsafe import Markup
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.formats.html import block_html
from reports.formats.words import escape_markdown

OURS, PAPER, INK, MUTED, FAINT = "#0072b2", "#d55e00", "#1c1c1a", "#6b6b66", "#c9c8c2"
LINES = (OURS, PAPER, "#009e73", "#cc79a7", "#7f6fc0", "#a67c00", "#56b4e9", "#8c564b", "#5f8f29", "#c44e8b", "#3a8f9e")
ON_DARK, ON_LIGHT = "#fefefe", "#1b1b1b"  # letters on a coloured ground, which no page recolours
LABEL = 9.0
SMALL = 8.0
WIDTH = 5.2  # inches of a figure: its letters can be read on a phone, and two stand beside each other on a screen
_PANELS_ACROSS = 3
STYLE: Any = {
    "text.parse_math": False,  # names are never read as mathematics
    "text.color": INK,
    "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": FAINT, "axes.linewidth": 0.8,
    "axes.labelcolor": INK, "axes.labelsize": LABEL, "axes.titlesize": LABEL, "axes.titlelocation": "left",
    "figure.labelsize": LABEL, "figure.constrained_layout.use": True,
    "legend.frameon": False, "legend.fontsize": SMALL,
    **{
        f"{axis}tick.{what}": value
        for axis in "xy"
        for what, value in {"color": MUTED, "labelsize": SMALL, "major.size": 2.5, "major.width": 0.8}.items()
    },
}  # fmt: skip
"""What sections draw in: no box around the data, thin muted ticks."""
_IN_A_PAGE = {
    OURS: "var(--ours)", PAPER: "var(--theirs)", INK: "var(--ink)", MUTED: "var(--muted)", FAINT: "var(--faint)",
    "#ffffff": "var(--page)",
}  # fmt: skip
_HEAT = "cividis"  # rises evenly in lightness, also for the colour-blind and in grey print
_SVG = "http://www.w3.org/2000/svg"
_LINK = "http://www.w3.org/1999/xlink"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """A figure of a report as SVG, with what it shows in words.

    `name` is a word unique in the report: the stem of the figure's file.
    """

    counted: ClassVar = "Figure"
    name: str
    svg: str
    caption: str

    def files(self) -> dict[str, str | bytes]:
        """The SVG on white."""
        return {f"plots/{self.name}.svg": svg_file(self.svg)}

    def markdown(self) -> str:
        """The drawing as a file beside the report."""
        caption = escape_markdown(self.caption)
        return f"![{caption}](plots/{self.name}.svg)\n\n{caption}\n"

    def html(self, number: int) -> Markup:
        """The drawing on the page."""
        svg = Markup(svg_inline(self.svg, self.name, title=self.caption))
        return block_html("drawing", drawing=self, number=number, svg=svg)


def draw(figure: Figure, *, name: str, caption: str) -> Drawing:
    """The figure as a drawing of a report."""
    return Drawing(name=name, svg=svg_text(figure, name), caption=caption)


def one_panel(width: float, height: float) -> tuple[Figure, Axes]:
    """A figure of so many inches with one panel."""
    figure = Figure(figsize=(width, height))
    return figure, figure.add_subplot()


def small_panels(names: Sequence[str], *, height: float, margin: float) -> tuple[Figure, list[Axes]]:
    """A figure of a named panel each, up to three a line, that share both axes.

    `height` is a panel's, `margin` what the figure is higher than its panels, both in inches.
    """
    across = min(_PANELS_ACROSS, len(names))
    down = math.ceil(len(names) / across)
    figure = Figure(figsize=(WIDTH, height * down + margin))
    panels = list(figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).flat)
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    for axes, name in zip(panels, names, strict=False):
        axes.set_title("\n".join(wrap(name, 26)) or name, pad=4)
    return figure, panels[: len(names)]


def heat_map(
    axes: Axes, values: Mapping[tuple[int, int], float], texts: Mapping[tuple[int, int], str],
    rows: Sequence[str], columns: Iterable[str],
) -> None:  # fmt: skip
    """Cells coloured by value, with their text; a cell without a value stays empty but for a dash."""
    columns = list(columns)
    grid = np.full((len(rows), len(columns)), np.nan)
    for at, value in values.items():
        grid[at] = value
    low, high = min(values.values()), max(values.values())
    axes.pcolormesh(
        np.arange(len(columns) + 1) - 0.5, np.arange(len(rows) + 1) - 0.5, grid, cmap=_HEAT,
        vmin=low, vmax=high, edgecolors="white", linewidth=1.2,
    )  # fmt: skip
    for row, column in np.ndindex(grid.shape):
        known = values.get((row, column))
        red, green, blue, _ = colormaps[_HEAT](0.0 if known is None or high <= low else (known - low) / (high - low))
        dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
        colour = MUTED if known is None else ON_DARK if dark else ON_LIGHT
        text = texts.get((row, column), "–")
        axes.text(column, row, text, ha="center", va="center", fontsize=SMALL, color=colour)
    axes.set_xticks(range(len(columns)), columns, fontsize=SMALL, color=INK)
    axes.set_yticks(range(len(rows)), rows, fontsize=SMALL, color=INK)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(-0.5, len(columns) - 0.5)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def svg_text(figure: Figure, key: str) -> str:
    """The figure as matplotlib writes it, on nothing, letters as text; the same bytes every time.

    Parts are arranged when a figure is first saved, and stay where they are.
    """
    text = io.StringIO()
    settings: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": key,
        "font.family": "sans-serif",
        "axes.unicode_minus": True,
    }
    with matplotlib.rc_context(settings), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        if figure.get_layout_engine() is not None:
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return text.getvalue()


def svg_file(svg: str) -> str:
    """A figure's SVG as a file of its own: on white."""
    head, opening, rest = svg.partition("<svg ")
    inside = rest.index(">") + 1
    return f'{head}{opening}{rest[:inside]}\n <rect width="100%" height="100%" fill="#ffffff"/>{rest[inside:]}'


def svg_inline(svg: str, key: str, *, title: str) -> str:
    """A figure's SVG as an `<svg>` element for a page: ids carry `key`, and colours become the page's.

    Args:
        svg: the figure, as `svg_text` gives it.
        key: a word unique among the figures of the page.
        title: what the figure shows, for those who hear the page.
    """
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _LINK)
    root = ET.fromstring(svg)
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{{{_SVG}}}metadata", f"{{{_SVG}}}style"):
                parent.remove(child)
    for element in root.iter():
        for name, value in list(element.attrib.items()):
            if name == "id":
                element.set(name, f"{key}-{value}")
            elif name == f"{{{_LINK}}}href" and value.startswith("#"):
                element.set(name, f"#{key}-{value[1:]}")
            else:
                value = value.replace("url(#", f"url(#{key}-")
                for colour, instead in _IN_A_PAGE.items():
                    value = value.replace(colour, instead)
                element.set(name, value)
    for side in ("width", "height"):
        root.attrib.pop(side, None)
    root.set("role", "img")
    root.set("aria-label", title)
    root.set("class", "plot")
    return ET.tostring(root, encoding="unicode")
