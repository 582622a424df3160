"""PCK: the share of joints found within a fraction of the person's size."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

Floats = NDArray[np.floating]

PCK_THRESHOLDS = (0.2, 0.1)


def pck(
    predicted: Float[Floats, "people joints 2"],
    truth: Float[Floats, "people joints 2"],
    labelled: Float[Floats, "people joints"],
    box_sizes: Float[Floats, "people 2"],
    thresholds: Sequence[float] = PCK_THRESHOLDS,
) -> dict[str, float]:
    """Return under "PCK@t" the share of labelled joints within t times the longer side of the person's box.

    All in image pixels; `box_sizes` is (width, height) of the annotated, unpadded box; joints with `labelled` 0 do not
    count, and every other joint of every person counts once. Empty when no joint is labelled. A prediction that is
    not finite is a miss.
    """
    counted = labelled > 0
    if not counted.any():
        return {}
    distance = np.linalg.norm(predicted.astype(np.float64) - truth, axis=-1) / box_sizes.max(-1)[:, None]
    return {f"PCK@{threshold:g}": float((distance <= threshold)[counted].mean()) for threshold in thresholds}
