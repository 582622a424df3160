"""Object keypoint similarity, and what the published protocol does with it: rescoring and suppression."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

RESCORE_ABOVE = 0.2
SUPPRESS_ABOVE = 0.9

Floats = NDArray[np.floating]


def pairwise_oks(
    keypoints: Float[Floats, "people joints 2"], areas: Float[Floats, " people"], sigmas: Sequence[float]
) -> Float[Floats, "people people"]:
    """Return the similarity of every two predictions: mean over joints of exp(-d^2 / (8 s^2 A)), 1 for equal poses.

    Keypoints and areas are in image pixels; A is the mean of both areas; every joint counts. The formula is COCO's
    with the second pose in the place of the annotation (cocodataset.org, keypoint evaluation).

    Raises ValueError when there is not one sigma a joint.
    """
    if len(sigmas) != keypoints.shape[1]:
        raise ValueError(f"sigmas: one per joint is needed, got {len(sigmas)} for {keypoints.shape[1]} joints")
    points = keypoints.astype(np.float64)
    distance = ((points[:, None] - points[None]) ** 2).sum(-1)
    area = (areas[:, None] + areas[None]) / 2 + np.spacing(1)
    exponent = distance / (8 * np.asarray(sigmas) ** 2) / area[..., None]
    similarity: Floats = np.exp(-exponent).mean(-1)
    return similarity


def rescore(
    box_scores: Float[Floats, " people"],
    keypoint_scores: Float[Floats, "people joints"],
    above: float = RESCORE_ABOVE,
) -> Float[Floats, " people"]:
    """Return each person's score: box score times the mean of the keypoint scores above a threshold, 0 if none is."""
    counted = keypoint_scores > above
    total = np.where(counted, keypoint_scores, 0.0).sum(1, dtype=np.float64)
    rescored: Floats = box_scores * total / np.maximum(counted.sum(1), 1)
    return rescored


def suppress(
    keypoints: Float[Floats, "people joints 2"],
    areas: Float[Floats, " people"],
    scores: Float[Floats, " people"],
    sigmas: Sequence[float],
    above: float = SUPPRESS_ABOVE,
) -> Bool[NDArray[np.bool_], " people"]:
    """Return which predictions of one image stay when the best drop all lesser ones more similar than `above`."""
    keep = np.ones(len(scores), dtype=bool)
    if len(scores) < 2:
        return keep
    similar = pairwise_oks(keypoints, areas, sigmas) > above
    order = np.argsort(-scores, kind="stable")
    for place, best in enumerate(order):
        if keep[best]:
            lesser = order[place + 1 :]
            keep[lesser] &= ~similar[best, lesser]
    return keep
