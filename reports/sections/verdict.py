"""How a report opens: the claim that the numbers bear, and what supports or limits it."""

from collections.abc import Collection, Sequence

from reports.formats.page import Opening
from reports.formats.words import listed, plain, signed
from reports.numbers.evidence import over_baselines, row_evidence, row_groups
from reports.numbers.sweep import RowNumbers, SweepNumbers
from reports.sections.confounds import confound_sentences
from reports.sections.paper import agreement
from reports.sections.provenance import different_code
from reports.statistics.differences import SIGNIFICANT, Spread
from reports.statistics.evidence import Comparison, over_other, stands_apart
from reports.statistics.resampling import LEAST_SEEDS

_MOST_NAMED = 6
_MOST_ALIKE = 12


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
        doubts.append(f"The finished runs were not all trained by the same code of {listed(code)}: compare with care.")
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
        f"{_change(nearest, numbers)}."
    )
    if top is nearest:
        highest = f"has the {'highest' if numbers.sign > 0 else 'lowest'} {'mean' if ours.n > 1 else 'value'},"
        best = ours.n > 1 and stands_apart(top.name, row_evidence(numbers))
        claim = "is best, with" if best else highest
        return f"“{top.name}” {claim} {against}"
    better = "higher" if numbers.sign > 0 else "lower"
    higher = f"No row has a {better} {'mean' if ours.n > 1 else 'value'} than “{top.name}”"
    if top.name != nearest.baseline:
        higher += f" ({_value(top.measured[metric], digits)} {metric})"
    return f"{higher}: the nearest with a baseline, “{nearest.name}”, has {against}"


def _seeds(row: RowNumbers) -> str:
    n = len(row.improvement.pairs) if row.improvement else len(next(iter(row.measured.values())).values)
    return "one seed" if n == 1 else f"{n} seeds"


def _change(row: RowNumbers, numbers: SweepNumbers) -> str:
    if row.improvement is None:
        return ""
    digits, over = numbers.digits, over_baselines(numbers).get(row.name)
    interval = None if over is None else over.interval()
    parts = [_seeds(row)]
    if over is not None and interval is not None:
        low, high = (signed(bound, digits) for bound in interval)
        parts.insert(0, f"95 % interval {low} to {high} {over_other([over])}")
    if row.paper_improvement is not None:
        parts.append(f"the paper: {signed(row.paper_improvement, digits)} {numbers.paper_metric}")
    return f", a difference of {signed(row.improvement.mean, digits)} ({'; '.join(parts)})"


def _tested(numbers: SweepNumbers) -> list[str]:
    """Rows that differ from their baselines, rows that do not, and what the tests are over."""
    if not numbers.compared:
        return []
    found = over_baselines(numbers)
    tested = {name: one for name, one in found.items() if one.p_adjusted is not None}
    most = max(one.n for _, one in numbers.compared)
    if not tested:
        if most >= LEAST_SEEDS:
            return ["The differences do not vary between seeds, so nothing can be tested."]
        few = "One seed a row is" if most == 1 else "Two seeds a row are"
        return [f"{few} too few for any test or interval of a row alone; run at least 5 seeds to decide anything."]
    told: dict[tuple[str, str], list[str]] = {}
    for name, one in tested.items():
        apart = one.p_adjusted is not None and one.p_adjusted < SIGNIFICANT
        direction = "unclear" if not apart else "better" if numbers.sign * one.mean > 0 else "worse"
        told.setdefault((direction, one.other), []).append(f"“{name}”")
    said = []
    for (direction, baseline), names in sorted(told.items(), key=lambda one: one[0][0]):
        alone = len(names) == 1
        if direction == "unclear":
            said.append(f"{_few(names)} {'does' if alone else 'do'} not differ significantly from “{baseline}”")
        else:
            said.append(f"{_few(names)} {'is' if alone else 'are'} significantly {direction} than “{baseline}”")
    untested = [f"“{row.name}”" for row, _ in numbers.compared if row.name not in tested]
    if untested:
        said.append(f"{_few(untested)}: not tested (fewer than three pairs, or pairs that do not vary)")
    tests = f"{over_other(tested.values())}, Holm's correction over {len(tested)} comparisons, p < {SIGNIFICANT:g}"
    return [f"{'; '.join(said)}: {tests}.", *_alike(numbers), *_limits(tested.values())]


def _alike(numbers: SweepNumbers) -> list[str]:
    """The groups of several rows, where they fit a line."""
    together = [group for group in row_groups(numbers) if len(group) > 1]
    if not together or sum(map(len, together)) > _MOST_ALIKE:
        return []
    words = "; ".join(listed([f"“{name}”" for name in group]) for group in together)
    return [f"Not told apart from each other, of all pairs: {words}."]


def _limits(tested: Collection[Comparison]) -> list[str]:
    """What so few seeds leave open."""
    pairs = min(one.seeds for one in tested)
    if pairs == 1:
        return ["With one seed only other pictures are spoken of: another seed may turn the order round."]
    if pairs < LEAST_SEEDS:
        return [
            "With two seeds the residual over all rows and seeds stands for every row's own spread; "
            "run at least 5 seeds to decide anything."
        ]
    if pairs < 5:
        return [f"With {pairs} seeds the 95 % intervals are very wide; run at least 5 seeds to decide anything."]
    return []


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
