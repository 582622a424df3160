"""What each loss is worth: what it adds where it is added, Shapley values, and the way from no loss to all of them."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports.formats.cells import Cell, bounds, chance, change, gap, number, text
from reports.formats.drawing import FAINT, INK, OURS, PAPER, SMALL, WIDTH, Drawing, draw
from reports.formats.page import Section, there
from reports.formats.table import Column, Table, fill
from reports.formats.words import signed
from reports.numbers.sweep import RowNumbers, SweepNumbers
from reports.sections.confounds import as_trained, confound_sentences, confounds
from reports.statistics.differences import Difference, paired_difference
from reports.statistics.loss_effects import Addition, Game, LossEffects, Losses, ShapleyValue, loss_effects
from reports.statistics.resampling import LEAST_SEEDS

_MOST_PANELS = 6
_GREY = "#9a9994"


def losses(numbers: SweepNumbers) -> Section | None:
    """What each loss is worth; nothing where no losses are ticked."""
    effects = effects_of(numbers)
    if effects is None:
        return None
    blocks = there(waterfall_drawing(numbers, effects))
    return Section(key="losses", title="What each loss adds", blocks=blocks) if blocks else None


def loss_tables(numbers: SweepNumbers) -> Section | None:
    """The gain of each loss beside each other set of losses, and Shapley values."""
    effects = effects_of(numbers)
    blocks = () if effects is None else there(additions_table(numbers, effects), shapley_table(numbers, effects))
    return Section(key="loss-tables", title="Gains of each loss", blocks=blocks, folded=True) if blocks else None


def effects_of(numbers: SweepNumbers) -> LossEffects | None:
    """The effects of the losses that rows tick. None where `rows_by_losses` is."""
    by_losses = rows_by_losses(numbers)
    if by_losses is None:
        return None
    used = frozenset[str]().union(*by_losses)
    return loss_effects(
        [name for name in dict.fromkeys(name for row in numbers.rows for name in row.ticks) if name in used],
        {
            subset: numbers.measured[row.name].values if row.name in numbers.measured else {}
            for subset, row in by_losses.items()
        },
        {
            subset: row.paper[numbers.paper_metric]
            for subset, row in by_losses.items()
            if numbers.paper_metric in row.paper
        },
    )


def rows_by_losses(numbers: SweepNumbers) -> dict[Losses, RowNumbers] | None:
    """A row for each set of losses: of several the one trained most like the row with the most losses.

    None where two are equally like it.
    """
    most = as_trained(max(numbers.rows, key=lambda row: len(row.losses)), numbers)
    found: dict[Losses, list[tuple[int, RowNumbers]]] = {}
    for row in numbers.rows:
        found.setdefault(row.losses, []).append((len(confounds(as_trained(row, numbers), most)), row))
    chosen = {losses: sorted(rows, key=lambda one: one[0]) for losses, rows in found.items()}
    if any(len(rows) > 1 and rows[0][0] == rows[1][0] for rows in chosen.values()):
        return None
    return {losses: rows[0][1] for losses, rows in chosen.items()}


def _left_out(numbers: SweepNumbers) -> tuple[str, ...]:
    """Of rows with the same losses, those that do not count."""
    taken = rows_by_losses(numbers) or {}
    return tuple(
        f"“{row.name}” is left out: it has the losses of “{taken[row.losses].name}” and was trained otherwise."
        for row in numbers.rows
        if row.losses in taken and taken[row.losses] is not row
    )


def _named(losses: Sequence[str]) -> str:
    return " + ".join(losses) or "none"


def _interval(found: Difference | None, digits: int) -> Cell:
    if found is None:
        return gap()
    return bounds(found.interval, digits, reason=f"n = {found.n}" if found.n < LEAST_SEEDS else "")


def _context(one: Addition, effects: LossEffects) -> str:
    if not one.to:
        return "none (put in alone)"
    last = len(one.to) + len(one.added) == len(effects.losses)
    return f"{_named(one.to)} (left out last)" if last else _named(one.to)


def additions_table(numbers: SweepNumbers, effects: LossEffects) -> Table | None:
    """Each loss added to nothing, to all others, and to whatever else was trained with and without it.

    None where the sweep trains no two sets of losses that differ by one loss or group.
    """
    if not any(one.trained for one in effects.additions):
        return None
    digits = numbers.digits

    def gain(one: Addition) -> Cell:
        return change(one.found, digits, reason="not finished" if one.trained else "not trained")

    columns: list[Column[Addition]] = [
        Column("loss added", lambda one: text(_named(one.added))),
        Column("to", lambda one: text(_context(one, effects))),
        Column(numbers.metric, gain, "change", "ours"),
        Column("95 % interval", lambda one: _interval(one.found, digits), "interval", "ours"),
        Column("p (t)", lambda one: chance(one.found.p if one.found else None), "chance", "ours"),
        Column("p (sign flip)", lambda one: chance(one.found.flip_p if one.found else None), "chance", "ours"),
        Column(numbers.paper_metric, lambda one: number(one.paper, digits, signed=True), "number", "paper"),
    ]
    notes = (
        "A loss put in alone is held against none, a loss left out against all: “not trained” says that the sweep "
        "lacks one of the two. Differences are paired by seed. p values here are not corrected for multiple tests.",
        *_left_out(numbers),
        *confound_sentences(numbers),
    )
    return fill(columns, effects.additions, name="additions", caption="What each loss adds", notes=notes)


def shapley_table(numbers: SweepNumbers, effects: LossEffects) -> Table | None:
    """Shapley values for every complete set of losses; None where there is none."""
    if not effects.games:
        return None
    digits = numbers.digits
    columns: list[Column[tuple[Game, ShapleyValue]]] = [
        Column("among", lambda one: text(" | ".join(map(_named, one[0].players)))),
        Column("loss", lambda one: text(_named(one[1].player))),
        Column(
            f"Shapley value ({numbers.metric})",
            lambda one: change(one[1].found, digits, reason="not finished"),
            "change",
            "ours",
        ),
        Column("95 % interval", lambda one: _interval(one[1].found, digits), "interval", "ours"),
        Column(numbers.paper_metric, lambda one: number(one[1].paper, digits, signed=True), "number", "paper"),
    ]
    notes = [
        "A Shapley value is the mean gain from adding a loss over all orders of adding; those of one set add up to "
        "the gain of all its losses together. It is worked out by seed, from the seeds that every subset has."
    ]
    if effects.missing:
        lacking = "; ".join(_named(subset) for subset in effects.missing)
        notes.append(
            f"The {len(effects.losses)} losses have {2 ** len(effects.losses)} subsets, of which "
            f"{len(effects.missing)} are not trained: {lacking}. So the losses have no exact value among all of "
            "them. Shown are the sets of losses, or of groups taken as one, of which every combination was trained "
            "while all other losses are off."
        )
    notes += (*_left_out(numbers), *confound_sentences(numbers))
    values = [(game, value) for game in effects.games for value in game.values]
    return fill(columns, values, name="shapley", caption="Shapley values", notes=notes)


def chains(subsets: Sequence[Losses]) -> list[tuple[Losses, ...]]:
    """Every longest way from the empty set to the greatest through ever larger trained sets, in the rows' order."""
    start, end = frozenset[str](), max(subsets, key=len, default=frozenset())
    if start not in subsets or not end or any(not subset <= end for subset in subsets):
        return []

    def onward(way: tuple[Losses, ...]) -> Iterator[tuple[Losses, ...]]:
        if way[-1] == end:
            yield way
        for subset in subsets:
            if subset > way[-1]:
                yield from onward((*way, subset))

    ways = list(onward((start,)))
    longest = max(len(way) for way in ways)
    return [way for way in ways if len(way) == longest][:_MOST_PANELS] if longest > 2 else []


def waterfall_drawing(numbers: SweepNumbers, effects: LossEffects) -> Drawing | None:
    """A panel for each longest way: where it starts, what each step adds, where it ends. None without such a way."""
    taken = rows_by_losses(numbers) or {}
    rows = {losses: row for losses, row in taken.items() if row.name in numbers.measured}
    ways = chains(list(rows))
    if not ways:
        return None
    across = min(2, len(ways))
    down = math.ceil(len(ways) / across)
    figure = Figure(figsize=(WIDTH, 1.75 * down + 0.2))
    panels = list(figure.subplots(down, across, sharey=True, squeeze=False).flat)
    for axes, way in zip(panels, ways, strict=False):
        _draw_way(axes, way, rows, numbers, effects.losses)
    for axes in panels[len(ways) :]:
        axes.set_visible(False)
    figure.supylabel(numbers.metric)
    intervals = any(found.n >= LEAST_SEEDS for _, found in numbers.compared)
    paper = " Diamonds: the paper's values." if numbers.metric == numbers.paper_metric else ""
    return draw(
        figure,
        name="waterfall",
        caption=f"Cumulative gains in {numbers.metric}, one panel per order of adding losses. Hatched: a decrease."
        + " Lines: 95 % paired t intervals." * intervals
        + paper,
    )


def _draw_way(
    axes: Axes, way: Sequence[Losses], rows: Mapping[Losses, RowNumbers], numbers: SweepNumbers, order: Sequence[str]
) -> None:
    metric, end = numbers.metric, len(way)
    spreads = [rows[one].measured[metric] for one in way]

    def total(place: int, mean: float) -> None:
        axes.bar([place], [mean], width=0.62, color=_GREY)
        _label(axes, f"{mean:.1f}", place, mean)

    def bridge(place: int, mean: float) -> None:
        axes.plot([place - 1 + 0.31, place + 0.31], [mean, mean], color=FAINT, linewidth=0.8, zorder=1)

    total(0, spreads[0].mean)
    labels = [rows[way[0]].name]
    for step, ((low, high), (before, after)) in enumerate(zip(pairwise(spreads), pairwise(way), strict=True), start=1):
        gain = high.mean - low.mean
        bridge(step, low.mean)
        axes.bar(
            [step], [abs(gain)], bottom=min(low.mean, high.mean), width=0.62, color=OURS if gain >= 0 else PAPER,
            hatch=None if gain >= 0 else "////", edgecolor="#ffffff", linewidth=0.4, zorder=2,
        )  # fmt: skip
        paired = paired_difference(high.values, low.values)
        ends = [] if paired is None or paired.interval is None else [paired.interval.low, paired.interval.high]
        if ends:
            axes.plot([step, step], [low.mean + bound for bound in ends], color=INK, linewidth=1.1, zorder=3)
        _label(axes, signed(gain, 1), step, max(low.mean, high.mean, low.mean + max(ends, default=0.0)))
        labels.append("+ " + "\n+ ".join(name for name in order if name in after - before))
    bridge(end, spreads[-1].mean)
    total(end, spreads[-1].mean)
    labels.append(rows[way[-1]].name)
    if metric == numbers.paper_metric and all(metric in rows[one].paper for one in way):
        values = [rows[one].paper[metric] for one in (*way, way[-1])]
        axes.plot(range(end + 1), values, "D", color=PAPER, markersize=4.5, markeredgecolor="#ffffff", zorder=4)
    axes.set_xticks(range(end + 1), labels, fontsize=SMALL, color=INK)
    axes.tick_params(axis="x", length=0)
    axes.margins(y=0.12)
    axes.set_ylim(bottom=0)


def _label(axes: Axes, text: str, x: float, y: float) -> None:
    axes.annotate(text, (x, y), xytext=(0, 3), textcoords="offset points", ha="center", fontsize=SMALL)
