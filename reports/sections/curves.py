"""Training curves: the sweep's metric and the regression loss by epoch, a named line a row."""

from collections.abc import Mapping, Sequence
from textwrap import shorten
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, StrMethodFormatter

from reports.formats.drawing import INK, LINES, MUTED, SMALL, WIDTH, draw, one_panel
from reports.formats.page import Section
from reports.formats.words import listed
from reports.numbers.sweep import RowNumbers, SweepNumbers
from reports.read.reader import metric_scale


class Curve(NamedTuple):
    """One metric of one row over epochs, the mean of the seeds."""

    epochs: tuple[float, ...]
    mean: tuple[float, ...]


Curves = Mapping[str, Curve]


def curves(numbers: SweepNumbers) -> Section | None:
    """A drawing for each metric that has a curve."""
    drawings, by_row = [], {row.name: row_curves(row, numbers) for row in numbers.drawn_rows}
    for name in (f"val/{numbers.plan.metric}", "train/loss_reg"):
        found = {row: of_row[name] for row, of_row in by_row.items() if name in of_row and len(of_row[name].epochs) > 1}
        if found:
            short = "".join(letter if letter.isalnum() else "-" for letter in name.partition("/")[2].lower())
            dashed = f"; “{numbers.plan.baseline}” dashed" if numbers.plan.baseline in found and len(found) > 1 else ""
            caption = f"{_label(name)} by epoch, mean of the seeds{dashed}."
            drawings.append(draw(curves_figure(numbers, name, found), name=f"curves-{short}", caption=caption))
    faults = _faults(numbers)
    if not drawings and not faults:
        return None
    text = (f"Left out, with their pictures: the curves of {listed(faults)}.",) if faults else ()
    return Section(key="curves", title="Training curves", text=text, blocks=tuple(drawings))


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
    """The mean over runs at the epochs that all of them reached; None where there is no such epoch."""
    epochs = sorted(set(runs[0]).intersection(*runs)) if runs else []
    if not epochs:
        return None
    means = (sum(run[epoch] for run in runs) * scale / len(runs) for epoch in epochs)
    return Curve(epochs=tuple(epochs), mean=tuple(means))


def curves_figure(numbers: SweepNumbers, name: str, found: Curves) -> Figure:
    """A line a row, named at its end; the baseline is dashed.

    Args:
        numbers: of the sweep.
        name: the metric's name in the journal, such as `val/AP`.
        found: the metric's curve of each row that has it.
    """
    figure, axes = one_panel(WIDTH, 3.2)
    for place, (row, curve) in enumerate(found.items()):
        plain = row == numbers.plan.baseline
        colour = INK if plain else LINES[place % len(LINES)]
        axes.plot(curve.epochs, curve.mean, color=colour, linewidth=1.5, linestyle="--" if plain else "-")
    if name.startswith("train/") and all(min(curve.mean) > 0 for curve in found.values()):
        axes.set_yscale("log")
        axes.minorticks_off()
        axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.set_xlabel("epoch")
    axes.set_ylabel(_label(name))
    _name_ends(axes, found)
    return figure


def _name_ends(axes: Axes, found: Curves) -> None:
    """Write each row's name right of the axes, as near to its line's end as the other names let it."""
    axes.margins(y=0.08)
    ends = {
        row: axes.transAxes.inverted().transform(axes.transData.transform((curve.epochs[-1], curve.mean[-1])))[1]
        for row, curve in found.items()
    }
    apart = min(0.066, 1 / max(1, len(ends)))
    heights = spread_out(list(ends.values()), apart)
    for (row, curve), height in zip(found.items(), heights, strict=True):
        line = {"arrowstyle": "-", "color": MUTED, "linewidth": 0.5, "shrinkA": 1, "shrinkB": 0, "relpos": (0, 0.5)}
        axes.annotate(
            shorten(row, 28, placeholder=" …"), (curve.epochs[-1], curve.mean[-1]), xytext=(1.05, height), color=INK,
            textcoords="axes fraction", fontsize=SMALL, va="center", annotation_clip=False, arrowprops=line,
        )  # fmt: skip


def spread_out(wanted: Sequence[float], apart: float) -> list[float]:
    """Heights in [0, 1] at least `apart` from each other, in the order of the wanted ones and near to them."""
    order = sorted(range(len(wanted)), key=lambda place: wanted[place])
    heights = [0.0] * len(wanted)
    least = 0.0
    for place in order:
        heights[place] = least = max(wanted[place], least)
        least += apart
    most = 1.0
    for place in reversed(order):
        heights[place] = min(heights[place], most)
        most = heights[place] - apart
    return heights


def _label(name: str) -> str:
    """The metric's name as a reader knows it."""
    return {"train/loss_reg": "Regression loss"}.get(name, name.removeprefix("val/"))
