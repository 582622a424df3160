"""A sweep's own metric: written beside a run as it trains, and worked out for finished runs."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from distilpose.data.coco import PoseData, load_pose_data
from distilpose.evaluation.average_precision import KeypointTruth, split_truth
from distilpose.evaluation.measure import given_to_metrics, measure
from distilpose.evaluation.metrics import MetricUse, metric_of
from distilpose.whole_files import write_whole
from experiments.plan.code_changes import unmeasured
from experiments.runs.atomic import read_json
from experiments.runs.run_files import Measured, MeasuredMetric
from experiments.runs.store import RunDir, Store
from experiments.sweep.choices import DataChoice


def write_keypoints(path: Path, keypoints: Float[NDArray[np.float32], "people joints 3"], *, aside: Path) -> None:
    """Keep every person's joints, of which any metric can be worked out later."""
    buffer = io.BytesIO()
    np.save(buffer, keypoints, allow_pickle=False)
    write_whole(path, buffer.getvalue(), aside=aside)


def measured_by(uses: Iterable[MetricUse], metrics: Mapping[str, float]) -> Measured:
    """What `measured.json` says of metrics that came to these values; of one that is undefined, that it has none."""
    return Measured(
        metrics={
            use.title: MeasuredMetric(
                code=use.code,
                values={name: value for name, value in metrics.items() if f"{name}.".startswith(f"{use.title}.")},
            )
            for use in uses
        }
    )


def measure_finished(
    store: Store, metric: str | Mapping[str, Any] | None, run_ids: Iterable[str], place: Callable[[DataChoice], Path]
) -> int:
    """How many finished runs were measured by a sweep's own metric, which they were not before; none is trained again.

    Args:
        store: the run directories, with the kept copy of the metric's code.
        metric: as a saved plan has it; None where every evaluation has the sweep's metric.
        run_ids: the runs.
        place: the folder of a recipe's data.

    Raises:
        ValueError: the data are others than those that a run was measured on, or its predictions are gone.

    """
    splits: dict[DataChoice, PoseData] = {}
    count = 0
    for run in unmeasured(store, metric, run_ids):
        assert metric is not None
        use, recipe = metric_of(metric), run.recipe()
        if recipe.data not in splits:
            splits[recipe.data] = load_pose_data(place(recipe.data), recipe.data.val, recipe.data.given)
        known = run.measured.read()
        values = _values(run, use, splits[recipe.data], aligned=recipe.evaluation.boxes == "gt", parts=store.parts)
        found = measured_by([use], values)
        run.measured.write(found if known is None else Measured(metrics={**known["metrics"], **found["metrics"]}))
        count += 1
    return count


def kept_for_metrics(run: RunDir, val: PoseData, truth: KeypointTruth, *, aligned: bool) -> dict[str, Any]:
    """What metrics may ask for, from a run's kept predictions; `aligned` where it used the annotated boxes.

    Raises ValueError where the predictions are gone.
    """
    results = read_json(run.predictions, list[dict[str, Any]])
    if results is None or not run.keypoints.is_file():
        raise ValueError(f"{run.keypoints}: the run's predictions are gone, and nothing can be worked out of them")
    keypoints = np.load(run.keypoints, allow_pickle=False) if aligned else None
    return given_to_metrics(val, keypoints=keypoints, results=results, truth=truth)


def _values(run: RunDir, use: MetricUse, val: PoseData, *, aligned: bool, parts: Path) -> dict[str, float]:
    result = run.result()
    assert result is not None, f"run {run.run_id} is not finished"
    fingerprints = result.provenance.get("data_fingerprint")
    if not isinstance(fingerprints, dict) or fingerprints.get("val") != val.fingerprint:
        raise ValueError(f"{val.annotation_file}: must be the annotations that run {run.run_id} was measured on")
    given = kept_for_metrics(run, val, split_truth(val), aligned=aligned)
    return measure(given, [use], parts=parts, required=use.title)
