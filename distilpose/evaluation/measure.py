"""Metrics worked out of predictions and truth: each function gets by name what it asks for, and nothing else."""

import importlib
import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from distilpose.data.coco import PoseData
from distilpose.evaluation.average_precision import KeypointTruth
from distilpose.evaluation.metrics import METRICS, RECORDED, MetricUse
from distilpose.evaluation.protocol import Evaluator
from distilpose.parts.load import load_own

log = logging.getLogger(__name__)


def given_to_metrics(
    data: PoseData,
    *,
    keypoints: Float[NDArray[np.float32], "people joints 3"] | None,
    results: Sequence[Mapping[str, Any]],
    truth: KeypointTruth,
    evaluator: Evaluator = "pycocotools",
) -> dict[str, Any]:
    """Return what metrics may ask for, by name.

    keypoints, scores: predicted, [people, joints, 2] in image pixels and [people, joints].
    true_keypoints, visible: annotated, [people, joints, 2] in image pixels, and 1 where a joint is labelled, else 0.
    boxes, areas: x, y, width, height and the area of each person, in pixels.
    image_sizes, image_ids: width and height of each person's picture, and its id.
    skeleton: of the data.
    results, truth: rows of COCO's results format after suppression, and all annotations as pycocotools indexes them.
    evaluator: what counts the average precision.

    Args:
        data: the split.
        keypoints: x, y and score of every person of `data`, in their order; None where a detector's boxes were used,
            and then nothing is there by person.
        results: see above.
        truth: see above.
        evaluator: see above.

    """
    found: dict[str, Any] = {"skeleton": data.skeleton, "results": results, "truth": truth, "evaluator": evaluator}
    if keypoints is None:
        return found
    annotated = np.stack([person.keypoints for person in data.people]).astype(np.float64)
    return found | {
        "keypoints": keypoints[..., :2].astype(np.float64),
        "scores": keypoints[..., 2].astype(np.float64),
        "true_keypoints": annotated[..., :2],
        "visible": (annotated[..., 2] > 0).astype(np.float64),
        "boxes": np.array([person.bbox for person in data.people]),
        "areas": np.array([person.area for person in data.people]),
        "image_sizes": np.array([person.image_size for person in data.people]),
        "image_ids": np.array([person.image_id for person in data.people]),
    }


def measure(
    given: Mapping[str, Any], uses: Iterable[MetricUse] = (), *, parts: Path | None = None, required: str = ""
) -> dict[str, float]:
    """Return the recorded metrics of ours and those of `uses`, by title; one that is undefined here is absent.

    NaN stands for undefined. A user's own that fails is left out with a warning, unless it is the `required` one. One
    that returns several numbers by name has the first as its value, and each as `title.name`.

    Args:
        given: what metrics may ask for.
        uses: the metrics wanted beside those that are always recorded.
        parts: the folder of kept copies of users' own code.
        required: the title of the metric without which the caller cannot go on.

    Raises:
        ValueError: the required metric, or one of ours, has failed.

    """
    found: dict[str, float] = {}
    known: dict[Any, Any] = {}
    for use in dict.fromkeys((*RECORDED, *uses)):
        if not given.keys() >= {*use.asks}:
            continue
        try:
            found |= _values(use, given, parts, known)
        except Exception as error:
            if use.own is None or use.title == required:
                raise ValueError(f"metric {use.name}: {type(error).__name__}: {error}") from error
            log.warning("metric %s: left out: %s: %s", use.name, type(error).__name__, error)
    return found


def _values(use: MetricUse, given: Mapping[str, Any], parts: Path | None, known: dict[Any, Any]) -> dict[str, float]:
    built_in = METRICS[use.name] if use.own is None else None
    options = {**(built_in.options if built_in else {}), **dict(use.options)}
    key = (built_in.source if built_in else use.own, tuple(options.items()))
    if key not in known:
        function = load_own(parts, use.own) if use.own is not None else _built_in(use.name)
        known[key] = function(**{ask: given[ask] for ask in use.asks}, **options)
    value = known[key]
    if built_in is not None:
        value = value.get(built_in.value) if isinstance(value, Mapping) else value
        value = math.nan if value is None else value
    several = {str(name): float(number) for name, number in value.items()} if isinstance(value, Mapping) else None
    numbers = (
        {use.title: float(value)} if several is None else {f"{use.title}.{name}": n for name, n in several.items()}
    )
    if several:
        numbers = {use.title: next(iter(several.values())), **numbers}
    if wrong := {name: number for name, number in numbers.items() if math.isinf(number)}:
        raise ValueError(f"must give finite numbers, or NaN where it is undefined, got {wrong}")
    return {name: number for name, number in numbers.items() if not math.isnan(number)}


def _built_in(name: str) -> Callable[..., Any]:
    file, _, function = METRICS[name].source.partition(":")
    found: Callable[..., Any] = getattr(
        importlib.import_module(f"distilpose.evaluation.{file.removesuffix('.py')}"), function
    )
    return found
