"""The learning rate of the papers: a linear warm-up, then steps at fixed epochs."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """How long a run trains, and how its learning rate moves.

    Args:
        epochs: passes over the training split.
        lr: learning rate after the warm-up, before the first milestone.
        warmup_steps: optimiser steps over which the rate rises linearly; 0 for none.
        warmup_ratio: the first step's share of the rate.
        milestones: epochs (counted from 0) at whose start the rate is multiplied by `gamma`.
        gamma: the factor of each milestone.
        eval_every: epochs between validations; the last epoch is always validated.

    Source: the authors' configurations (300 epochs, 500 steps of warm-up from 0.001x, x0.1 at 200 and 260).
    """

    epochs: int
    lr: float = 1e-3
    warmup_steps: int = 500
    warmup_ratio: float = 1e-3
    milestones: tuple[int, ...] = (200, 260)
    gamma: float = 0.1
    eval_every: int = 10

    def learning_rate(self, step: int, steps_per_epoch: int) -> float:
        """The rate of the optimiser step number `step`, counted from 0."""
        epoch = step // steps_per_epoch
        rate = self.lr * self.gamma ** sum(milestone <= epoch for milestone in self.milestones)
        if step < self.warmup_steps:
            rate *= 1 - (1 - step / self.warmup_steps) * (1 - self.warmup_ratio)
        return rate

    def validates_after(self, epochs_done: int) -> bool:
        """Whether a validation is due once `epochs_done` epochs are over."""
        return epochs_done > 0 and (epochs_done % self.eval_every == 0 or epochs_done == self.epochs)
