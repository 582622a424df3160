"""Other pictures and other seeds: which rows cannot be told apart, and every two rows compared."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from reports.formats.cells import bounds, chance, number, seeds, text
from reports.formats.page import Section
from reports.formats.table import Column, Table, fill
from reports.numbers.sweep import RowNumbers, SweepNumbers
from reports.read.reader import ON, metric_scale
from reports.statistics.evidence import Comparison, RowEvidence, compare_all, groups
from reports.statistics.resampling import Interval

DRAWS = 500
MOST_ROWS = 24  # pairs grow with the square of rows, and every run's pictures are drawn


def evidence(numbers: SweepNumbers) -> Section | None:
    """Groups of rows, and the pairs behind them; nothing where no pair of rows could be tested."""
    measured = [row for row in numbers.rows if row.name in numbers.measured]
    if not 2 <= len(measured) <= MOST_ROWS:
        return None
    compared = [one for one in compare_all(row_evidence(numbers, measured)) if one.parts]
    if not compared:
        return None
    blocks = (_groups_table(numbers, measured, compared), _pairs_table(numbers, compared))
    return Section(key="evidence", folded=True, title="Which rows can be told apart", blocks=blocks)


def row_evidence(numbers: SweepNumbers, rows: list[RowNumbers]) -> dict[str, RowEvidence]:
    """Each row's metric by seed, and of drawn pictures."""
    return evidence_of({row.name: (numbers, row) for row in rows})


def evidence_of(rows: Mapping[str, tuple[SweepNumbers, RowNumbers]]) -> dict[str, RowEvidence]:
    """The same of rows of several sweeps: the same draws for every run on the same pictures."""
    drawn: dict[tuple[str, int], NDArray[np.float64]] = {}
    draws: dict[bytes, NDArray[np.int32]] = {}
    for name, (numbers, row) in rows.items():
        metric, _, other_set = numbers.metric.partition(ON)
        for run in row.runs:
            found = numbers.reader.per_picture(run, other_set) if run.finished else None
            values = None if found is None else found.metric(metric, draws.setdefault(*_draws(found.images)))
            if values is not None:
                drawn[name, run.seed] = metric_scale(numbers.metric) * values
    one_set = len(draws) == 1  # rows of different pictures share no draw
    return {
        name: RowEvidence(
            numbers.measured[row.name].values,
            {run.seed: drawn[name, run.seed] for run in row.runs if (name, run.seed) in drawn and one_set},
        )
        for name, (numbers, row) in rows.items()
    }


def _draws(images: NDArray[np.int64]) -> tuple[bytes, NDArray[np.int32]]:
    count = len(images)
    drawn = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=DRAWS)
    return images.tobytes(), drawn.astype(np.int32)


def _groups_table(numbers: SweepNumbers, rows: list[RowNumbers], compared: list[Comparison]) -> Table:
    ranked = sorted(rows, key=lambda row: -numbers.sign * numbers.measured[row.name].mean)
    found = groups([row.name for row in ranked], compared)
    letters = {row.name: " ".join(chr(65 + n) for n, group in enumerate(found) if row.name in group) for row in ranked}
    columns: list[Column[RowNumbers]] = [
        Column("row", lambda row: text(row.name)),
        Column(
            numbers.metric,
            lambda row: seeds(numbers.measured[row.name], len(row.runs), numbers.digits),
            "measured",
        ),
        Column("group", lambda row: text(letters[row.name])),
    ]
    notes = ("Rows that share a letter are not told apart: p is at least 0.05 after Holm's correction over all pairs.",)
    return fill(
        columns, ranked, name="groups", caption="Rows from best to worst, and who cannot be told apart", notes=notes
    )


def _pairs_table(numbers: SweepNumbers, compared: list[Comparison]) -> Table:
    digits = numbers.digits
    columns: list[Column[Comparison]] = [
        Column("row", lambda one: text(one.row)),
        Column("against", lambda one: text(one.other)),
        Column("difference", lambda one: number(one.mean, digits, signed=True), "number"),
        Column("95 % interval", lambda one: bounds(_interval(one), digits), "interval"),
        Column("p", lambda one: chance(one.p), "chance"),
        Column("Holm", lambda one: chance(one.p_adjusted), "chance"),
        Column("over other", lambda one: text(" and ".join(one.parts))),
    ]
    caption = f"Every two rows: {numbers.metric}, over other pictures and other seeds"
    return fill(columns, compared, name="pairs", caption=caption, notes=_notes(compared))


def _interval(one: Comparison) -> Interval | None:
    found = one.interval()
    return None if found is None else Interval(low=found[0], high=found[1])


def _notes(compared: list[Comparison]) -> tuple[str, ...]:
    sources: Mapping[str, None] = {source: None for one in compared for source in one.parts}
    said = [
        "An interval's half-width is the root of the sum of its sources' squared half-widths, each by its own t; "
        "`python -m benchmarks.levels` holds the levels by simulation."
    ]
    if "pictures" in sources:
        said.append(f"Pictures: {DRAWS} draws of the pictures measured on, with replacement, the same for every row.")
    if any(list(one.parts) == ["pictures"] for one in compared):
        said.append("With one seed, only other pictures are spoken of: another seed may turn the order round.")
    if "pooled seeds" in sources:
        said.append("Pooled seeds: with two seeds, the residual over all rows and seeds stands for every row's own.")
    return tuple(said)
