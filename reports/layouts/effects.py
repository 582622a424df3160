"""What each loss is worth, as tables: what it adds where it is added, and Shapley values."""

from collections.abc import Sequence

from reports.formats.tables import Cell, Column, Gap, Table, Text, bounds, chance, change, number
from reports.numbers.confounds import confound_sentences
from reports.numbers.records import Addition, Difference, Interval, LossEffects
from reports.numbers.resampling import LEAST_SEEDS
from reports.numbers.sweep_numbers import SweepNumbers


def _named(losses: Sequence[str]) -> str:
    return " + ".join(losses) or "none"


def _interval(found: Difference | None, digits: int) -> Cell:
    if found is None or found.low is None or found.high is None:
        return Gap() if found is None or found.n >= LEAST_SEEDS else Gap(f"n = {found.n}")
    return bounds(Interval(low=found.low, high=found.high), digits)


def _context(one: Addition, effects: LossEffects) -> str:
    if not one.to:
        return "none (put in alone)"
    return (
        f"{_named(one.to)} (left out last)" if len(one.to) + len(one.added) == len(effects.losses) else _named(one.to)
    )


def additions_table(numbers: SweepNumbers) -> Table | None:
    """Each loss added to nothing, to all others, and to whatever else was trained with and without it.

    None where the sweep trains no two sets of losses that differ by one loss or group.
    """
    effects, digits = numbers.effects, numbers.metric.digits
    if effects is None or not any(one.trained for one in effects.additions):
        return None
    columns = (
        Column(title="loss added"),
        Column(title="to"),
        Column(title=numbers.metric.name, group="ours", kind="change"),
        Column(title="95 % interval", group="ours", kind="interval"),
        Column(title="p (t)", group="ours", kind="chance"),
        Column(title="p (sign flip)", group="ours", kind="chance"),
        Column(title=numbers.paper_metric, group="paper", kind="number"),
    )
    rows = tuple(
        (
            Text(_named(one.added)),
            Text(_context(one, effects)),
            change(one.found, digits, reason="not finished" if one.trained else "not trained"),
            _interval(one.found, digits),
            chance(one.found.p if one.found else None),
            chance(one.found.flip_p if one.found else None),
            number(one.paper, digits, signed=True),
        )
        for one in effects.additions
    )
    notes = (
        "A loss put in alone is held against none, a loss left out against all: “not trained” says that the sweep "
        "lacks one of the two. Differences are paired by seed. p values here are not corrected for multiple tests.",
        *confound_sentences(numbers),
    )
    return Table(name="additions", caption="What each loss adds", columns=columns, rows=rows, notes=notes)


def shapley_table(numbers: SweepNumbers) -> Table | None:
    """Shapley values for every complete set of losses; None where there is none."""
    effects, digits = numbers.effects, numbers.metric.digits
    if effects is None or not effects.games:
        return None
    columns = (
        Column(title="among"),
        Column(title="loss"),
        Column(title=f"Shapley value ({numbers.metric.name})", group="ours", kind="change"),
        Column(title="95 % interval", group="ours", kind="interval"),
        Column(title=numbers.paper_metric, group="paper", kind="number"),
    )
    rows = tuple(
        (
            Text(" | ".join(_named(player) for player in game.players)),
            Text(_named(value.player)),
            change(value.found, digits, reason="not finished"),
            _interval(value.found, digits),
            number(value.paper, digits, signed=True),
        )
        for game in effects.games
        for value in game.values
    )
    return Table(
        name="shapley",
        caption="Shapley values",
        columns=columns,
        rows=rows,
        notes=(*_notes(effects), *confound_sentences(numbers)),
    )


def _notes(effects: LossEffects) -> tuple[str, ...]:
    said = [
        "A Shapley value is the mean gain from adding a loss over all orders of adding; those of one set add up to "
        "the gain of all its losses together. It is worked out by seed, from the seeds that every subset has."
    ]
    if effects.missing:
        lacking = "; ".join(_named(subset) for subset in effects.missing)
        said.append(
            f"The {len(effects.losses)} losses have {2 ** len(effects.losses)} subsets, of which "
            f"{len(effects.missing)} are not trained: {lacking}. So the losses have no exact value among all of "
            "them. Shown are the sets of losses, or of groups taken as one, of which every combination was trained "
            "while all other losses are off."
        )
    return tuple(said)
