"""PCK: the share of joints found within a fraction of the person's size."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from distilpose.data.skeleton import Skeleton

Floats = NDArray[np.floating]

PCK_THRESHOLDS = (0.2, 0.1)


def pck(
    predicted: Float[Floats, "people joints 2"],
    truth: Float[Floats, "people joints 2"],
    labelled: Float[Floats, "people joints"],
    sizes: Float[Floats, " people"],
    thresholds: Sequence[float] = PCK_THRESHOLDS,
    suffix: str = "",
) -> dict[str, float]:
    """Return under "PCK@t" and `suffix` the share of labelled joints within t times the person's size.

    All in image pixels. Joints with `labelled` 0 do not count, nor does a person whose size is not above 0; every other
    joint of every person counts once. Empty when none counts. A prediction that is not finite is a miss.
    """
    counted = (labelled > 0) & (sizes > 0)[:, None]
    if not counted.any():
        return {}
    distance = np.linalg.norm(predicted.astype(np.float64) - truth, axis=-1)
    return {
        f"PCK@{threshold:g}{suffix}": float((distance <= threshold * sizes[:, None])[counted].mean())
        for threshold in thresholds
    }


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
