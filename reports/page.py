"""A report as one HTML page that needs nothing else: no request leaves it, and whatever came from a file is escaped."""

import base64
import hashlib
from dataclasses import dataclass
from functools import cache
from itertools import groupby

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reports import plots
from reports.embed import Embedded, embed_picture
from reports.records import Picture, SweepNumbers
from reports.renderers import count, duration, plain, signed
from reports.tables import Cell, Change, Column, Gap, Measured, Number, Table, Text, Tick, runs_table, sweep_table
from reports.vector import svg_inline
from reports.verdict import verdict

_COLOURS = {
    plots.OURS: "var(--ours)",
    plots.PAPER: "var(--theirs)",
    plots.INK: "var(--ink)",
    plots.MUTED: "var(--muted)",
    plots.FAINT: "var(--faint)",
    "#ffffff": "var(--page)",
}
_KINDS = {
    "skeleton": (
        "Predicted skeletons",
        "Joints as each row's model predicts them; certainty where the model gives one.",
    ),
    "heatmaps": ("Heatmaps", "What a simulated heatmap looks like beside the teacher's."),
    "attention": ("Attention", "Where the keypoint tokens look in the picture."),
}


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


def cell_view(cell: Cell) -> CellView:
    """The cell in parts, so that the page can set the number larger than what qualifies it."""
    match cell:
        case Text(text):
            return CellView(kind="text", main=text, sort=text)
        case Tick(on):
            return CellView(kind="tick", main="✓" if on else "", sort=str(int(on)), hint="" if on else "not in use")
        case Measured(spread, wanted, digits, best):
            std = "" if spread.std is None else f"± {plain(spread.std, digits)}"
            seeds = ", ".join(f"seed {seed}: {plain(value, digits)}" for seed, value in spread.values.items())
            return CellView(
                kind="measured", main=plain(spread.mean, digits), spread=std, n=f"({count(spread, wanted)})",
                sort=str(spread.mean), best=best, hint=seeds,
            )  # fmt: skip
        case Change(found, digits):
            std = "" if found.std is None else f"± {plain(found.std, digits)}"
            hint = f"{found.n} paired seed{'s' * (found.n != 1)}"
            if found.low is not None and found.high is not None and found.p_adjusted is not None:
                interval = f"{signed(found.low, digits)} to {signed(found.high, digits)}"
                hint += f"; 95 % interval {interval}; p = {found.p_adjusted:.2g} after Holm's correction"
            return CellView(kind="change", main=signed(found.mean, digits), spread=std, sort=str(found.mean), hint=hint)
        case Number(value, digits, with_sign):
            text = signed(value, digits) if with_sign else plain(value, digits)
            return CellView(kind="number", main=text, sort=str(value))
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Gallery:
    """All rows' pictures of one kind."""

    kind: str
    title: str
    text: str
    wide: bool
    pictures: tuple[PictureView, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlotView:
    """A drawing with its caption."""

    svg: Markup
    caption: str


def galleries(numbers: SweepNumbers) -> tuple[Gallery, ...]:
    """The newest pictures by kind, every row's beside the others'; unreadable files are left out."""
    named: list[tuple[str, Picture]] = [(row.name, picture) for row in numbers.rows for picture in row.pictures]
    found = []
    for kind in dict.fromkeys(picture.kind for _, picture in named):
        views = []
        for row, picture in named:
            image = embed_picture(picture.path) if picture.kind == kind else None
            if image is not None:
                epoch = "" if picture.epoch is None else f"{picture.epoch:g}"
                views.append(PictureView(row=row, seed=picture.seed, epoch=epoch, caption=picture.caption, image=image))
        if views:
            title, text = _KINDS.get(kind, (kind, ""))
            wide = max(view.image.width / view.image.height for view in views) > 2
            found.append(Gallery(kind=kind, title=title, text=text, wide=wide, pictures=tuple(views)))
    return tuple(found)


def effect_view(numbers: SweepNumbers) -> PlotView | None:
    """The improvements, drawn; None where there are none."""
    figure = plots.effect_figure(numbers)
    if figure is None:
        return None
    caption = plots.effect_caption(numbers)
    return PlotView(svg=Markup(svg_inline(figure, "effect", title=caption, colours=_COLOURS)), caption=caption)


def curve_views(numbers: SweepNumbers) -> tuple[PlotView, ...]:
    """The curves, drawn, a figure a metric."""
    views = []
    for position, name in enumerate(plots.curve_names(numbers)):
        figure = plots.curves_figure(numbers, name)
        assert figure is not None, "curve_names gives only metrics that some row has"
        caption = plots.curves_caption(numbers, name)
        svg = svg_inline(figure, f"curves{position}", title=caption, colours=_COLOURS)
        views.append(PlotView(svg=Markup(svg), caption=caption))
    return tuple(views)


def column_groups(table: Table) -> list[tuple[str, int]]:
    """Neighbouring columns of one group and how many they are."""
    return [(group, len(list(columns))) for group, columns in groupby(table.columns, key=lambda column: column.group)]


def _aligned(column: Column) -> str:
    return {"text": "words", "tick": "centred"}.get(column.kind, "figures")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("reports", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(cell_view=cell_view, column_groups=column_groups, duration=duration, aligned=_aligned)
    return environment


def _source(name: str) -> str:
    loader = _environment().loader
    assert loader is not None
    return loader.get_source(_environment(), name)[0]


def page_html(numbers: SweepNumbers) -> str:
    """The whole page. Its content security policy forbids every request and every script but the page's own."""
    script = _source("report.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        _environment()
        .get_template("report.html")
        .render(
            numbers=numbers,
            verdict=verdict(numbers),
            table=sweep_table(numbers),
            runs=runs_table(numbers),
            effect=effect_view(numbers),
            curves=curve_views(numbers),
            galleries=galleries(numbers),
            style=Markup(_source("report.css")),
            script=Markup(script),
            script_hash=digest,
        )
    )
