"""Whether a row and its baseline were trained alike, so that only what the row names can make their difference."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from reports.formats.words import listed, value_words
from reports.numbers.sweep import RowNumbers, SweepNumbers

_SEEN = ("start", "data", "input_size", "augmentation", "schedule", "optimizer", "ema", "clip_grad_norm")
_WHOLE = ("start", "ema", "clip_grad_norm")

Recipe = Mapping[str, Any]


def confounds(recipe: Recipe, baseline: Recipe) -> tuple[str, ...]:
    """What decides a run's batches and steps and differs from the baseline's, in words; none where nothing does.

    Runs that agree in all of it, and in their seed, see the same batches.
    """
    found = []
    for part in _SEEN:
        ours, theirs = recipe.get(part), baseline.get(part)
        if ours == theirs:
            continue
        if part in _WHOLE:
            words = ("none" if one is None else value_words(one) for one in (ours, theirs))
            found.append(f"{part.replace('_', ' ')} {' against '.join(words)}")
            continue
        if part == "data" or not isinstance(ours, Mapping) or not isinstance(theirs, Mapping):
            found.append(f"other {part.replace('_', ' ')}")
            continue
        for field in dict.fromkeys((*ours, *theirs)):
            if ours.get(field) != theirs.get(field):
                words = (value_words(one[field]) if field in one else "unset" for one in (ours, theirs))
                found.append(f"{field.replace('_', ' ')} {' against '.join(words)}")
    if _passes_by_batch(recipe) != _passes_by_batch(baseline):
        found.append("so another number of optimiser steps")
    return tuple(found)


def _passes_by_batch(recipe: Recipe) -> Fraction | None:
    """The number of steps is in proportion to this, on the same people."""
    schedule = recipe.get("schedule") or {}
    known = "epochs" in schedule and "batch_size" in schedule
    return Fraction(schedule["epochs"], schedule["batch_size"]) if known else None


def confound_sentences(numbers: SweepNumbers) -> tuple[str, ...]:
    """A sentence for every way in which rows were trained unlike their baselines."""
    by_name = {row.name: row for row in numbers.rows}
    groups: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for row, _ in numbers.compared:
        assert row.baseline is not None
        differences = confounds(as_trained(row, numbers), as_trained(by_name[row.baseline], numbers))
        if differences:
            groups.setdefault((row.baseline, differences), []).append(f"“{row.name}”")
    said = []
    for (baseline, differences), names in groups.items():
        one = len(names) == 1
        verb, whose = ("differs", "Its improvement includes") if one else ("differ", "Their improvements include")
        reasons = ", ".join(differences)
        said.append(f"{listed(names)} {verb} from “{baseline}” in training too: {reasons}. {whose} the effect of that.")
    return tuple(said)


def as_trained(row: RowNumbers, numbers: SweepNumbers) -> Recipe:
    """The recipe of the first run that finished, if one has, with its data's content and the trunk it began with."""
    run = min(row.runs, key=lambda run: not run.finished)
    start = run.identity.get("start")
    if start is not None:
        names = (f"“{one.name}”" for one in numbers.rows for other in one.runs if other.run_id == start)
        start = f"trunk of {next(names, f'run {start}')}"
    return {**run.recipe, "data": run.identity.get("data", run.recipe.get("data")), "start": start}


def pairing_sentences(numbers: SweepNumbers) -> tuple[str, ...]:
    """What pairs share, and for which rows a difference of training is in the improvement too."""
    if not numbers.compared:
        return ()
    paired, differing = f"Improvements over {numbers.against} are paired by seed", confound_sentences(numbers)
    return (f"{paired}.", *differing) if differing else (f"{paired}: both runs of a pair saw the same batches.",)
