"""Average precision over categories, as AP-10K counts it: of each kind of animal by itself."""

from collections.abc import Mapping, Sequence
from typing import Any

from distilpose.evaluation.average_precision import KeypointTruth, changed_truth, mean_precision


def over_categories(truth: KeypointTruth, results: Sequence[Mapping[str, Any]], categories: Mapping[int, str]) -> float:
    """Return the mean of the AP of each category that has people (or animals): a rare kind weighs as a common one."""
    of_each = changed_truth(truth, lambda row: {"category_id": row["category"]}, categories=categories)
    return mean_precision(of_each, results)
