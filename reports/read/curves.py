"""Training curves of one row: what its seeds journaled, brought onto the same epochs."""

import math
from collections.abc import Mapping, Sequence

from experiments.runs.journal import MetricRow
from reports.numbers.records import Curve


def _steps_per_epoch(rows: Sequence[MetricRow]) -> float | None:
    """How many steps a pass has: a validation is journaled with the number of passes done before it."""
    for row in reversed(rows):
        if row.epoch and row.step and any(name.startswith("val/") for name in row.values):
            return row.step / row.epoch
    return None


def run_curves(rows: Sequence[MetricRow]) -> dict[str, dict[float, float]]:
    """For each metric, its value by passes done: the mean over a pass's steps while training, a validation as it was.

    Values that are not finite are left out. Steps of training are counted to the end of the pass they belong to, so
    that they stand beside the validation of the same weights.

    Args:
        rows: one run's measurements by step.
    """
    steps = _steps_per_epoch(rows)
    gathered: dict[str, dict[float, list[float]]] = {}
    for row in rows:
        for name, value in row.values.items():
            epoch = row.epoch
            if steps is not None and not name.startswith("val/"):
                epoch = math.ceil(round(row.step / steps, 6))
            if epoch is not None and math.isfinite(value):
                gathered.setdefault(name, {}).setdefault(float(epoch), []).append(value)
    return {
        name: {
            epoch: values[-1] if name.startswith("val/") else sum(values) / len(values) for epoch, values in by.items()
        }
        for name, by in gathered.items()
    }


def mean_curve(runs: Sequence[Mapping[float, float]], scale: float = 1.0) -> Curve | None:
    """Mean, least and greatest over runs at the epochs that all of them reached; None where there is no such epoch."""
    if not runs:
        return None
    epochs = sorted(set.intersection(*(set(run) for run in runs)))
    if not epochs:
        return None
    columns = [[run[epoch] * scale for run in runs] for epoch in epochs]
    return Curve(
        epochs=tuple(epochs),
        mean=tuple(sum(column) / len(column) for column in columns),
        low=tuple(min(column) for column in columns),
        high=tuple(max(column) for column in columns),
        seeds=len(runs),
    )
