"""Teachers and students by what they cost and what they reach, beside the published figures."""

import math
from collections.abc import Callable, Mapping
from itertools import product
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D

from reports.formats.cells import Cell, gap, number, text
from reports.formats.drawing import FAINT, MUTED, OURS, SMALL, WIDTH, Drawing, draw
from reports.formats.page import Section, there
from reports.formats.table import Column, Table, fill
from reports.numbers.sweep import RowNumbers, SweepNumbers
from reports.paper.literature import PublishedMethod, of_model, of_table
from reports.read.reader import Cost
from reports.sections.row_cells import best_of_models, cost_columns, measured, single
from reports.sections.settings import as_published

# Okabe and Ito's bluish green, reddish purple and vermilion; each kind has a mark of its own.
_KINDS = {"heatmap": ("s", "#009e73"), "distillation": ("^", "#cc79a7"), "regression": ("D", "#d55e00")}
_TINY = 6.0


def cost(numbers: SweepNumbers) -> Section | None:
    """What the models cost and reach; nothing before any student is finished."""
    best = best_of_models(numbers)
    if not best:
        return None
    return Section(
        key="cost", folded=True, title="Cost", blocks=there(cost_table(numbers, best), cost_drawing(numbers, best))
    )


def cost_table(numbers: SweepNumbers, best: Mapping[str, RowNumbers]) -> Table:
    """One line a model: the teachers, then each student model by its best row."""
    teachers = {teacher.run_id: teacher.cost for teacher in numbers.teachers}
    lines = [
        *(_Line(run.row, "teacher", run.cost, None, single(run, run.metrics.get(numbers.metric), numbers.digits))
          for run in numbers.teachers),
        *(_Line(model, "student", row.cost, teachers.get(row.runs[0].teacher_id or ""),
                measured(row, numbers.metric, numbers.digits))
          for model, row in best.items()),
    ]  # fmt: skip
    better = "× better than its teacher"
    columns: list[Column[_Line]] = [
        Column("model", lambda line: text(line.model)),
        Column("role", lambda line: text(line.role)),
        *cost_columns("ours", _Line.cost_of),
        Column("images/s", lambda line: number(None if line.cost is None else line.cost.fps), "number", "ours"),
        Column(numbers.metric, lambda line: line.reached, "measured", "ours"),
        Column("params", lambda line: line.times(lambda cost: cost.parameters), "number", better),
        Column("GFLOPs", lambda line: line.times(lambda cost: cost.gflops), "number", better),
        Column("speed", lambda line: line.times(lambda cost: cost.fps and 1 / cost.fps), "number", better),
        Column("params (M)", lambda line: line.published("params_m", 2), "number", "paper"),
        Column("GFLOPs", lambda line: line.published("gflops", 2), "number", "paper"),
        Column("images/s", lambda line: line.published("fps"), "number", "paper"),
        Column("AP", lambda line: line.published("ap"), "number", "paper"),
    ]
    return fill(columns, lines, name="cost", caption="What models cost and reach", notes=_notes(numbers, best))


class _Line(NamedTuple):
    """A model, what it costs and reaches, and the cost of its teacher."""

    model: str
    role: str
    cost: Cost | None
    teacher: Cost | None
    reached: Cell

    def cost_of(self) -> Cost | None:
        """What it costs."""
        return self.cost

    def times(self, measure: Callable[[Cost], float | None]) -> Cell:
        """How many times less it costs than its teacher."""
        if self.cost is None or self.teacher is None:
            return gap()
        less, more = measure(self.cost), measure(self.teacher)
        return number(more / less if less and more else None, 2)

    def published(self, figure: str, digits: int = 1) -> Cell:
        """A published figure of the model."""
        return number(getattr(of_model(self.model), figure, None), digits)


def _notes(numbers: SweepNumbers, best: Mapping[str, RowNumbers]) -> tuple[str, ...]:
    every = [*(row.cost for row in numbers.rows), *(run.cost for run in numbers.teachers)]
    costs = [cost for cost in every if cost is not None]
    named = "; ".join(f"{model}: “{row.name}”" for model, row in best.items())
    inputs = " or ".join(sorted({cost.input for cost in costs if cost.input}))
    devices = ", ".join(sorted({cost.device for cost in costs if cost.fps is not None}))
    return (
        f"Each student model stands with its best row ({named}). Parameters are the trained ones, as published.",
        f"GFLOPs are counted as the papers count them, for one crop of {inputs} pixels; the paper's columns are of its "
        "own sizes at 192×256."
        if inputs
        else "These runs did not record GFLOPs.",
        f"Images a second are single forward passes on {devices}. Compare the speeds with each other, not with other "
        "machines."
        if devices
        else "These runs did not record their speed.",
    )


class _Label(NamedTuple):
    """The name of a mark, and where the mark is."""

    text: str
    x: float
    y: float
    colour: str


class _Panel(NamedTuple):
    """A measure of cost: its title, the published table that has it, and where theirs and ours stand."""

    title: str
    table: str
    theirs: Callable[[PublishedMethod], float | None]
    ours: Callable[[Cost], float | None]


_PANELS = (
    _Panel("parameters (M)", "val", lambda row: row.params_m, lambda cost: cost.parameters / 1e6),
    _Panel("GFLOPs", "val", lambda row: row.gflops, lambda cost: cost.gflops),
    _Panel("images a second", "speed", lambda row: row.fps, lambda cost: cost.fps),
)


def cost_drawing(numbers: SweepNumbers, best: Mapping[str, RowNumbers]) -> Drawing | None:
    """Accuracy against cost, among published methods where the data are theirs; None with nothing to compare."""
    published = as_published(numbers)
    if len(best) < 2 and not published:
        return None
    metric = "AP" if published else numbers.metric
    said = (
        "Ours (stars, each model's best row) among published methods on COCO val2017; costs are on logarithmic "
        "scales. Speeds are of different machines: ours cannot be compared with the published ones."
        if published
        else f"Each model's best row: {metric} against its cost, on logarithmic scales."
    )
    figure = cost_figure(best, metric, published=published)
    return draw(figure, name="accuracy-cost", caption=f"{said} Lines: one standard deviation over seeds.")


def cost_figure(best: Mapping[str, RowNumbers], metric: str, *, published: bool) -> Figure:
    """A panel for each measure of cost that any of ours has, or every one beside published methods."""
    costs = [row.cost for row in best.values() if row.cost is not None]
    panels = [panel for panel in _PANELS if published or any(panel.ours(cost) is not None for cost in costs)]
    figure = Figure(figsize=(WIDTH, (3.6 if published else 2.2) * len(panels)))
    labels: list[tuple[Axes, list[_Label]]] = []
    for axes, panel in zip(figure.subplots(len(panels), 1, squeeze=False)[:, 0], panels, strict=True):
        ours = _draw_ours(axes, panel, best, metric)
        labels.append((axes, ours + (_draw_published(axes, panel) if published else [])))
        axes.set_xscale("log")
        axes.set_xlabel(panel.title)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:.0e}"[0] in "25" else "")
        axes.tick_params(which="minor", labelsize=SMALL, colors=MUTED, length=2)
        axes.margins(x=0.2, y=0.08)
        axes.set_ylabel(metric)
    if published:
        handles = [
            figure.axes[0].plot([], [], mark, color=colour, markersize=5, label=kind)[0]
            for kind, (mark, colour) in _KINDS.items()
        ]
        handles.append(figure.axes[0].plot([], [], "*", color=OURS, markersize=10, label="this sweep")[0])
        figure.legend(handles=handles, loc="outside lower center", ncols=4)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes, of_axes in labels:
        _place(axes, of_axes)
    return figure


def _named(one: PublishedMethod, panel: _Panel) -> str:
    """A short name for a mark: the method, its backbone, and its input where that is not the usual one."""
    if panel.table != "val":
        return one.method + {"yes": " with post-processing", "no": " without"}.get(one.post, "")
    if one.method.startswith("DistilPose"):
        return one.method
    backbone = one.backbone.replace("HRNet-", "").replace("ResNet-", "R").replace("-stage3", " s3")
    size = "" if one.input in ("", "256×192") else f" {one.input}"
    return f"{one.method} {backbone}{size}"


def _draw_published(axes: Axes, panel: _Panel) -> list[_Label]:
    labels = []
    for one in of_table(panel.table):
        value = panel.theirs(one)
        if value is not None and one.ap is not None:
            mark, colour = _KINDS[one.kind]
            axes.plot([value], [one.ap], mark, color=colour, markersize=4.5, zorder=2)
            labels.append(_Label(_named(one, panel), value, one.ap, MUTED))
    return labels


def _draw_ours(axes: Axes, panel: _Panel, best: Mapping[str, RowNumbers], metric: str) -> list[_Label]:
    labels = []
    for model, row in best.items():
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


def _place(axes: Axes, labels: list[_Label]) -> None:
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
