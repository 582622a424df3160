"""A report as one HTML page that needs nothing else: no request leaves it, and whatever came from a file is escaped."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reports.formats.cell_text import duration
from reports.formats.cells import aligned, body_html
from reports.formats.embed import Embedded, embed_picture
from reports.formats.latex import latex_table
from reports.formats.svg import svg_inline
from reports.formats.tables import Table
from reports.numbers.sweep_numbers import SweepNumbers
from reports.numbers.verdict import verdict
from reports.plots import style
from reports.plots.style import Drawing
from reports.sections import Block, FactList, Gallery, Section

_COLOURS = {
    style.OURS: "var(--ours)",
    style.PAPER: "var(--theirs)",
    style.INK: "var(--ink)",
    style.MUTED: "var(--muted)",
    style.FAINT: "var(--faint)",
    "#ffffff": "var(--page)",
}
_PASTED_ROWS = 60  # a longer table is pasted from its file


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureView:
    """One picture of a row, ready for the page."""

    row: str
    seed: int
    epoch: str
    caption: str
    image: Embedded


def picture_views(gallery: Gallery) -> list[PictureView]:
    """The pictures of a gallery; unreadable files are left out."""
    views = []
    for row, picture in gallery.pictures:
        image = embed_picture(picture.path)
        if image is not None:
            epoch = "" if picture.epoch is None else f"{picture.epoch:g}"
            views.append(PictureView(row=row, seed=picture.seed, epoch=epoch, caption=picture.caption, image=image))
    return views


def is_wide(views: Sequence[PictureView]) -> bool:
    """Whether the pictures of a gallery need wide places."""
    return max((view.image.width / view.image.height for view in views), default=1.0) > 2


def inline_drawing(drawing: Drawing) -> Markup:
    """The drawing as an SVG element in the page's colours."""
    return Markup(svg_inline(drawing.svg, drawing.name, title=drawing.caption, colours=_COLOURS))


def pasted_latex(table: Table) -> str:
    """The table's LaTeX, to be copied from the page; empty for a long one."""
    return latex_table(table) if len(table.rows) <= _PASTED_ROWS else ""


def column_groups(table: Table) -> list[tuple[str, int]]:
    """Neighbouring columns of one group and how many they are; nothing where no column stands in a group."""
    groups = [(group, len(list(columns))) for group, columns in groupby(table.columns, key=lambda column: column.group)]
    return groups if any(group for group, _ in groups) else []


def _kind(block: Block) -> str:
    match block:
        case Table():
            return "table"
        case Drawing():
            return "drawing"
        case Gallery():
            return "gallery"
        case FactList():
            return "facts"


def _has_prose(table: Table) -> bool:
    """Whether a table is of words alone, which may break into lines."""
    return all(column.kind == "text" for column in table.columns)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("reports.formats", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        aligned=aligned,
        body_html=body_html,
        column_groups=column_groups,
        duration=duration,
        has_prose=_has_prose,
        inline_drawing=inline_drawing,
        is_wide=is_wide,
        kind=_kind,
        pasted_latex=pasted_latex,
        picture_views=picture_views,
    )
    return environment


def _source(name: str) -> str:
    loader = _environment().loader
    assert loader is not None
    return loader.get_source(_environment(), name)[0]


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def page_html(numbers: SweepNumbers, sections: Sequence[Section], *, version: str = "") -> str:
    """The whole page. Its content security policy forbids every request and every script but the page's own.

    Args:
        numbers: what the sweep measured.
        sections: the parts of the report.
        version: of a page that is served while the sweep runs: it asks its own server for a newer one.
    """
    scripts = [_source("report.js"), *([_source("live.js")] if version else [])]
    policy = [
        "default-src 'none'", "img-src data:", "style-src 'unsafe-inline'",
        "script-src " + " ".join(f"'sha256-{_digest(script)}'" for script in scripts),
        *(["connect-src 'self'"] if version else []),
        "base-uri 'none'", "form-action 'none'",
    ]  # fmt: skip
    return (
        _environment()
        .get_template("report.html")
        .render(
            numbers=numbers,
            sections=sections,
            verdict=verdict(numbers),
            style=Markup(_source("report.css")),
            scripts=[Markup(script) for script in scripts],
            policy="; ".join(policy),
            version=version,
        )
    )
