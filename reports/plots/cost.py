"""Accuracy against cost: parameters, GFLOPs and speed, among published methods where the data are theirs."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D

from reports.layouts.cost import best_of_models
from reports.numbers.records import Cost, RowNumbers
from reports.numbers.sweep_numbers import SweepNumbers
from reports.paper.literature import PublishedMethod, of_table
from reports.plots.style import FAINT, INK, LABEL, MUTED, OURS, SMALL, Drawing, calm

# Okabe and Ito's orange, bluish green and vermilion; each kind has a mark of its own.
_KINDS = {"heatmap": ("s", "#009e73"), "distillation": ("^", "#cc79a7"), "regression": ("D", "#d55e00")}


_TINY = 6.0


@dataclass(frozen=True, slots=True)
class _Label:
    """The name of a mark, and where the mark is."""

    text: str
    x: float
    y: float
    colour: str


@dataclass(frozen=True, slots=True)
class _Panel:
    title: str
    published: tuple[PublishedMethod, ...]
    theirs: Callable[[PublishedMethod], float | None]
    ours: Callable[[Cost], float | None]


_PANELS = (
    _Panel("parameters (M)", of_table("val"), lambda row: row.params_m, lambda cost: cost.parameters / 1e6),
    _Panel("GFLOPs", of_table("val"), lambda row: row.gflops, lambda cost: cost.gflops),
    _Panel(
        "images a second",
        of_table("speed"),
        lambda row: row.fps,
        lambda cost: None if cost.speed is None else cost.speed.fps,
    ),
)


def _ours(numbers: SweepNumbers) -> list[tuple[str, RowNumbers]]:
    return list(best_of_models(numbers).items())


@rc_context({"text.parse_math": False})
def cost_figure(numbers: SweepNumbers) -> Figure | None:
    """A panel for each measure of cost. None with fewer than two models and nothing published to stand among."""
    ours = _ours(numbers)
    if len(ours) < 2 and not (numbers.as_published and ours):
        return None
    panels = [
        panel
        for panel in _PANELS
        if any(row.cost is not None and panel.ours(row.cost) is not None for _, row in ours) or numbers.as_published
    ]
    figure = Figure(figsize=(3.7 * len(panels) + 0.2, 4.3), layout="constrained")
    labels: list[tuple[Axes, list[_Label]]] = []
    for axes, panel in zip(figure.subplots(1, len(panels), sharey=True, squeeze=False)[0], panels, strict=True):
        calm(axes)
        ours_drawn = _draw_ours(axes, panel, ours, "AP" if numbers.as_published else numbers.metric.name)
        labels.append((axes, ours_drawn + (_draw_published(axes, panel) if numbers.as_published else [])))
        axes.set_xscale("log")
        axes.set_xlabel(panel.title, fontsize=LABEL, color=INK)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:.0e}"[0] in "25" else "")
        axes.tick_params(which="minor", labelsize=SMALL, colors=MUTED, length=2)
        axes.margins(x=0.2, y=0.08)
    figure.axes[0].set_ylabel("AP" if numbers.as_published else numbers.metric.name, fontsize=LABEL, color=INK)
    if numbers.as_published:
        handles = [
            figure.axes[0].plot([], [], mark, color=colour, markersize=5, label=kind)[0]
            for kind, (mark, colour) in _KINDS.items()
        ]
        handles.append(figure.axes[0].plot([], [], "*", color=OURS, markersize=10, label="this sweep")[0])
        figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=SMALL)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes, of_axes in labels:
        _place(axes, of_axes)
    return figure


def _named(one: PublishedMethod, panel: _Panel) -> str:
    """A short name for a mark: the method, its backbone, and its input where that is not the usual one."""
    if panel.published != of_table("val"):
        return one.method + {"yes": " with post-processing", "no": " without"}.get(one.post, "")
    if one.method.startswith("DistilPose"):
        return one.method
    backbone = one.backbone.replace("HRNet-", "").replace("ResNet-", "R").replace("-stage3", " s3")
    size = "" if one.input in ("", "256×192") else f" {one.input}"
    return f"{one.method} {backbone}{size}"


def _draw_published(axes: Axes, panel: _Panel) -> list[_Label]:
    labels = []
    for one in panel.published:
        value = panel.theirs(one)
        if value is not None and one.ap is not None:
            mark, colour = _KINDS[one.kind]
            axes.plot([value], [one.ap], mark, color=colour, markersize=4.5, zorder=2)
            labels.append(_Label(_named(one, panel), value, one.ap, MUTED))
    return labels


def _draw_ours(axes: Axes, panel: _Panel, ours: Sequence[tuple[str, RowNumbers]], metric: str) -> list[_Label]:
    labels = []
    for model, row in ours:
        value = None if row.cost is None else panel.ours(row.cost)
        found = row.measured.get(metric)
        if value is None or found is None:
            continue
        axes.plot([value], [found.mean], "*", color=OURS, markersize=11, zorder=4)
        if found.std is not None:
            ends = [found.mean - found.std, found.mean + found.std]
            axes.plot([value] * 2, ends, color=OURS, linewidth=1.2, zorder=3)
        labels.append(_Label(model, value, found.mean, OURS))
    return labels


def _place(axes: Axes, labels: Sequence[_Label]) -> None:
    """Write each label where it covers no mark and no other label, with a thin line where that is not beside its mark.

    The figure must be arranged already. A label without any such place is left out: the table has it.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    points = [axes.transData.transform((one.x, one.y)) * 72 / figure.dpi for one in labels]
    edge = axes.get_window_extent().transformed(Affine2D().scale(72 / figure.dpi))
    taken = [(x - 3.0, y - 3.0, x + 3.0, y + 3.0) for x, y in points]
    for one, (x, y) in zip(labels, points, strict=True):
        width, height = TextPath((0, 0), one.text, size=_TINY).get_extents().width, 1.15 * _TINY
        for reach, angle in product((5, 11, 18, 27, 38), range(0, 360, 30)):
            dx, dy = reach * math.cos(math.radians(angle)), reach * math.sin(math.radians(angle))
            left = x + dx if dx >= 0 else x + dx - width
            box = (left, y + dy - height / 2, left + width, y + dy + height / 2)
            inside = edge.x0 - 4 <= box[0] and box[2] <= edge.x1 + 14 and edge.y0 <= box[1] and box[3] <= edge.y1 + 8
            if inside and not any(
                box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3] for other in taken
            ):
                taken.append(box)
                line = {"arrowstyle": "-", "color": FAINT, "linewidth": 0.5, "shrinkA": 0, "shrinkB": 2}
                axes.annotate(
                    one.text, (one.x, one.y), xytext=(dx, dy), textcoords="offset points", fontsize=_TINY,
                    color=one.colour, ha="left" if dx >= 0 else "right", va="center", zorder=5,
                    arrowprops=line if reach > 5 else None,
                )  # fmt: skip
                break


def cost_drawing(numbers: SweepNumbers) -> Drawing | None:
    """Accuracy against cost with its caption; None where there is nothing to compare."""
    figure = cost_figure(numbers)
    if figure is None:
        return None
    if numbers.as_published:
        said = "Ours (stars, each model's best row) among published methods on COCO val2017; costs are on logarithmic "
        said += "scales. Speeds are of different machines: ours cannot be compared with the published ones."
    else:
        said = f"Each model's best row: {numbers.metric.name} against its cost, on logarithmic scales."
    return Drawing(
        name="accuracy-cost", figure=figure, caption=f"{said} Lines: one standard deviation over seeds.", wide=True
    )
