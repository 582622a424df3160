"""PCK: the share of joints found within a fraction of the person's size."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from distilpose.data.skeleton import Skeleton

Floats = NDArray[np.floating]


def pck(
    keypoints: Float[Floats, "people joints 2"],
    true_keypoints: Float[Floats, "people joints 2"],
    visible: Float[Floats, "people joints"],
    boxes: Float[Floats, "people 4"],
    skeleton: Skeleton | None,
    *,
    threshold: float = 0.2,
    by: Literal["bbox", "torso"] = "bbox",
    mean: Literal["labels", "joints"] = "labels",
) -> float:
    """Return the share of labelled joints found within `threshold` times the person's size, NaN where none counts.

    The size is the longer side of the box or, by "torso", the distance from left shoulder to right hip. All in image
    pixels. Joints with `visible` 0 do not count, nor does a person whose size is not above 0; every other joint of
    every person counts once; or, with the `mean` of joints, each joint's share does, as in mmpose's PCK. A prediction
    that is not finite is a miss.
    """
    found, counted = joints_found(keypoints, true_keypoints, visible, boxes, skeleton, threshold=threshold, by=by)
    if mean == "joints":
        return mean_of_joints(found, counted)
    return float(found[counted].mean()) if counted.any() else float("nan")


def mean_of_joints(
    found: Bool[NDArray[np.bool_], "people joints"], counted: Bool[NDArray[np.bool_], "people joints"]
) -> float:
    """Return the mean over joints of the share of people whose joint is found; NaN where none counts."""
    shares = [one[seen].mean() for one, seen in zip(found.T, counted.T, strict=True) if seen.any()]
    return float(np.mean(shares)) if shares else float("nan")


def joints_found(
    keypoints: Float[Floats, "people joints 2"],
    true_keypoints: Float[Floats, "people joints 2"],
    visible: Float[Floats, "people joints"],
    boxes: Float[Floats, "people 4"],
    skeleton: Skeleton | None,
    *,
    threshold: float,
    by: Literal["bbox", "torso"] = "bbox",
) -> tuple[Bool[NDArray[np.bool_], "people joints"], Bool[NDArray[np.bool_], "people joints"]]:
    """Return which joints are found, and which count, as `pck` has it."""
    sizes = boxes[:, 2:].max(-1)
    if by == "torso":
        sizes = torso_lengths(true_keypoints, visible, None if skeleton is None else torso(skeleton))
    distance = np.linalg.norm(keypoints.astype(np.float64) - true_keypoints, axis=-1)
    return distance <= threshold * sizes[:, None], (visible > 0) & (sizes > 0)[:, None]


def torso(skeleton: Skeleton) -> tuple[int, int] | None:
    """Return the joints between which a torso is measured, left shoulder and right hip; None where either is absent.

    The reference joints of the evaluation of Leeds Sports Pose (github.com/bearpaw/eval_pose).
    """
    try:
        return skeleton.find("left_shoulder"), skeleton.find("right_hip")
    except ValueError:
        return None


def torso_lengths(
    truth: Float[Floats, "people joints 2"], labelled: Float[Floats, "people joints"], ends: tuple[int, int] | None
) -> Float[Floats, " people"]:
    """Return the pixels from left shoulder to right hip, 0 where one of them is not labelled or there are no `ends`."""
    if ends is None:
        return np.zeros(len(truth))
    shoulder, hip = ends
    lengths: Floats = np.linalg.norm(truth[:, shoulder].astype(np.float64) - truth[:, hip], axis=-1)
    return np.where((labelled[:, shoulder] > 0) & (labelled[:, hip] > 0), lengths, 0.0)
