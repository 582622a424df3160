"""Metrics worked out of predictions and truth: each function gets by name what it asks for, and nothing else."""

from __future__ import annotations

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
from distilpose.evaluation.metrics import DATA_ASKS, METRICS, PEOPLE_ASKS, RECORDED, MetricUse
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
    head_sizes: of each person, in pixels, NaN where unknown; absent where all are.
    image_sizes, image_ids: width and height of each person's picture, and its id.
    skeleton, parts: of the data, and its named groups of joints where it has any.
    crowding: from 0 to 1 by the id of the picture; absent where the data do not say.
    categories: names by id, where there are several.
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
    found |= given_by_data(data)
    if keypoints is None:
        return {name: value for name, value in found.items() if name not in PEOPLE_ASKS}
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


def given_by_data(data: PoseData) -> dict[str, Any]:
    """Return those of `DATA_ASKS` that the data have; see `given_to_metrics`."""
    heads = np.array([np.nan if person.head_size is None else person.head_size for person in data.people])
    found = {
        "head_sizes": None if np.isnan(heads).all() else heads,
        "crowding": {one.image_id: one.crowd_index for one in data.images if one.crowd_index is not None},
        "categories": data.categories if len(data.categories) > 1 else None,
        "parts": dict(data.skeleton.parts),
    }
    assert found.keys() == DATA_ASKS.keys()
    return {name: value for name, value in found.items() if value is not None and len(value)}


def measure(
    given: Mapping[str, Any], uses: Iterable[MetricUse] = (), *, parts: Path | None = None, required: str = ""
) -> dict[str, float]:
    """Return the recorded metrics of ours and those of `uses`, by title; one that is undefined here is absent.

    NaN stands for undefined. A user's own that fails is left out with a warning, unless it is the `required` one. One
    that returns several numbers by name has the first as its value, and each other as `title.name`.

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
    if built_in is not None and built_in.value is not None:
        value = value.get(built_in.value, math.nan)
    several = value if isinstance(value, Mapping) else {"": value}
    names = (f"{use.title}.{name}" if place else use.title for place, name in enumerate(several))
    numbers = {name: float(number) for name, number in zip(names, several.values(), strict=True)}
    if wrong := {name: number for name, number in numbers.items() if math.isinf(number)}:
        raise ValueError(f"must give finite numbers, or NaN where it is undefined, got {wrong}")
    return {name: number for name, number in numbers.items() if not math.isnan(number)}


def _built_in(name: str) -> Callable[..., Any]:
    file, _, function = METRICS[name].source.partition(":")
    found: Callable[..., Any] = getattr(
        importlib.import_module(f"distilpose.evaluation.{file.removesuffix('.py')}"), function
    )
    return found
