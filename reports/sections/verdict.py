"""How a report opens: the claim that the numbers bear, and what supports or limits it."""

from collections.abc import Sequence

from reports.formats.page import Opening
from reports.formats.words import listed, plain, signed
from reports.numbers.sweep import RowNumbers, SweepNumbers
from reports.sections.confounds import confound_sentences
from reports.sections.paper import agreement
from reports.sections.provenance import different_code
from reports.statistics.differences import SIGNIFICANT, Spread, paired_difference
from reports.statistics.resampling import LEAST_SEEDS, smallest_sign_flip_p

_MOST_NAMED = 6


def opening(numbers: SweepNumbers) -> Opening:
    """The opening of a report. Only what was measured is claimed; one seed is called one seed."""
    plan, lacking, total = numbers.plan, len(numbers.unfinished), len(numbers.runs)
    return Opening(
        title=plan.title or plan.sweep,
        sweep=plan.sweep,
        profile=plan.profile,
        headline=headline(numbers),
        support=support(numbers),
        finished=f"{total - lacking} of {total}",
        data=str(plan.settings.get("data", "")),
    )


def support(numbers: SweepNumbers) -> tuple[str, ...]:
    """The further sentences that a careful reader wants at once, doubts first."""
    doubts, code, lacking = [], different_code(numbers), len(numbers.unfinished)
    if code:
        doubts.append(f"The finished runs were trained by different code of {listed(code)}: compare with care.")
    if lacking:
        doubts.append(
            f"Incomplete: {lacking} of {len(numbers.runs)} runs have no result, listed below with their reasons."
        )
    return (*doubts, *_tested(numbers), *confound_sentences(numbers), *_ordering(numbers))


def _value(spread: Spread, digits: int) -> str:
    std = "" if spread.std is None else f" ± {plain(spread.std, digits)}"
    return plain(spread.mean, digits) + std


def headline(numbers: SweepNumbers) -> str:
    """The claim."""
    metric, digits = numbers.metric, numbers.digits
    measured = sorted(
        (row for row in numbers.rows if metric in row.measured),
        key=lambda row: -numbers.sign * row.measured[metric].mean,
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
        highest = f"has the {'highest' if numbers.sign > 0 else 'lowest'} {'mean' if ours.n > 1 else 'value'},"
        claim = "is best, with" if _is_best(measured, metric) else highest
        return f"“{top.name}” {claim} {against}"
    better = "higher" if numbers.sign > 0 else "lower"
    higher = f"No row has a {better} {'mean' if ours.n > 1 else 'value'} than “{top.name}”"
    if top.name != nearest.baseline:
        higher += f" ({_value(top.measured[metric], digits)} {metric})"
    return f"{higher}: the nearest with a baseline, “{nearest.name}”, has {against}"


def _is_best(ranked: Sequence[RowNumbers], metric: str) -> bool:
    """Whether the first row is told apart from its baseline and from the second, of as many as could have been it."""
    first, second = ranked[:2]
    if first.improvement is None or not first.improvement.significant:
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
    if found.interval is not None:
        parts.insert(0, f"95 % interval {signed(found.interval.low, digits)} to {signed(found.interval.high, digits)}")
    if row.paper_improvement is not None:
        parts.append(f"the paper: {signed(row.paper_improvement, digits)} {paper_metric}")
    return f", a difference of {signed(found.mean, digits)} ({'; '.join(parts)})"


def _tested(numbers: SweepNumbers) -> list[str]:
    """Which rows differ significantly from their baselines, and which do not."""
    if not numbers.compared:
        return []
    most = max(found.n for _, found in numbers.compared)
    if most < LEAST_SEEDS:
        few = "One seed a row is" if most == 1 else "Two seeds a row are"
        return [f"{few} too few for any test or interval of a row alone; run at least 5 seeds to decide anything."]
    tested = [(row, found) for row, found in numbers.compared if found.p_adjusted is not None]
    if not tested:
        return ["The differences do not vary between seeds, so nothing can be tested."]
    groups: dict[tuple[str, str | None], list[str]] = {}
    for row, found in tested:
        direction = "unclear" if not found.significant else "better" if numbers.sign * found.mean > 0 else "worse"
        groups.setdefault((direction, row.baseline), []).append(f"“{row.name}”")
    said = []
    for (direction, baseline), names in sorted(groups.items(), key=lambda one: one[0][0]):
        if direction == "unclear":
            verb = "does" if len(names) == 1 else "do"
            said.append(f"{_few(names)} {verb} not differ significantly from “{baseline}”")
        else:
            verb = "is" if len(names) == 1 else "are"
            said.append(f"{_few(names)} {verb} significantly {direction} than “{baseline}”")
    untested = [f"“{row.name}”" for row, found in numbers.compared if found.p_adjusted is None]
    if untested:
        said.append(f"{_few(untested)}: not tested (fewer than three pairs, or pairs that do not vary)")
    pairs = min(found.n for _, found in tested)
    tests = f"paired t tests over seeds, Holm's correction over {len(tested)} comparisons, p < {SIGNIFICANT:g}"
    sentences = [f"{'; '.join(said)}: {tests}."]
    if pairs < 5:
        sentences.append(
            f"With {pairs} seeds the 95 % intervals are very wide; run at least 5 seeds to decide anything."
        )
    least = smallest_sign_flip_p(pairs)
    if least >= SIGNIFICANT:
        sentences.append(
            "The t tests assume normally distributed differences. A sign-flip test, which does not, cannot go below "
            f"p = {least:g} with {pairs} seeds."
        )
    return sentences


def _few(names: Sequence[str]) -> str:
    """The names, or of many how many they are."""
    return listed(names) if len(names) <= _MOST_NAMED else f"{len(names)} rows"


def _ordering(numbers: SweepNumbers) -> list[str]:
    found = agreement(numbers)
    if found is None:
        return []
    strength = "agrees with" if found.p < SIGNIFICANT else "does not clearly agree with"
    by_seed = ""
    if len(found.per_seed) > 1:
        low, high = min(found.per_seed.values()), max(found.per_seed.values())
        by_seed = f"; per seed {plain(low, 2)} to {plain(high, 2)}"
    ours, theirs = numbers.metric, numbers.paper_metric
    unlike = "" if theirs == ours else f", by {ours} here and {theirs} there"
    return [
        f"The order of the rows {strength} the paper's{unlike}: Spearman's ρ = {plain(found.rho, 2)} "
        f"over n = {found.n} rows (one-sided p = {found.p:.2g}{by_seed})."
    ]
