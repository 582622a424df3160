"""Average precision of parts of the body, as COCO-WholeBody counts it."""

from collections.abc import Mapping, Sequence
from typing import Any

from distilpose.evaluation.average_precision import KeypointTruth, changed_truth, mean_precision


def by_part(
    truth: KeypointTruth, results: Sequence[Mapping[str, Any]], parts: Mapping[str, Sequence[int]]
) -> dict[str, float]:
    """Return AP of the whole, and of each part of the skeleton by its own joints, with the person's area and score."""
    shares = {"whole": mean_precision(truth, results)}
    for part, joints in parts.items():

        def of_part(row: Mapping[str, Any], joints: Sequence[int] = joints) -> dict[str, Any]:
            flat = [value for joint in joints for value in row["keypoints"][3 * joint : 3 * joint + 3]]
            return {"keypoints": flat, "num_keypoints": sum(flag > 0 for flag in flat[2::3])}

        narrowed = changed_truth(truth, of_part, sigmas=[truth.sigmas[joint] for joint in joints])
        shares[part] = mean_precision(narrowed, [{**row, **of_part(row)} for row in results])
    return shares
