"""Average precision by how crowded a picture is, as CrowdPose counts it."""

from collections.abc import Mapping, Sequence
from typing import Any

from distilpose.evaluation.average_precision import KeypointTruth, mean_precision

LEVELS = {"easy": (float("-inf"), 0.2), "medium": (0.2, 0.8), "hard": (0.8, float("inf"))}
"""Of the crowd index, from and below: those of CrowdPose's own evaluation (github.com/Jeff-sjtu/CrowdPose)."""


def by_crowding(
    truth: KeypointTruth, results: Sequence[Mapping[str, Any]], crowding: Mapping[int, float]
) -> dict[str, float]:
    """Return AP of pictures with a crowd index below 0.2 (easy), from there below 0.8 (medium), and above (hard)."""
    return {
        level: mean_precision(truth, results, [image for image, index in crowding.items() if low <= index < high])
        for level, (low, high) in LEVELS.items()
    }
