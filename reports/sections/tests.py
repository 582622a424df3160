"""The tests behind the improvements: both intervals and both p values, with what so few seeds can show at all."""

from scipy import stats

from reports.formats.cells import Cell, bounds, chance, change, number, text
from reports.formats.page import Section
from reports.formats.table import Column, Table, fill
from reports.numbers.sweep import RowNumbers, SweepNumbers
from reports.sections.confounds import confound_sentences
from reports.statistics.differences import SIGNIFICANT, Difference, mean_difference
from reports.statistics.resampling import LEAST_SEEDS

Compared = tuple[RowNumbers, Difference]


def tests(numbers: SweepNumbers) -> Section | None:
    """Which differences are significant; nothing where too few seeds can tell."""
    if all(found.p is None for _, found in numbers.compared):
        return None
    return Section(key="tests", folded=True, title="Significance tests", blocks=(significance_table(numbers),))


def significance_table(numbers: SweepNumbers) -> Table:
    """Every row against its baseline, tested."""
    digits = numbers.digits
    interval, t, flip = "95 % interval", "paired t test", "sign-flip test"

    def t_interval(one: Compared) -> Cell:
        reason = f"n = {one[1].n}" if one[1].n < LEAST_SEEDS else "no variation"
        return bounds(one[1].interval, digits, reason=reason)

    baseline = Column[Compared]("baseline", lambda one: text(one[0].baseline or ""))
    columns: list[Column[Compared]] = [
        Column("row", lambda one: text(one[0].name)),
        *([baseline] if numbers.own_baselines else []),
        Column("difference", lambda one: change(one[1], digits), "change"),
        Column("at the last epoch", lambda one: number(_at_last(one[0], numbers), digits, signed=True), "number"),
        Column("pairs", lambda one: number(one[1].n, 0), "number"),
        Column("t", t_interval, "interval", interval),
        Column("bootstrap", lambda one: bounds(one[1].bootstrap, digits), "interval", interval),
        Column("p", lambda one: chance(one[1].p), "chance", t),
        Column("Holm", lambda one: chance(one[1].p_adjusted), "chance", t),
        Column("p", lambda one: chance(one[1].flip_p), "chance", flip),
        Column("Holm", lambda one: chance(one[1].flip_p_adjusted), "chance", flip),
        Column("least p possible", lambda one: chance(one[1].least_flip_p), "chance", flip),
    ]
    caption = f"{numbers.metric} over {numbers.against}, tested by seed"
    return fill(columns, numbers.compared, name="tests", caption=caption, notes=_notes(numbers))


def _at_last(row: RowNumbers, numbers: SweepNumbers) -> float | None:
    """The difference at the last validation, which no run chose."""
    base = next((one for one in numbers.rows if one.name == row.baseline), None)
    if row.last is None or base is None or base.last is None:
        return None
    return mean_difference(row.last.values, base.last.values)


def _notes(numbers: SweepNumbers) -> tuple[str, ...]:
    tested = [one for _, one in numbers.compared if one.p is not None]
    if not tested:
        few = f"Fewer than {LEAST_SEEDS} pairs of seeds have no interval and no test."
        return (few, *confound_sentences(numbers))
    pairs = min(one.n for one in tested)
    least = max(one.least_flip_p or 0.0 for one in tested)
    reach = stats.t.ppf(0.975, pairs - 1)
    said = [
        f"Both tests are two-sided and paired by seed; Holm's correction is over the {len(tested)} comparisons of this "
        f"table. The t interval is {reach:.1f} standard errors wide on either side and assumes normally "
        "distributed differences.",
        "The sign-flip test assumes no more than that a difference is as likely to be negative as positive by chance. "
        f"With {pairs} pairs its least p is {least:.3g}"
        + (
            f": it cannot fall below {SIGNIFICANT:g}, whatever the difference."
            if least >= SIGNIFICANT
            else f", {min(1.0, least * len(tested)):.3g} after Holm's correction of that many comparisons."
        ),
        "The bootstrap interval is the central 95 % of the means of seeds drawn again; with fewer than about ten "
        "seeds it is too narrow, and the t interval is the one to trust.",
    ]
    if any(row.shares_teacher for row in numbers.rows):
        said.append("Intervals and tests are for this teacher: all seeds of a row learned from one.")
    return (*said, *confound_sentences(numbers))
