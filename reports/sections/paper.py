"""Ours beside the paper's: numbers, ranks, and whether improvements point the same way."""

from collections.abc import Mapping

from scipy import stats

from reports.formats.cells import Cell, change, gap, number, text
from reports.formats.page import Section
from reports.formats.table import Column, Table, fill
from reports.formats.words import plain, signed
from reports.numbers.sweep import RowNumbers, SweepNumbers
from reports.sections.confounds import confound_sentences
from reports.sections.row_cells import baseline_column, measured, name_column
from reports.statistics.agreement import Agreement, ImprovementAgreement, improvement_agreement, rank_agreement
from reports.statistics.resampling import Interval


def paper(numbers: SweepNumbers) -> Section | None:
    """Ours beside the paper's; nothing where the paper has none of these rows."""
    if not any(row.paper for row in numbers.rows):
        return None
    blocks = (paper_table(numbers),)
    return Section(key="paper", title="Beside the paper", text=agreement_sentences(numbers), blocks=blocks, folded=True)


def agreement(numbers: SweepNumbers) -> Agreement | None:
    """How the order of the rows agrees with the paper's."""
    return rank_agreement(
        {name: found.values for name, found in numbers.measured.items()},
        {row.name: row.paper[numbers.paper_metric] for row in numbers.rows if numbers.paper_metric in row.paper},
    )


def agreement_sentences(numbers: SweepNumbers) -> tuple[str, ...]:
    """How far order and improvements agree with the paper's, with intervals, and what those are over."""
    said, found = [], agreement(numbers)
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
    gains = improvement_agreement(
        {row.name: found.mean for row, found in numbers.compared},
        {row.name: row.paper_improvement for row in numbers.rows if row.paper_improvement is not None},
    )
    return (*said, _gains(gains, numbers)) if gains is not None else tuple(said)


def _gains(gains: ImprovementAgreement, numbers: SweepNumbers) -> str:
    said = f"{gains.same_sign} of {gains.n} point the same way as the paper's"
    if gains.pearson is not None:
        interval = f", 95 % interval {_within(gains.interval)}" if gains.interval is not None else ""
        said += f"; their correlation is r = {plain(gains.pearson, 2)}{interval}"
    if numbers.metric == numbers.paper_metric:
        said += f"; they differ by {gains.mean_absolute_gap:.1f} points on average (ours minus the paper's: "
        said += f"{signed(gains.mean_gap, 1)})"
    return f"Improvements over {numbers.against}: {said}."


def _within(interval: Interval) -> str:
    return f"{plain(interval.low, 2)} to {plain(interval.high, 2)}"


def _ranked(values: Mapping[str, float]) -> dict[str, float]:
    """Ranks by name, 1 for the greatest."""
    return dict(zip(values, stats.rankdata([-value for value in values.values()]).tolist(), strict=True))


def paper_table(numbers: SweepNumbers) -> Table:
    """Every row that the paper has too."""
    metric, theirs, digits = numbers.metric, numbers.paper_metric, numbers.digits
    rows = [row for row in numbers.rows if theirs in row.paper]
    both = [row for row in rows if metric in row.measured]
    same = metric == theirs
    value = theirs if same else "value"
    paper_rank = _ranked({row.name: row.paper[theirs] for row in both})
    our_rank = _ranked({row.name: row.measured[metric].mean for row in both})

    def gap_of(row: RowNumbers) -> Cell:
        ours = row.measured[metric].mean - row.paper[theirs] if metric in row.measured else None
        return number(ours, digits, signed=True)

    gap_column = Column("difference", gap_of, "number", theirs)
    columns: list[Column[RowNumbers]] = [
        name_column(),
        Column("paper", lambda row: number(row.paper[theirs], digits), "number", value),
        Column("ours", lambda row: measured(row, metric, digits), "measured", value),
        *([gap_column] if same else []),
        Column("paper", lambda row: number(paper_rank.get(row.name), 0), "number", "rank"),
        Column("ours", lambda row: number(our_rank.get(row.name), 0), "number", "rank"),
        *(_improvement_columns(numbers) if any(row.paper_improvement is not None for row in rows) else []),
    ]
    caption = "Ours beside the paper's" if same else f"Ours ({metric}) beside the paper's ({theirs})"
    notes = [
        "Ranks are among the rows that both have, 1 for the greatest mean; ties share their mean rank.",
        *confound_sentences(numbers),
    ]
    if not same:
        notes.insert(
            0,
            f"Ours is {metric}, the paper's {theirs}: their differences are of two measures, and only orders and "
            "signs can be compared.",
        )
    return fill(columns, rows, name="paper", caption=caption, notes=notes)


def _improvement_columns(numbers: SweepNumbers) -> list[Column[RowNumbers]]:
    digits, over = numbers.digits, numbers.over

    def both(row: RowNumbers) -> tuple[float, float] | None:
        ours, theirs = row.improvement, row.paper_improvement
        return None if ours is None or theirs is None else (ours.mean, theirs)

    def gap_of(row: RowNumbers) -> Cell:
        found = both(row)
        return number(found and found[0] - found[1], digits, signed=True)

    def same_sign(row: RowNumbers) -> Cell:
        found = both(row)
        return gap() if found is None else text("yes" if found[0] * found[1] > 0 else "no")

    return [
        *baseline_column(numbers),
        Column("paper", lambda row: number(row.paper_improvement, digits, signed=True), "number", over),
        Column("ours", lambda row: change(row.improvement, digits), "change", over),
        Column("difference", gap_of, "number", over),
        Column("same sign", same_sign, group=over),
    ]
