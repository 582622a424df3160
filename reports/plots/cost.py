"""Accuracy against cost: parameters, GFLOPs and speed, among published methods where the data are theirs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.layouts.cost import best_of_models
from reports.literature import PublishedMethod, of_table
from reports.plots.style import INK, LABEL, MUTED, OURS, SMALL, Drawing, calm
from reports.records import Cost, RowNumbers, SweepNumbers

# Okabe and Ito's orange, bluish green and vermilion; each kind has a mark of its own.
_KINDS = {"heatmap": ("s", "#009e73"), "distillation": ("^", "#cc79a7"), "regression": ("D", "#d55e00")}


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
    figure = Figure(figsize=(3.4 * len(panels) + 0.2, 3.6), layout="constrained")
    for axes, panel in zip(figure.subplots(1, len(panels), sharey=True, squeeze=False)[0], panels, strict=True):
        calm(axes)
        if numbers.as_published:
            _draw_published(axes, panel)
        _draw_ours(axes, panel, ours, numbers.metric.name if not numbers.as_published else "AP")
        axes.set_xscale("log")
        axes.set_xlabel(panel.title, fontsize=LABEL, color=INK)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:.0e}"[0] in "25" else "")
        axes.tick_params(which="minor", labelsize=SMALL, colors=MUTED, length=2)
        axes.margins(x=0.16, y=0.1)
    figure.axes[0].set_ylabel("AP" if numbers.as_published else numbers.metric.name, fontsize=LABEL, color=INK)
    if numbers.as_published:
        handles = [
            figure.axes[0].plot([], [], mark, color=colour, markersize=5, label=kind)[0]
            for kind, (mark, colour) in _KINDS.items()
        ]
        handles.append(figure.axes[0].plot([], [], "*", color=OURS, markersize=10, label="this sweep")[0])
        figure.legend(handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=SMALL)
    return figure


def _draw_published(axes: Axes, panel: _Panel) -> None:
    for one in panel.published:
        value = panel.theirs(one)
        if value is None or one.ap is None:
            continue
        mark, colour = _KINDS[one.kind]
        axes.plot([value], [one.ap], mark, color=colour, markersize=4.5, alpha=0.9, zorder=2)
        named = f"{one.method} {one.backbone.replace('HRNet-', '').replace('ResNet-', 'R')}".replace(
            "TokenPose-L W48", ""
        )
        if one.method.startswith("DistilPose") or panel.title == "images a second":
            named = one.method + {"yes": " (post)", "no": " (no post)"}.get(one.post, "")
        _label(axes, named, value, one.ap, colour=MUTED)


def _draw_ours(axes: Axes, panel: _Panel, ours: Sequence[tuple[str, RowNumbers]], metric: str) -> None:
    for model, row in ours:
        value = None if row.cost is None else panel.ours(row.cost)
        found = row.measured.get(metric)
        if value is None or found is None:
            continue
        axes.plot([value], [found.mean], "*", color=OURS, markersize=11, zorder=4)
        if found.std is not None:
            axes.plot(
                [value] * 2, [found.mean - found.std, found.mean + found.std], color=OURS, linewidth=1.2, zorder=3
            )
        _label(axes, model, value, found.mean, colour=OURS)


def _label(axes: Axes, text: str, x: float, y: float, *, colour: str) -> None:
    axes.annotate(text, (x, y), xytext=(5, 2), textcoords="offset points", fontsize=5.6, color=colour, zorder=5)


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
    return Drawing(name="cost", figure=figure, caption=f"{said} Lines: one standard deviation over seeds.", wide=True)
