"""Training curves of one run: its journal, brought onto whole epochs."""

import math
from collections.abc import Sequence

from experiments.runs.journal import MetricRow


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
