"""Accuracy in pixels of the picture: the end-point error, and the area under the curve of PCK over pixels."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

Floats = NDArray[np.floating]


def epe(
    keypoints: Float[Floats, "people joints 2"],
    true_keypoints: Float[Floats, "people joints 2"],
    visible: Float[Floats, "people joints"],
) -> float:
    """Return the end-point error: the mean distance of labelled joints in image pixels, NaN without any."""
    distance = np.linalg.norm(keypoints - true_keypoints, axis=-1)[visible > 0]
    return float(distance.mean()) if distance.size else float("nan")


def auc(
    keypoints: Float[Floats, "people joints 2"],
    true_keypoints: Float[Floats, "people joints 2"],
    visible: Float[Floats, "people joints"],
    *,
    pixels: float = 30.0,
    steps: int = 20,
) -> float:
    """Return the mean, over `steps` distances from 0 to below `pixels`, of the share of joints nearer than that.

    The share is the mean over joints. At distance 0 nothing is found, so perfect predictions have 1 - 1 / `steps`: as
    mmpose's `keypoint_auc`. NaN without a labelled joint.
    """
    distance = np.linalg.norm(keypoints - true_keypoints, axis=-1)
    reach = pixels * np.arange(steps) / steps
    shares = [
        (one[seen, None] < reach).mean() for one, seen in zip(distance.T, visible.T > 0, strict=True) if seen.any()
    ]
    return float(np.mean(shares)) if shares else float("nan")
