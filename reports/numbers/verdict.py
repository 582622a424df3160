"""What a sweep shows, in sentences that its numbers bear: the headline of a report and what supports or limits it."""

from collections.abc import Sequence
from typing import NamedTuple

from reports.formats.cell_text import listed, plain, signed
from reports.numbers.confounds import confound_sentences
from reports.numbers.records import SIGNIFICANT, Interval, RowNumbers, Spread
from reports.numbers.resampling import LEAST_SEEDS, smallest_sign_flip_p
from reports.numbers.statistics import paired_difference
from reports.numbers.sweep_numbers import SweepNumbers


class Verdict(NamedTuple):
    """One sentence, and the further sentences that a careful reader wants at once."""

    headline: str
    support: tuple[str, ...]


def _value(spread: Spread, digits: int) -> str:
    std = "" if spread.std is None else f" ± {plain(spread.std, digits)}"
    return plain(spread.mean, digits) + std


def _headline(numbers: SweepNumbers) -> str:
    metric, digits = numbers.metric.name, numbers.metric.digits
    measured = sorted(
        (row for row in numbers.rows if metric in row.measured),
        key=lambda row: -numbers.metric.sign * row.measured[metric].mean,
    )
    if not measured:
        return "Nothing has finished yet, so there is nothing to say."
    by_name = {row.name: row for row in measured}
    top = measured[0]
    nearest = next((row for row in measured if row.baseline in by_name), None)
    if nearest is None:
        lacking = f"; “{top.baseline}”, which it is measured against, has not finished" if top.baseline else ""
        return f"“{top.name}” reaches {metric} {_value(top.measured[metric], digits)} ({_seeds(top)}){lacking}."
    ours = nearest.measured[metric]
    base = by_name[nearest.baseline or ""].measured[metric]
    against = (
        f"{_value(ours, digits)} {metric} against {_value(base, digits)} for “{nearest.baseline}”"
        f"{_change(nearest, digits, numbers.paper_metric)}."
    )
    if top is nearest:
        highest = (
            f"has the {'lowest' if numbers.metric.lower_is_better else 'highest'} {'mean' if ours.n > 1 else 'value'},"
        )
        claim = "is best, with" if _is_best(measured, metric) else highest
        return f"“{top.name}” {claim} {against}"
    better = "lower" if numbers.metric.lower_is_better else "higher"
    higher = f"No row has a {better} {'mean' if ours.n > 1 else 'value'} than “{top.name}”"
    if top.name != nearest.baseline:
        higher += f" ({_value(top.measured[metric], digits)} {metric})"
    return f"{higher}: the nearest with a baseline, “{nearest.name}”, has {against}"


def _is_best(ranked: Sequence[RowNumbers], metric: str) -> bool:
    """Whether the first row is told apart from its baseline and from the second, of as many as could have been it."""
    first, second = ranked[:2]
    if first.improvement is None or not first.improvement.distinguishable:
        return False
    found = paired_difference(first.measured[metric].values, second.measured[metric].values)
    return found is not None and found.p is not None and found.p * (len(ranked) - 1) < SIGNIFICANT


def _seeds(row: RowNumbers) -> str:
    n = len(row.improvement.pairs) if row.improvement else len(next(iter(row.measured.values())).values)
    return "one seed" if n == 1 else f"{n} seeds"


def _change(row: RowNumbers, digits: int, paper_metric: str) -> str:
    if row.improvement is None:
        return ""
    found = row.improvement
    parts = [_seeds(row)]
    if found.low is not None and found.high is not None:
        parts.insert(0, f"95 % interval {signed(found.low, digits)} to {signed(found.high, digits)}")
    if row.paper_improvement is not None:
        parts.append(f"the paper: {signed(row.paper_improvement, digits)} {paper_metric}")
    return f", a difference of {signed(found.mean, digits)} ({'; '.join(parts)})"


def _told_apart(numbers: SweepNumbers) -> list[str]:
    """Which rows differ significantly from their baselines, and which do not."""
    compared = [row for row in numbers.rows if row.improvement is not None]
    if not compared:
        return []
    most = max(row.improvement.n for row in compared if row.improvement is not None)
    if most < LEAST_SEEDS:
        few = "One seed a row is" if most == 1 else "Two seeds a row are"
        return [f"{few} too few for any test or interval; run at least 5 seeds to decide anything."]
    tested = {row.name for row in compared if row.improvement is not None and row.improvement.p_adjusted is not None}
    if not tested:
        return ["The differences do not vary between seeds, so nothing can be tested."]
    groups: dict[tuple[str, str | None], list[str]] = {}
    for row in compared:
        found = row.improvement
        if found is not None and row.name in tested:
            direction = "better" if numbers.metric.sign * found.mean > 0 else "worse"
            group = (direction if found.distinguishable else "unclear", row.baseline)
            groups.setdefault(group, []).append(f"“{row.name}”")
    said = []
    for (direction, baseline), names in sorted(groups.items(), key=lambda one: one[0][0]):
        if direction == "unclear":
            verb = "does" if len(names) == 1 else "do"
            said.append(f"{listed(names)} {verb} not differ significantly from “{baseline}”")
        else:
            verb = "is" if len(names) == 1 else "are"
            said.append(f"{listed(names)} {verb} significantly {direction} than “{baseline}”")
    untested = [f"“{row.name}”" for row in compared if row.name not in tested]
    if untested:
        said.append(f"{listed(untested)}: not tested (fewer than three pairs, or pairs that do not vary)")
    pairs = min(row.improvement.n for row in compared if row.improvement is not None and row.name in tested)
    tests = f"paired t tests over seeds, Holm's correction over {len(tested)} comparisons, p < {SIGNIFICANT:g}"
    sentences = [f"{'; '.join(said)}: {tests}."]
    if pairs < 5:
        sentences.append(
            f"With {pairs} seeds the 95 % intervals are very wide; run at least 5 seeds to decide anything."
        )
    if smallest_sign_flip_p(pairs) >= SIGNIFICANT:
        sentences.append(
            "The t tests assume normally distributed differences. A sign-flip test, which does not, cannot go below "
            f"p = {smallest_sign_flip_p(pairs):g} with {pairs} seeds."
        )
    return sentences


def _within(interval: Interval) -> str:
    return f"{plain(interval.low, 2)} to {plain(interval.high, 2)}"


def _ordering(numbers: SweepNumbers) -> list[str]:
    found = numbers.agreement
    if found is None:
        return []
    strength = "agrees with" if found.p < SIGNIFICANT else "does not clearly agree with"
    by_seed = ""
    if len(found.per_seed) > 1:
        low, high = min(found.per_seed.values()), max(found.per_seed.values())
        by_seed = f"; per seed {plain(low, 2)} to {plain(high, 2)}"
    ours = numbers.metric.name
    unlike = "" if numbers.paper_metric == ours else f", by {ours} here and {numbers.paper_metric} there"
    return [
        f"The order of the rows {strength} the paper's{unlike}: Spearman's ρ = {plain(found.rho, 2)} "
        f"over n = {found.n} rows (one-sided p = {found.p:.2g}{by_seed})."
    ]


def agreement_sentences(numbers: SweepNumbers) -> tuple[str, ...]:
    """How far order and improvements agree with the paper's, with intervals, and what those are over."""
    said = []
    found = numbers.agreement
    if found is not None:
        bounds = []
        if found.over_rows is not None:
            bounds.append(f"{_within(found.over_rows)} for rows like these (Bonett and Wright, n = {found.n})")
        if found.over_seeds is not None:
            bounds.append(
                f"{_within(found.over_seeds)} for these rows and other seeds (bootstrap, too narrow for few seeds)"
            )
        intervals = f"; 95 % intervals: {', '.join(bounds)}" if bounds else "; so few rows or seeds give no interval"
        said.append(f"Order: Spearman's rank correlation with the paper's is ρ = {plain(found.rho, 2)}{intervals}.")
    gains = numbers.improvements
    if gains is not None:
        same = f"{gains.same_sign} of {gains.n} point the same way as the paper's"
        close = ""
        if gains.pearson is not None:
            interval = f", 95 % interval {_within(gains.interval)}" if gains.interval is not None else ""
            close = f"; their correlation is r = {plain(gains.pearson, 2)}{interval}"
        gap = (
            f"; they differ by {gains.mean_absolute_gap:.1f} points on average (ours minus the paper's: "
            f"{signed(gains.mean_gap, 1)})"
            if numbers.metric.name == numbers.paper_metric
            else ""
        )
        said.append(f"Improvements over {numbers.against}: {same}{close}{gap}.")
    return tuple(said)


def _complete(numbers: SweepNumbers) -> list[str]:
    lacking, total = len(numbers.unfinished), len(numbers.runs)
    return (
        [f"Incomplete: {lacking} of {total} runs have no result, listed below with their reasons."] if lacking else []
    )


def _code(numbers: SweepNumbers) -> list[str]:
    """The pieces of code of which the finished runs had more than one, though of one version."""
    mixed = [fact.name.removeprefix("code ") for fact in numbers.facts if fact.name.startswith("code ")]
    differing = {fact.name.removeprefix("code ") for fact in numbers.facts if not fact.agrees}
    found = [name for name in mixed if name in differing]
    return [f"The finished runs were trained by different code of {listed(found)}: compare with care."] if found else []


def verdict(numbers: SweepNumbers) -> Verdict:
    """The headline and its support. Only what was measured is claimed; one seed is said to be one seed."""
    doubts = [*_code(numbers), *_complete(numbers)]
    support = [*_told_apart(numbers), *confound_sentences(numbers), *_ordering(numbers)]
    return Verdict(_headline(numbers), (*doubts, *support))
