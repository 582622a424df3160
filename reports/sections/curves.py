"""Training curves, a small panel a row."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, StrMethodFormatter

from reports.formats.drawing import FAINT, MUTED, OURS, SMALL, draw, small_panels
from reports.formats.page import Section
from reports.formats.words import listed
from reports.numbers.sweep import RowNumbers, SweepNumbers
from reports.read.reader import metric_scale


class Curve(NamedTuple):
    """One metric of one row over epochs: mean of the seeds, and their least and greatest."""

    epochs: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    seeds: int


Curves = Mapping[str, Curve]


def curves(numbers: SweepNumbers) -> Section | None:
    """Every metric worth drawing, a drawing each."""
    drawings, by_row = [], {row.name: row_curves(row, numbers) for row in numbers.drawn_rows}
    for name in curve_names(numbers, by_row):
        found = {row.name: by_row[row.name][name] for row in numbers.drawn_rows if name in by_row[row.name]}
        short = "".join(letter if letter.isalnum() else "-" for letter in name.partition("/")[2].lower())
        caption, figure = _caption(numbers, name, found), curves_figure(numbers, name, found)
        drawings.append(draw(figure, name=f"curves-{short}", caption=caption, wide=True))
    faults = _faults(numbers)
    if not drawings and not faults:
        return None
    text = (f"Left out, with their pictures: the curves of {listed(faults)}.",) if faults else ()
    return Section(key="curves", title="Training curves", short="Curves", text=text, blocks=tuple(drawings))


def _faults(numbers: SweepNumbers) -> list[str]:
    """The runs of drawn rows whose journals are damaged or not those of their results."""
    runs = [(row, run) for row in numbers.drawn_rows for run in row.drawn_runs]
    found = [(row, run, numbers.reader.details(run).journal_fault) for row, run in runs]
    return [f"“{row.name}”, seed {run.seed} ({fault})" for row, run, fault in found if fault]


def row_curves(row: RowNumbers, numbers: SweepNumbers) -> Curves:
    """Curves over the finished runs, or, while none is finished, over those that have begun."""
    read = [(run, numbers.reader.details(run).curves) for run in row.drawn_runs]
    sources = [found for run, found in read if run.finished] or [found for _, found in read if found]
    names = dict.fromkeys(name for found in sources for name in found)
    means = {name: mean_curve([found.get(name, {}) for found in sources], metric_scale(name)) for name in names}
    return {name: curve for name, curve in means.items() if curve is not None}


def mean_curve(runs: Sequence[Mapping[float, float]], scale: float = 1.0) -> Curve | None:
    """Mean, least and greatest over runs at the epochs that all of them reached; None where there is no such epoch."""
    epochs = sorted(set(runs[0]).intersection(*runs)) if runs else []
    if not epochs:
        return None
    columns = [[run[epoch] * scale for run in runs] for epoch in epochs]
    return Curve(
        epochs=tuple(epochs),
        mean=tuple(sum(column) / len(column) for column in columns),
        low=tuple(map(min, columns)),
        high=tuple(map(max, columns)),
        seeds=len(runs),
    )


def curve_names(numbers: SweepNumbers, by_row: Mapping[str, Curves]) -> tuple[str, ...]:
    """The metrics worth drawing, in order: the sweep's own, PCK, and the regression loss, which all rows have."""
    wanted = (f"val/{numbers.plan.metric}", "val/PCK@0.2", "train/loss_reg")
    return tuple(name for name in dict.fromkeys(wanted) if any(name in found for found in by_row.values()))


def curves_figure(numbers: SweepNumbers, name: str, found: Curves) -> Figure:
    """One metric over epochs, a small panel a row: the row in colour over the baseline (dashed) and all others (grey).

    The band spans the seeds, least to greatest. Panels share both axes.

    Args:
        numbers: of the sweep.
        name: the metric's name in the journal, such as `val/AP`.
        found: the metric's curve of each row that has it.
    """
    figure, panels, across = small_panels(list(found), height=1.75, margin=0.35)
    rows = {row.name: row for row in numbers.drawn_rows}
    for axes, row in zip(panels, found, strict=True):
        for other, curve in found.items():
            if other == rows[row].baseline:
                _draw_curve(axes, curve, MUTED, width=1.1, style="--")
            elif other != row:
                axes.plot(curve.epochs, curve.mean, color=FAINT, linewidth=0.8, zorder=1)
        _draw_curve(axes, found[row], OURS, width=1.9, style="-")
        if name.startswith("val/"):
            axes.annotate(
                f"{found[row].mean[-1]:.1f}", (found[row].epochs[-1], found[row].mean[-1]), xytext=(3, 0),
                textcoords="offset points", fontsize=SMALL, color=OURS, va="center", annotation_clip=False,
            )  # fmt: skip
    for axes in panels[-across:]:
        axes.tick_params(labelbottom=True)
    if name.startswith("train/") and all(min(curve.low) > 0 for curve in found.values()):
        panels[0].set_yscale("log")
        for axes in panels:
            axes.minorticks_off()
            axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    figure.supxlabel("epoch")
    figure.supylabel(_label(name))
    return figure


def _draw_curve(axes: Axes, curve: Curve, colour: str, *, width: float, style: str) -> None:
    if curve.seeds > 1:
        axes.fill_between(curve.epochs, curve.low, curve.high, color=colour, alpha=0.22, linewidth=0, zorder=2)
    mark = "o" if len(curve.epochs) == 1 else None
    axes.plot(curve.epochs, curve.mean, color=colour, linewidth=width, linestyle=style, marker=mark, zorder=3)


def _label(name: str) -> str:
    """The metric's name as a reader knows it."""
    return {"train/loss_reg": "regression loss (training)"}.get(name, name.removeprefix("val/"))


def _caption(numbers: SweepNumbers, name: str, found: Curves) -> str:
    """What the panels of one metric show."""
    seeds = max(curve.seeds for curve in found.values())
    mean = "the mean of the seeds, the band from the least to the greatest"
    band = mean if seeds > 1 else "one seed, so there is no band"
    behind = [f"{numbers.against} (dashed)"] if any(row.baseline for row in numbers.drawn_rows) else []
    others = f", over {' and '.join([*behind, 'the other rows (grey)'])}" if len(numbers.drawn_rows) > 1 else ""
    end = "; the number is that of the last epoch" if name.startswith("val/") else ""
    label = _label(name)
    return f"{label[0].upper()}{label[1:]} by epoch: each row in colour, {band}{others}{end}."
