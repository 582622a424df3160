"""PCKh: the share of joints found within a fraction of the head's size, as MPII counts it."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from distilpose.data.skeleton import Skeleton
from distilpose.evaluation.pck import mean_of_joints

Floats = NDArray[np.floating]
_LEFT_OUT = ("pelvis", "thorax")


def pckh(
    keypoints: Float[Floats, "people joints 2"],
    true_keypoints: Float[Floats, "people joints 2"],
    visible: Float[Floats, "people joints"],
    head_sizes: Float[Floats, " people"],
    skeleton: Skeleton,
    *,
    threshold: float = 0.5,
) -> dict[str, float]:
    """Return the share of labelled joints found within `threshold` head sizes, and that of each part of the skeleton.

    A head size is 0.6 of the diagonal of the annotated head box. The whole leaves out pelvis and thorax and counts
    every other joint of every person once; a part is the mean of its joints' shares. Whoever has no head size does not
    count. As `eval_PCKh` of MPII (human-pose.mpi-inf.mpg.de, evaluation) and HRNet's `mpii.py` do.
    """
    distance = np.linalg.norm(keypoints.astype(np.float64) - true_keypoints, axis=-1)
    found, counted = distance <= threshold * head_sizes[:, None], (visible > 0) & (head_sizes > 0)[:, None]
    kept = [joint for joint, name in enumerate(skeleton.names) if name not in _LEFT_OUT]
    whole = found[:, kept][counted[:, kept]]
    shares = {"mean": float(whole.mean()) if whole.size else float("nan")}
    for part, joints in skeleton.parts:
        shares[part] = mean_of_joints(found[:, joints], counted[:, joints])
    return shares
