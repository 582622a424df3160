"""What a sweep shows, in sentences that its numbers bear: the headline of a report and what supports or limits it."""

from collections.abc import Sequence
from typing import NamedTuple

from reports.records import Interval, RowNumbers, Spread, SweepNumbers
from reports.renderers import plain, signed
from reports.resampling import smallest_sign_flip_p
from reports.statistics import reach

_MOST_NAMES = 12


class Verdict(NamedTuple):
    """One sentence, and the further sentences that a careful reader wants at once."""

    headline: str
    support: tuple[str, ...]


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: `a`, `a and b`, `a, b and c`; of a great many, the first and how many others."""
    if len(names) > _MOST_NAMES:
        return f"{', '.join(names[: _MOST_NAMES - 1])} and {len(names) - _MOST_NAMES + 1} others"
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else "none"


def _value(spread: Spread, digits: int) -> str:
    std = "" if spread.std is None else f" ± {plain(spread.std, digits)}"
    return plain(spread.mean, digits) + std


def _headline(numbers: SweepNumbers) -> str:
    metric, digits = numbers.metric.name, numbers.metric.digits
    measured = [row for row in numbers.rows if metric in row.measured]
    if not measured:
        return "Nothing has finished yet, so there is nothing to say."
    others = [row for row in measured if row.baseline is not None]
    top = max(others or measured, key=lambda row: row.measured[metric].mean)
    baseline = next((row for row in measured if row.name == top.baseline), None)
    if baseline is None:
        lacking = f"; “{top.baseline}”, which it is measured against, has not finished" if top.baseline else ""
        return f"“{top.name}” reaches {metric} {_value(top.measured[metric], digits)} ({_seeds(top)}){lacking}."
    ours, base = top.measured[metric], baseline.measured[metric]
    against = f"{_value(ours, digits)} {metric} against {_value(base, digits)} for “{baseline.name}”"
    if ours.mean > base.mean or numbers.own_baselines:
        start = f"“{top.name}” is best, with {against}"
    else:
        start = f"No row improves on “{baseline.name}”: the nearest, “{top.name}”, has {against}"
    return start + _change(top, digits, numbers.paper_metric) + "."


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
    """Which rows differ from the baseline by more than seeds explain, and which do not."""
    against = numbers.against
    compared = [row for row in numbers.rows if row.improvement is not None]
    tested = [row for row in compared if row.improvement is not None and row.improvement.p_adjusted is not None]
    if not compared:
        return []
    if not tested:
        if all(row.improvement is not None and row.improvement.n == 1 for row in compared):
            return ["One seed a row: no difference can be told from chance, whatever its size."]
        return ["The differences do not vary between seeds, so nothing can be tested."]
    groups: dict[str, list[str]] = {"better": [], "worse": [], "unclear": []}
    for row in tested:
        assert row.improvement is not None
        direction = "better" if row.improvement.mean > 0 else "worse"
        groups[direction if row.improvement.distinguishable else "unclear"].append(f"“{row.name}”")
    said = []
    for direction in ("better", "worse"):
        if groups[direction]:
            verb = "is" if len(groups[direction]) == 1 else "are"
            said.append(f"{listed(groups[direction])} {verb} {direction} than {against} by more than seeds explain")
    if groups["unclear"]:
        said.append(f"{listed(groups['unclear'])} cannot be told from {against}")
    known = {row.name for row in tested}
    untested = [f"“{row.name}”" for row in compared if row.name not in known]
    if untested:
        said.append(f"{listed(untested)} cannot be tested (fewer than two pairs, or pairs that do not vary)")
    pairs = min(row.improvement.n for row in tested if row.improvement is not None)
    tests = f"paired t tests over seeds, Holm's correction over {len(tested)} comparisons, p < 0.05"
    sentences = [f"{'; '.join(said)}: {tests}."]
    if smallest_sign_flip_p(pairs) >= 0.05:
        sentences.append(
            f"With {pairs} pairs an interval reaches {reach(pairs):.1f} standard errors either way, so that large "
            "differences may stay undecided. It also rests on differences being normally distributed: a sign-flip "
            f"test, which assumes nothing of the kind, cannot go below p = {smallest_sign_flip_p(pairs):g}."
        )
    return sentences


def _within(interval: Interval) -> str:
    return f"{plain(interval.low, 2)} to {plain(interval.high, 2)}"


def _ordering(numbers: SweepNumbers) -> list[str]:
    found = numbers.agreement
    if found is None:
        return []
    strength = "agrees with" if found.p < 0.05 else "does not clearly agree with"
    by_seed = ""
    if len(found.per_seed) > 1:
        low, high = min(found.per_seed.values()), max(found.per_seed.values())
        by_seed = f"; seed by seed from {plain(low, 2)} to {plain(high, 2)}"
    ours = numbers.metric.name
    unlike = "" if numbers.paper_metric == ours else f", by {ours} here and {numbers.paper_metric} there"
    return [
        f"The order of the rows {strength} the paper's{unlike}: Spearman's ρ = {plain(found.rho, 2)} "
        f"over n = {found.n} rows (p = {found.p:.2g} for an agreement as good by luck{by_seed})."
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
            bounds.append(f"{_within(found.over_seeds)} for these rows and other seeds (bootstrap)")
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


def verdict(numbers: SweepNumbers) -> Verdict:
    """The headline and its support. Only what was measured is claimed; one seed is said to be one seed."""
    support = [*_complete(numbers), *_told_apart(numbers), *_ordering(numbers)]
    return Verdict(_headline(numbers), tuple(support))
