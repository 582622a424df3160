"""Training curves, a small panel a row."""

from collections.abc import Sequence
from textwrap import wrap

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, StrMethodFormatter

from reports.numbers.records import Curve, RowNumbers
from reports.numbers.sweep_numbers import SweepNumbers
from reports.plots.style import FAINT, INK, LABEL, MUTED, OURS, SMALL, Drawing, small_panels


def _draw_curve(axes: Axes, curve: Curve, colour: str, *, width: float, dashed: bool = False) -> None:
    if curve.seeds > 1:
        axes.fill_between(curve.epochs, curve.low, curve.high, color=colour, alpha=0.22, linewidth=0, zorder=2)
    mark = "o" if len(curve.epochs) == 1 else None
    axes.plot(
        curve.epochs,
        curve.mean,
        color=colour,
        linewidth=width,
        linestyle="--" if dashed else "-",
        marker=mark,
        zorder=3,
    )


def _curve_label(name: str) -> str:
    """The metric's name as a reader knows it."""
    return {"train/loss_reg": "regression loss (training)"}.get(name, name.removeprefix("val/"))


@rc_context({"text.parse_math": False})
def curves_figure(numbers: SweepNumbers, name: str) -> Figure | None:
    """One metric over epochs, a small panel a row: the row in colour over the baseline (dashed) and all others (grey).

    The band spans the seeds, least to greatest. Panels share both axes. None where no row has the metric.

    Args:
        name: the metric's name in the journal, such as `val/AP`.
    """
    rows = [row for row in numbers.drawn_rows if name in row.curves]
    if not rows:
        return None
    figure, panels, across = small_panels(len(rows), height=1.75, margin=0.35)
    for axes, row in zip(panels, rows, strict=True):
        _draw_panel(axes, row, rows, name, row.baseline)
    for axes in panels[-across:]:
        axes.tick_params(labelbottom=True)
    logarithmic = name.startswith("train/") and all(min(row.curves[name].low) > 0 for row in rows)
    if logarithmic:
        panels[0].set_yscale("log")
        for axes in panels:
            axes.minorticks_off()
            axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    figure.supxlabel("epoch", fontsize=LABEL, color=INK)
    figure.supylabel(_curve_label(name), fontsize=LABEL, color=INK)
    return figure


def _draw_panel(axes: Axes, row: RowNumbers, rows: Sequence[RowNumbers], name: str, baseline: str | None) -> None:
    for other in rows:
        if other.name not in (row.name, baseline):
            axes.plot(other.curves[name].epochs, other.curves[name].mean, color=FAINT, linewidth=0.8, zorder=1)
        elif other.name == baseline:
            _draw_curve(axes, other.curves[name], MUTED, width=1.1, dashed=True)
    curve = row.curves[name]
    _draw_curve(axes, curve, OURS, width=1.9)
    axes.set_title("\n".join(wrap(row.name, 26)) or row.name, fontsize=LABEL, color=INK, loc="left", pad=4)
    if name.startswith("val/"):
        axes.annotate(
            f"{curve.mean[-1]:.1f}", (curve.epochs[-1], curve.mean[-1]), xytext=(3, 0), textcoords="offset points",
            fontsize=SMALL, color=OURS, va="center", annotation_clip=False,
        )  # fmt: skip


def curve_names(numbers: SweepNumbers) -> tuple[str, ...]:
    """The metrics worth drawing, in order: the sweep's own, PCK, and the regression loss, which all rows have."""
    wanted = (f"val/{numbers.metric.name}", "val/PCK@0.2", "train/loss_reg")
    return tuple(name for name in dict.fromkeys(wanted) if any(name in row.curves for row in numbers.drawn_rows))


def curves_caption(numbers: SweepNumbers, name: str) -> str:
    """What the panels of one metric show."""
    seeds = max(row.curves[name].seeds for row in numbers.drawn_rows if name in row.curves)
    band = (
        "the mean of the seeds, the band from the least to the greatest"
        if seeds > 1
        else "one seed, so there is no band"
    )
    behind = [f"{numbers.against} (dashed)"] if any(row.baseline for row in numbers.drawn_rows) else []
    others = f", over {' and '.join([*behind, 'the other rows (grey)'])}" if len(numbers.drawn_rows) > 1 else ""
    end = "; the number is that of the last epoch" if name.startswith("val/") else ""
    label = _curve_label(name)
    return f"{label[0].upper()}{label[1:]} by epoch: each row in colour, {band}{others}{end}."


def curve_drawings(numbers: SweepNumbers) -> tuple[Drawing, ...]:
    """Every metric worth drawing, a drawing each."""
    found = []
    for name in curve_names(numbers):
        figure = curves_figure(numbers, name)
        assert figure is not None, "curve_names gives only metrics that some row has"
        short = "".join(letter if letter.isalnum() else "-" for letter in name.partition("/")[2].lower())
        caption = curves_caption(numbers, name)
        found.append(Drawing(name=f"curves-{short}", figure=figure, caption=caption, wide=True))
    return tuple(found)
