"""How long a run trains, how many people at a time, and its learning rate. Imports no torch."""

import math
from dataclasses import dataclass
from typing import Literal

from distilpose.bounds import Chance, Count, Natural, Rate, check_bounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How long a run trains, in which batches, and how its learning rate moves. A sweep's `schedule` is this record.

    epochs: passes over the training split.
    batch_size: people of an optimiser step.
    drop_last: leave out the people left over at an epoch's end, unless the split itself is smaller than a batch; else
        they are a smaller batch, as with the authors.
    cards: batch normalisation takes its statistics over the people of each of so many cards alone, as where that many
        GPUs train together unsynchronised; 1: over the whole batch. The authors' are 8. They need not be there.
    lr: learning rate after the warm-up, before any decay.
    backbone_lr_mult: the share of the rate that the backbone trains at, as in DETR and PRTR.
    warmup_steps: optimiser steps over which the rate rises linearly; 0 for none.
    warmup_ratio: the first step's share of the rate.
    decay: how the rate falls: "milestones", as published; from the first step to the last along half a "cosine" or a
        "linear" line, down to `floor`; or "constant", not at all. The warm-up comes on top.
    milestones: epochs (counted from 0) at whose start the rate is multiplied by `gamma`; another decay has none.
    gamma: the factor of each milestone.
    floor: the share of the rate at which a cosine or a line ends.
    eval_every: epochs between validations; the last epoch is always validated.

    Source: the authors' configurations (300 epochs, 500 steps of warm-up from 0.001x, x0.1 at 200 and 260).
    """

    epochs: Count
    batch_size: Count
    drop_last: bool = False
    cards: Count = 1
    lr: Rate = 1e-3
    backbone_lr_mult: Rate = 1.0
    warmup_steps: Natural = 500
    warmup_ratio: Chance = 1e-3
    decay: Literal["milestones", "cosine", "linear", "constant"] = "milestones"
    milestones: tuple[Count, ...] = ()
    gamma: Rate = 0.1
    floor: Chance = 0.0
    eval_every: Count = 10

    def __post_init__(self) -> None:
        check_bounds(self)

    def steps_per_epoch(self, people: int) -> int:
        """The optimiser steps of a pass over so many people."""
        whole, rest = divmod(people, self.batch_size)
        return whole + (1 if rest and (not self.drop_last or whole == 0) else 0)

    def learning_rate(self, step: int, steps_per_epoch: int) -> float:
        """The rate of the optimiser step number `step`, counted from 0."""
        rate = self.lr * self._decayed(step, steps_per_epoch)
        if step < self.warmup_steps:
            rate *= 1 - (1 - step / self.warmup_steps) * (1 - self.warmup_ratio)
        return rate

    def _decayed(self, step: int, steps_per_epoch: int) -> float:
        """The share of the rate that the decay leaves."""
        if self.decay == "milestones":
            epoch = step // steps_per_epoch
            return self.gamma ** sum(milestone <= epoch for milestone in self.milestones)
        if self.decay == "constant":
            return 1.0
        done = step / (self.epochs * steps_per_epoch)
        left = 1 - done if self.decay == "linear" else 0.5 * (1 + math.cos(math.pi * done))
        return self.floor + (1 - self.floor) * left

    def validates_after(self, epochs_done: int) -> bool:
        """Whether a validation is due once `epochs_done` epochs are over."""
        return epochs_done > 0 and (epochs_done % self.eval_every == 0 or epochs_done == self.epochs)
