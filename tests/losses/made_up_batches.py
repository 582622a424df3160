"""Batches that hold only what losses read."""

import torch
from torch import Tensor

from distilpose.data.stream import Batch
from distilpose.losses.criteria import LossCriterion
from distilpose.losses.use import Losses
from distilpose.models import HeatmapOutput


def batch_of(keypoints: Tensor, visible: Tensor) -> Batch:
    """People with these joints, and no pictures."""
    nothing = torch.zeros(0)
    return Batch(
        images=nothing,
        keypoints=keypoints,
        visible=visible,
        index=nothing,
        center=nothing,
        scale=nothing,
        labelled=visible,
    )


def weighted(losses: dict, output: object, keypoints: Tensor, visible: Tensor, teacher: HeatmapOutput | None) -> dict:
    """The weighted losses of a sweep's mapping by name."""
    return LossCriterion(Losses.of(losses))(output, batch_of(keypoints, visible), teacher)
