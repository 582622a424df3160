"""A report as one HTML page that needs nothing else: no request leaves it, and whatever came from a file is escaped."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import groupby

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reports.embed import Embedded, embed_picture
from reports.latex import latex_table
from reports.plots import style
from reports.plots.style import Drawing
from reports.records import SweepNumbers
from reports.renderers import count, duration, interval_text, p_text, plain, signed
from reports.sections import Block, FactList, Gallery, Section
from reports.tables import Bounds, Cell, Chance, Change, Column, Gap, Measured, Number, Table, Text, Tick
from reports.vector import svg_inline
from reports.verdict import verdict

_COLOURS = {
    style.OURS: "var(--ours)",
    style.PAPER: "var(--theirs)",
    style.INK: "var(--ink)",
    style.MUTED: "var(--muted)",
    style.FAINT: "var(--faint)",
    "#ffffff": "var(--page)",
}
_PASTED_ROWS = 60  # a longer table is pasted from its file
_HINTED_SEEDS = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class CellView:
    """A cell as the page shows it: the number, its spread and n apart, and what it sorts by."""

    kind: str
    main: str
    spread: str = ""
    n: str = ""
    sort: str = ""
    best: bool = False
    hint: str = ""


def _by_seed(cell: Measured) -> str:
    values = list(cell.spread.values.items())
    shown = ", ".join(f"seed {seed}: {plain(value, cell.digits)}" for seed, value in values[:_HINTED_SEEDS])
    return shown + (f" and {len(values) - _HINTED_SEEDS} others" if len(values) > _HINTED_SEEDS else "")


def cell_view(cell: Cell) -> CellView:
    """The cell in parts, so that the page can set the number larger than what qualifies it."""
    match cell:
        case Text(text):
            return CellView(kind="text", main=text, sort=text)
        case Tick(on):
            return CellView(kind="tick", main="✓" if on else "", sort=str(int(on)), hint="" if on else "not in use")
        case Measured(spread, wanted, digits, best):
            std = "" if spread.std is None else f"± {plain(spread.std, digits)}"
            return CellView(
                kind="measured", main=plain(spread.mean, digits), spread=std, n=f"({count(spread, wanted)})",
                sort=str(spread.mean), best=best, hint=_by_seed(cell),
            )  # fmt: skip
        case Change(found, digits):
            std = "" if found.std is None else f"± {plain(found.std, digits)}"
            hint = f"{found.n} paired seed{'s' * (found.n != 1)}"
            if found.low is not None and found.high is not None:
                hint += f"; 95 % interval {signed(found.low, digits)} to {signed(found.high, digits)}"
            if found.p_adjusted is not None:
                hint += f"; p = {found.p_adjusted:.2g} after Holm's correction"
            return CellView(kind="change", main=signed(found.mean, digits), spread=std, sort=str(found.mean), hint=hint)
        case Number(value, digits, with_sign):
            text = signed(value, digits) if with_sign else plain(value, digits)
            return CellView(kind="number", main=text, sort=str(value))
        case Bounds(interval, _, _):
            return CellView(kind="interval", main=interval_text(cell), sort=str(interval.low))
        case Chance(p):
            return CellView(kind="chance", main=p_text(p), sort=str(p))
        case Gap(reason):
            return CellView(kind="gap", main=reason or "–")


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
    return Markup(svg_inline(drawing.figure, drawing.name, title=drawing.caption, colours=_COLOURS))


def pasted_latex(table: Table) -> str:
    """The table's LaTeX, to be copied from the page; empty for a long one."""
    return latex_table(table) if len(table.rows) <= _PASTED_ROWS else ""


def column_groups(table: Table) -> list[tuple[str, int]]:
    """Neighbouring columns of one group and how many they are; nothing where no column stands in a group."""
    groups = [(group, len(list(columns))) for group, columns in groupby(table.columns, key=lambda column: column.group)]
    return groups if any(group for group, _ in groups) else []


def _aligned(column: Column) -> str:
    return {"text": "words", "tick": "centred"}.get(column.kind, "figures")


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
        loader=PackageLoader("reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        aligned=_aligned,
        cell_view=cell_view,
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
