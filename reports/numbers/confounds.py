"""Whether a row and its baseline were trained alike, so that only what the row names can make their difference."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

from reports.formats.cell_text import listed
from reports.numbers.sweep_numbers import SweepNumbers
from reports.paper.setting import value_words

_SEEN = ("data", "input_size", "augmentation", "schedule", "optimizer", "ema", "clip_grad_norm")

Values = Mapping[str, Any]


def confounds(recipe: Values, baseline: Values) -> tuple[str, ...]:
    """What decides a run's batches and steps and differs from the baseline's, in words; none where nothing does.

    Runs that agree in all of it, and in their seed, see the same batches.
    """
    found = []
    for part in _SEEN:
        ours, theirs = recipe.get(part), baseline.get(part)
        if ours == theirs:
            continue
        if part in ("ema", "clip_grad_norm"):
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


def _passes_by_batch(recipe: Values) -> Fraction | None:
    """What the number of steps is in proportion to, on the same people."""
    schedule = recipe.get("schedule") or {}
    known = "epochs" in schedule and "batch_size" in schedule
    return Fraction(schedule["epochs"], schedule["batch_size"]) if known else None


def pairing_sentences(numbers: SweepNumbers) -> tuple[str, ...]:
    """What pairs share, and for which rows a difference of training is in the improvement too."""
    compared = [row for row in numbers.rows if row.improvement is not None]
    if not compared:
        return ()
    paired = f"Improvements over {numbers.against} are paired by seed"
    if not any(row.unlike for row in compared):
        return (f"{paired}: both runs of a pair saw the same batches.",)
    return (f"{paired}.", *confound_sentences(numbers))


def confound_sentences(numbers: SweepNumbers) -> tuple[str, ...]:
    """A sentence for every way in which rows were trained unlike their baselines."""
    return tuple(_confounded(numbers))


def _confounded(numbers: SweepNumbers) -> Iterator[str]:
    groups: dict[tuple[str | None, tuple[str, ...]], list[str]] = {}
    for row in numbers.rows:
        if row.unlike and row.improvement is not None:
            groups.setdefault((row.baseline, row.unlike), []).append(f"“{row.name}”")
    for (baseline, differences), names in groups.items():
        verb, whose = ("differs", "Its improvement includes")
        if len(names) > 1:
            verb, whose = ("differ", "Their improvements include")
        yield (
            f"{listed(names)} {verb} from “{baseline}” in training too: {', '.join(differences)}. {whose} the effect "
            "of that."
        )
