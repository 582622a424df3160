"""The tests behind the improvements: both intervals and both p values, with what so few seeds can show at all."""

from reports.formats.tables import Column, Gap, Number, Table, Text, bounds, chance, change, number
from reports.numbers.confounds import confound_sentences
from reports.numbers.records import SIGNIFICANT, Interval, RowNumbers
from reports.numbers.resampling import LEAST_SEEDS
from reports.numbers.statistics import paired_difference, reach
from reports.numbers.sweep_numbers import SweepNumbers


def differences_table(numbers: SweepNumbers) -> Table | None:
    """Every row against the baseline, tested; None where there is no improvement to test."""
    digits = numbers.metric.digits
    compared = [row for row in numbers.rows if row.improvement is not None]
    if not compared:
        return None
    columns = (
        Column(title="row"),
        *([Column(title="baseline")] if numbers.own_baselines else []),
        Column(title="difference", kind="change"),
        Column(title="at the last epoch", kind="number"),
        Column(title="pairs", kind="number"),
        Column(title="t", group="95 % interval", kind="interval"),
        Column(title="bootstrap", group="95 % interval", kind="interval"),
        Column(title="p", group="paired t test", kind="chance"),
        Column(title="Holm", group="paired t test", kind="chance"),
        Column(title="p", group="sign-flip test", kind="chance"),
        Column(title="Holm", group="sign-flip test", kind="chance"),
        Column(title="least p possible", group="sign-flip test", kind="chance"),
    )
    rows = []
    for row in compared:
        found = row.improvement
        assert found is not None
        interval = None if found.low is None or found.high is None else Interval(low=found.low, high=found.high)
        untested = Gap(f"n = {found.n}") if found.n < LEAST_SEEDS else Gap("no variation")
        rows.append(
            (
                Text(row.name),
                *([Text(row.baseline or "")] if numbers.own_baselines else []),
                change(found, digits),
                number(_at_last(row, numbers), digits, signed=True),
                Number(found.n, 0),
                bounds(interval, digits) if interval else untested,
                bounds(found.bootstrap, digits),
                *map(chance, (found.p, found.p_adjusted, found.flip_p, found.flip_p_adjusted, found.least_flip_p)),
            )
        )
    caption = f"{numbers.metric.name} over {numbers.against}, tested by seed"
    return Table(name="tests", caption=caption, columns=columns, rows=tuple(rows), notes=_notes(numbers))


def _at_last(row: RowNumbers, numbers: SweepNumbers) -> float | None:
    """The difference at the last validation, which no run chose."""
    base = next((one for one in numbers.rows if one.name == row.baseline), None)
    if row.last is None or base is None or base.last is None:
        return None
    found = paired_difference(row.last.values, base.last.values)
    return None if found is None else found.mean


def _notes(numbers: SweepNumbers) -> tuple[str, ...]:
    found = [row.improvement for row in numbers.rows if row.improvement is not None]
    tested = [one for one in found if one.p is not None]
    if not tested:
        few = f"Fewer than {LEAST_SEEDS} pairs of seeds have no interval and no test."
        return (few, *confound_sentences(numbers))
    pairs = min(one.n for one in tested)
    least = max(one.least_flip_p or 0.0 for one in tested)
    said = [
        f"Both tests are two-sided and paired by seed; Holm's correction is over the {len(tested)} comparisons of this "
        f"table. A t interval of {pairs} pairs reaches {reach(pairs):.1f} standard errors either way and rests on "
        "differences being normally distributed.",
        "The sign-flip test assumes no more than that a difference is as likely to be negative as positive by chance. "
        + (
            f"With {pairs} pairs its least p is {least:.3g}"
            + (
                f": it cannot fall below {SIGNIFICANT:g}, whatever the difference."
                if least >= SIGNIFICANT
                else f", {min(1.0, least * len(tested)):.3g} after Holm's correction of that many comparisons."
            )
        ),
    ]
    if any(one.bootstrap is not None for one in tested):
        said.append(
            "The bootstrap interval is the central 95 % of the means of seeds drawn again; with fewer than about ten "
            "seeds it is too narrow, and the t interval is the one to trust."
        )
    if any(row.shares_teacher for row in numbers.rows):
        said.append("Intervals and tests are for this teacher: all seeds of a row learned from one.")
    return (*said, *confound_sentences(numbers))
