"""One pass over a split, and how good each of several models is on it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import nn

from distilpose.data.coco import PoseData
from distilpose.data.sources import ImageSource
from distilpose.data.stream import Batch, eval_batches
from distilpose.evaluation.average_precision import KeypointTruth, split_truth
from distilpose.evaluation.boxes import detected_people
from distilpose.evaluation.decode import Points, Readable, Refinement, crop_to_image
from distilpose.evaluation.flip import FlipTest
from distilpose.evaluation.measure import given_to_metrics, measure
from distilpose.evaluation.metrics import MetricUse
from distilpose.evaluation.oks import rescore, suppress
from distilpose.evaluation.protocol import PUBLISHED, Protocol

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """What one model is worth on a split.

    metrics: those that are always recorded (`METRICS`) and those asked for; one that the data leave undefined is
        absent. All are, for a split without labels.
    results: rows of COCO's results format, rescored, after suppression.
    keypoints: x, y in image pixels and score of every person, in the order of the split's people (or of the detector's
        boxes), before suppression.
    """

    metrics: dict[str, float]
    results: list[dict[str, Any]]
    keypoints: Float[NDArray[np.float32], "people joints 3"]


def evaluate(model: nn.Module, data: PoseData, *, input_size: tuple[int, int], **options: Any) -> Evaluation:
    """Return what `evaluate_many`, which takes the same options, says of one model."""
    return evaluate_many({"model": model}, data, input_size=input_size, **options)["model"]


def evaluate_many(
    models: Mapping[str, nn.Module],
    data: PoseData,
    *,
    input_size: tuple[int, int],
    batch_size: int = 64,
    protocol: Protocol = PUBLISHED,
    boxes: Path | None = None,
    device: torch.device | str = "cpu",
    precision_context: Callable[[], AbstractContextManager[Any]] | None = None,
    workers: int = 0,
    cache: Literal["none", "ram"] | ImageSource = "none",
    batches: Iterable[Batch] | None = None,
    truth: KeypointTruth | None = None,
    on_batch: Callable[[], None] = lambda: None,
    metrics: Sequence[MetricUse] = (),
    required: str = "",
    parts: Path | None = None,
) -> dict[str, Evaluation]:
    """Return each model's evaluation, from one pass over the split.

    The output of a model's head gives points and scores (of a regression head without a score output, 1; of heatmaps,
    their maxima). Then people are rescored, and of poses of one image that are too alike (OKS, area of the
    padded box) all but the best are dropped; `protocol` says how, and by default as published.
    Models are run in evaluation mode and put back into the mode they were in.

    Args:
        models: by name; all see the same crops. They must be on `device`.
        data: the split.
        input_size: of the crops, (width, height) in pixels.
        batch_size: crops at a time; without influence on the outcome.
        protocol: flip test, decoding, rescoring, suppression, and what counts the average precision.
        boxes: file of a detector's boxes (COCO's results format); None means the annotated boxes, with score 1. PCK is
            of annotated boxes only.
        device: where to compute.
        precision_context: makes the context the models run in (autocast, say).
        workers: threads that read pictures.
        cache: an `ImageSource` keeps decoded pictures from one evaluation to the next.
        batches: the crops, where they are at hand already; must cover the split (or the boxes), in any order.
        truth: the annotations, where they are at hand already.
        on_batch: called before each batch; what it raises ends the evaluation.
        metrics: as of `measure`.
        required: as of `measure`.
        parts: as of `measure`.

    Raises:
        ValueError: when the batches do not cover the split, the boxes are unusable, or a model's output is no head's.
    """
    box_scores = np.ones(len(data.people))
    people = data
    if boxes is not None:
        people, box_scores = detected_people(data, boxes)
    if truth is None and data.people:
        truth = split_truth(data)
    if batches is None:
        batches = eval_batches(people, input_size=input_size, batch_size=batch_size, workers=workers, cache=cache)
    partners = data.skeleton.flip_permutation
    predicted = {name: np.zeros((len(people.people), len(partners), 3), np.float32) for name in models}
    areas = np.full(len(people.people), np.nan)
    with _evaluating(models.values()), torch.inference_mode():
        for batch in batches:
            on_batch()
            images = batch.images.to(device)
            mirrored = images.flip(-1) if protocol.flip_test is not None else None
            index = batch.index.cpu().numpy()
            areas[index] = batch.scale.double().prod(-1).cpu().numpy()
            for name, model in models.items():
                with contextlib.nullcontext() if precision_context is None else precision_context():
                    output = model(images)
                    other = model(mirrored) if mirrored is not None else None
                points = read_points(output, other, partners, input_size[0], protocol.flip_test, protocol.refinement)
                keypoints = crop_to_image(points.keypoints.cpu(), batch.center.cpu(), batch.scale.cpu())
                predicted[name][index] = torch.cat([keypoints, points.scores.cpu()[..., None]], -1).numpy()
    if np.isnan(areas).any():
        raise ValueError(
            f"batches: must cover all {len(areas)} people of {people.split}, got {np.isfinite(areas).sum()}; "
            "evaluation needs the last, smaller batch too"
        )
    found = {}
    for name, points_found in predicted.items():
        results = _results(name, points_found, data, people, areas, box_scores, protocol)
        measured: dict[str, float] = {}
        if truth is not None:
            aligned = points_found if people is data else None
            given = given_to_metrics(
                data, keypoints=aligned, results=results, truth=truth, evaluator=protocol.evaluator
            )
            measured = measure(given, metrics, parts=parts, required=required)
        found[name] = Evaluation(metrics=measured, results=results, keypoints=points_found)
    return found


def read_points(
    output: Readable,
    mirrored: Readable | None,
    partners: Sequence[int],
    width: int,
    flip_test: FlipTest | None,
    refinement: Refinement = "dark",
) -> Points:
    """Return the joints in [0, 1] of the crop `width` pixels wide, merged with the mirror image's where it is given.

    `refinement` is of heatmaps. Raises ValueError for an output of no head.
    """
    if not isinstance(output, Readable):
        raise ValueError(f"model: must return a head's output, as RegressionOutput is, got {type(output).__name__}")
    if mirrored is not None:
        output = output.merged(mirrored, partners, width, flip_test or FlipTest())
    return output.points(refinement)


@contextlib.contextmanager
def _evaluating(models: Iterable[nn.Module]) -> Any:
    """Put models into evaluation mode for a while."""
    before = [(model, model.training) for model in models]
    for model, _ in before:
        model.eval()
    try:
        yield
    finally:
        for model, training in before:
            model.train(training)


def _results(
    name: str,
    keypoints: NDArray[np.float32],
    data: PoseData,
    people: PoseData,
    areas: NDArray[np.float64],
    box_scores: NDArray[np.float64],
    protocol: Protocol,
) -> list[dict[str, Any]]:
    """Return one model's keypoints [people, joints, 3] in image pixels as results; those not finite are misses."""
    broken = ~np.isfinite(keypoints).all(-1)
    if broken.any():
        log.warning("%s: %d of %d predicted joints are not finite and count as misses", name, broken.sum(), broken.size)
        keypoints[broken] = (-1e5, -1e5, 0)
    above = protocol.rescore_above
    scores = box_scores if above is None else rescore(box_scores, keypoints[..., 2], above)
    image_ids = np.array([person.image_id for person in people.people])
    keep = np.ones(len(scores), dtype=bool)
    if protocol.suppress_above is not None:
        order = np.argsort(image_ids, kind="stable")
        for group in np.split(order, np.flatnonzero(np.diff(image_ids[order])) + 1):
            keep[group] = suppress(
                keypoints[group, :, :2], areas[group], scores[group], data.skeleton.sigmas, protocol.suppress_above
            )
    return [
        {
            "image_id": int(image_ids[n]),
            "category_id": people.people[n].category_id,
            "keypoints": [round(v, 3) for v in keypoints[n].ravel().tolist()],
            "score": float(scores[n]),
        }
        for n in np.flatnonzero(keep)
    ]
