"""How a model's errors are spread: whether a person's score foretells its OKS, and which joints are found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from distilpose.evaluation.average_precision import KeypointTruth

Floats = NDArray[np.floating]

BINS = 20
FOUND_WITHIN = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationBins:
    """Predictions by their score, in twentieths of [0, 1]: how many, their mean score and their mean OKS.

    The means of an empty bin are None. `spearman` is the rank correlation of score and OKS over all predictions, None
    where one of the two does not vary.
    """

    people: tuple[int, ...]
    score: tuple[float | None, ...]
    oks: tuple[float | None, ...]
    spearman: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JointShares:
    """For each joint, how often it is labelled, and the share of those found within a tenth of the person's box."""

    names: tuple[str, ...]
    seen: tuple[int, ...]
    found: tuple[float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """Calibration over the predictions, joints over the annotated people."""

    calibration: CalibrationBins
    joints: JointShares


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _People:
    """The annotated people of one image: joints [people, joints, 3] in pixels, areas, and the longer sides of boxes."""

    keypoints: Float[Floats, "people joints 3"]
    areas: Float[Floats, " people"]
    sizes: Float[Floats, " people"]

    @property
    def labelled(self) -> Bool[NDArray[np.bool_], "people joints"]:
        return self.keypoints[..., 2] > 0


def _annotated(truth: KeypointTruth) -> dict[int, _People]:
    """The people who can be found: labelled, no crowd, with a box; by image."""
    by_image: dict[int, list[Mapping[str, Any]]] = {}
    for one in truth.coco.dataset["annotations"]:
        if one["num_keypoints"] and not one["iscrowd"] and max(one["bbox"][2:]) > 0:
            by_image.setdefault(one["image_id"], []).append(one)
    return {
        image: _People(
            keypoints=np.array([one["keypoints"] for one in people], dtype=np.float64).reshape(len(people), -1, 3),
            areas=np.array([one["area"] for one in people], dtype=np.float64),
            sizes=np.array([max(one["bbox"][2:]) for one in people], dtype=np.float64),
        )
        for image, people in by_image.items()
    }


def oks_table(
    predicted: Float[Floats, "predictions joints 2"],
    annotated: Float[Floats, "people joints 3"],
    areas: Float[Floats, " people"],
    sigmas: Sequence[float],
) -> Float[Floats, "predictions people"]:
    """Return COCO's object keypoint similarity of every prediction with every annotated person, in [0, 1].

    The mean over the person's labelled joints of exp(-d^2 / (8 sigma^2 area)), pixels throughout (cocodataset.org,
    keypoint evaluation).
    """
    labelled = annotated[..., 2] > 0
    distance = ((predicted[:, None] - annotated[None, ..., :2]) ** 2).sum(-1)
    similar = np.exp(-distance / (8 * np.asarray(sigmas) ** 2) / (areas[None, :, None] + np.spacing(1)))
    table: Floats = (similar * labelled).sum(-1) / labelled.sum(-1)
    return table


def diagnose(results: Sequence[Mapping[str, Any]], truth: KeypointTruth, joints: Sequence[str]) -> Diagnosis:
    """Return how the errors of `results`, rows of COCO's results format, are spread.

    A prediction's OKS is that with the annotated person of its image it is most like; predictions on images where
    nobody is labelled do not count, those on people whom nobody labelled count as misses. An annotated person's joints
    are held against the prediction of its image that is most like it; without any, its joints are not found.

    Args:
        results: as an evaluation gives them.
        truth: the annotations of the split.
        joints: their names.
    """
    by_image: dict[int, list[Mapping[str, Any]]] = {}
    for row in results:
        by_image.setdefault(row["image_id"], []).append(row)
    scores: list[float] = []
    similar: list[float] = []
    seen, found = np.zeros(len(joints), np.int64), np.zeros(len(joints), np.int64)
    for image, people in _annotated(truth).items():
        seen += people.labelled.sum(0)
        rows = by_image.get(image)
        if rows is None:
            continue
        points = np.array([row["keypoints"] for row in rows], dtype=np.float64).reshape(len(rows), -1, 3)[..., :2]
        table = oks_table(points, people.keypoints, people.areas, truth.sigmas)
        scores += [float(row["score"]) for row in rows]
        similar += table.max(1).tolist()
        nearest = points[table.argmax(0)]
        distance = np.linalg.norm(nearest - people.keypoints[..., :2], axis=-1) / people.sizes[:, None]
        found += ((distance <= FOUND_WITHIN) & people.labelled).sum(0)
    shares = [hits / count if count else None for hits, count in zip(found.tolist(), seen.tolist(), strict=True)]
    return Diagnosis(
        calibration=calibration_bins(np.array(scores), np.array(similar)),
        joints=JointShares(names=tuple(joints), seen=tuple(seen.tolist()), found=tuple(shares)),
    )


def calibration_bins(
    scores: Float[Floats, " predictions"], oks: Float[Floats, " predictions"], bins: int = BINS
) -> CalibrationBins:
    """Return the predictions by score; scores outside [0, 1] fall into the first and the last bin."""
    places = np.clip((scores * bins).astype(np.int64), 0, bins - 1)
    people = np.bincount(places, minlength=bins)

    def means(values: Floats) -> tuple[float | None, ...]:
        totals = np.bincount(places, weights=values, minlength=bins).tolist()
        return tuple(total / count if count else None for total, count in zip(totals, people.tolist(), strict=True))

    return CalibrationBins(
        people=tuple(people.tolist()), score=means(scores), oks=means(oks), spearman=_rank_correlation(scores, oks)
    )


def _rank_correlation(scores: Floats, oks: Floats) -> float | None:
    from scipy.stats import spearmanr  # more than a second of importing: only where errors are worked out

    if len(scores) < 3 or np.ptp(scores) == 0 or np.ptp(oks) == 0:
        return None
    return float(spearmanr(scores, oks).statistic)
