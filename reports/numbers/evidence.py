"""Rows over other pictures and other seeds: what the verdict, the drawings and the tables of pairs share."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from reports.numbers.sweep import RowNumbers, SweepNumbers
from reports.read.reader import ON, metric_scale
from reports.statistics.evidence import Comparison, RowEvidence, compare_all, drawn_pictures, groups

DRAWS = 500
MOST_ROWS = 24  # of more, pairs are too many to show and pictures too many to draw: seeds speak alone


def evidence_of(
    rows: Mapping[str, tuple[SweepNumbers, RowNumbers]], *, pictures: bool = True
) -> dict[str, RowEvidence]:
    """Each row's metric by seed and of drawn pictures: the same draws for every run on the same pictures."""
    drawn: dict[tuple[str, int], NDArray[np.float64]] = {}
    draws: dict[bytes, NDArray[np.int32]] = {}
    for name, (numbers, row) in rows.items() if pictures else ():
        metric, _, other_set = numbers.metric.partition(ON)
        for run in row.runs:
            found = numbers.reader.per_picture(run, other_set) if run.finished else None
            if found is None:
                continue
            key = found.images.tobytes()
            if key not in draws:
                draws[key] = drawn_pictures(len(found.images), DRAWS)
            values = found.metric(metric, draws[key])
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


@lru_cache(maxsize=2)  # drawing and testing take seconds, and several sections ask
def row_evidence(numbers: SweepNumbers) -> Mapping[str, RowEvidence]:
    """That of every row of a sweep that was measured."""
    rows = {row.name: (numbers, row) for row in numbers.rows if row.name in numbers.measured}
    return evidence_of(rows, pictures=len(rows) <= MOST_ROWS)


@lru_cache(maxsize=2)
def over_baselines(numbers: SweepNumbers) -> Mapping[str, Comparison]:
    """Every row against its baseline by name, corrected over all these; without those that share no seed."""
    rows = row_evidence(numbers)
    pairs = [(row.baseline, row.name) for row in numbers.rows if row.baseline in rows and row.name in rows]
    return {one.row: one for one in compare_all(rows, [(base, row) for base, row in pairs if base is not None])}


@lru_cache(maxsize=2)
def every_pair(numbers: SweepNumbers) -> Sequence[Comparison]:
    """Every two rows that could be tested, the later against the earlier, corrected over all; none of too many rows."""
    rows = row_evidence(numbers)
    return [one for one in compare_all(rows) if one.parts] if 2 <= len(rows) <= MOST_ROWS else []


def row_groups(numbers: SweepNumbers) -> list[tuple[str, ...]]:
    """Groups of rows that are not told apart, best first; empty where no pair could be tested."""
    compared = every_pair(numbers)
    ranked = sorted(numbers.measured, key=lambda name: -numbers.sign * numbers.measured[name].mean)
    return groups(ranked, compared) if compared else []


def group_letters(row: str, found: Sequence[tuple[str, ...]]) -> str:
    """The letters of the groups that a row belongs to."""
    return " ".join(chr(65 + place) for place, group in enumerate(found) if row in group)
