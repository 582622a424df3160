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


def _saved(figure: Figure, key: str, fonts: str) -> str:
    """The figure as matplotlib writes it, the same bytes every time. Names are never read as mathematics.

    Its parts are arranged when it is first saved, and stay where they are.
    """
    text = io.StringIO()
    settings: Any = {
        "svg.fonttype": fonts,
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
        figure.savefig(text, format="svg", transparent=fonts == "none", metadata={"Date": None, "Creator": None})
    return text.getvalue()


def svg_file(figure: Figure, key: str) -> str:
    """The figure as a standalone SVG on white; letters are shapes, so it looks the same without any font."""
    return _saved(figure, key, "path")


def svg_inline(figure: Figure, key: str, *, title: str, colours: Mapping[str, str]) -> str:
    """The figure as an `<svg>` element for a page: text stays text, ids carry `key`, and colours become the page's.

    Args:
        key: a word unique among the figures of the page.
        title: what the figure shows, for those who hear the page.
        colours: for a colour of the figure (`#rrggbb`), what stands in its place, such as `var(--ours)`.
    """
    ET.register_namespace("", _SVG)
    ET.register_namespace("xlink", _LINK)
    root = ET.fromstring(_saved(figure, key, "none"))
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
