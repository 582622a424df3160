"""The bytes that training holds, put together from what `measure` said of each model. Imports no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Bytes of tensors while a model runs on a batch: in a training step, or without gradients."""

    weights: int
    trained: int
    """Of the weights, those that are trained. Their gradients and each of Adam's two moments take as much again."""
    buffers: int
    images: int
    output: int
    kept: int
    """What the forward pass keeps for the backward pass, weights and images aside; 0 without gradients."""
    peak: int
    """The most at any moment, weights, buffers and images aside. A training step's new gradients are part of it."""
    moments: int = 2
    """How many numbers the optimizer keeps for each that is trained."""
    averaged: bool = False
    """Whether there is a moving average of the weights beside them."""

    @property
    def resident(self) -> int:
        """What stays between steps: gradients, the optimizer's moments and an average among it."""
        own = self.weights + self.buffers
        return own + (1 + self.moments) * self.trained + own * self.averaged


def process_bytes(models: Sequence[Memory], teacher: Memory | None = None, *, batches: int = 1) -> int:
    """Return the most bytes of tensors in a process that runs these models on the same images, one after the other.

    Args:
        models: the students of a cohort, each in a training step, or each without gradients in a validation.
        teacher: the frozen model that is asked first, without gradients.
        batches: how many batches of this size are there: the parts of a larger batch, whose gradients are added up, or
            in a validation the images as they are and mirrored.
    """
    resident = sum(model.resident for model in models)
    # The old gradients of a model go when its step begins, unless they are those of an earlier part.
    peaks = [model.peak - (model.trained if model.kept and batches == 1 else 0) for model in models]
    taught = 0
    if teacher is not None:
        resident += teacher.weights + teacher.buffers
        taught = batches * teacher.output
        peaks.append(teacher.peak - teacher.output)
    return resident + batches * models[0].images + taught + max(peaks)
