"""A matplotlib figure as SVG: a file of its own, or a part of a page that follows the page's colours and fonts."""

import io
import warnings
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from typing import Any

import matplotlib
from matplotlib.figure import Figure

_SVG = "http://www.w3.org/2000/svg"
_LINK = "http://www.w3.org/1999/xlink"


def svg_text(figure: Figure, key: str) -> str:
    """The figure as matplotlib writes it, on nothing, letters as text; the same bytes every time.

    Names are never read as mathematics. Parts are arranged when a figure is first saved, and stay where they are.
    """
    text = io.StringIO()
    settings: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": key,
        "text.parse_math": False,
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


def svg_inline(svg: str, key: str, *, title: str, colours: Mapping[str, str]) -> str:
    """A figure's SVG as an `<svg>` element for a page: ids carry `key`, and colours become the page's.

    Args:
        svg: the figure, as `svg_text` gives it.
        key: a word unique among the figures of the page.
        title: what the figure shows, for those who hear the page.
        colours: for a colour of the figure (`#rrggbb`), what stands in its place, such as `var(--ours)`.
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
                for colour, instead in colours.items():
                    value = value.replace(colour, instead)
                element.set(name, value)
    for side in ("width", "height"):
        root.attrib.pop(side, None)
    root.set("role", "img")
    root.set("aria-label", title)
    root.set("class", "plot")
    return ET.tostring(root, encoding="unicode")
