"""One run inside a cohort: its own model, optimiser, place in the stream and best result."""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from distilpose.data.stream import Batch
from distilpose.heads.heatmap import HeatmapOutput
from distilpose.models.measure import plain_forward
from distilpose.training.optimizers import ADAM, Optimizer, build_optimizer
from distilpose.training.schedule import Schedule


class Criterion(Protocol):
    """The weighted terms of a run's loss; their sum is what is minimised.

    One that is a module with parameters has these trained and checkpointed with the run.
    """

    def __call__(
        self, output: Any, batch: Batch, teacher: HeatmapOutput | None, epoch: float, /
    ) -> Mapping[str, Tensor]:
        """The terms, by name, each a scalar; `epoch` is how many epochs the run has behind it, a fraction."""


class Forward(Protocol):
    """How a training step runs a model on images."""

    def __call__(self, model: nn.Module, images: Tensor, /) -> Any:
        """The output that the criterion reads."""


@dataclass(slots=True, kw_only=True)
class Member:
    """A run and all that a checkpoint of it must carry.

    Args:
        name: the run's id.
        model: in its initial state, on any device.
        criterion: its loss.
        schedule: its length and learning rate.
        checkpoints: the folder of its checkpoints.
        aside: the folder where a checkpoint is first written; see `write_whole`. Once it is gone, another process has
            the run, and the member leaves its cohort.
        needs_teacher: whether `criterion` reads the teacher's output.
        needs_teacher_attention: whether it reads what the teacher's keypoint tokens look at.
        forward: how a training step runs the model, given wrapped for the device and precision; evaluation runs it
            plainly.
        algorithm: the optimizer.
        ema: the decay of an exponential moving average of the weights and of batch normalisation's statistics, None
            for none. The averaged model is then what is evaluated and kept. As TensorFlow has it, the decay of step t,
            counted from 1, is at most (1 + t) / (10 + t), so that a short run is not held at its start.
        clip_grad_norm: gradients of a greater norm, over all that is trained, are scaled down to this one.

    `seconds` counts the computing time so far: the member's own, and its share of what its cohort shares; `cpu_seconds`
    its share of the process's time on all cores.

    There is no generator to carry: the batches are a function of (seed, epoch, step) and no model here draws numbers
    after its initialisation.
    """

    name: str
    model: nn.Module
    criterion: Criterion
    schedule: Schedule
    checkpoints: Path
    aside: Path | None = None
    needs_teacher: bool = False
    needs_teacher_attention: bool = False
    forward: Forward = plain_forward
    algorithm: Optimizer = ADAM
    ema: float | None = None
    clip_grad_norm: float | None = None

    optimizer: torch.optim.Optimizer = field(init=False)
    held: tuple[nn.Module, ...] = field(init=False)
    averaged: nn.Module | None = field(init=False, default=None)
    step: int = 0
    validated_step: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    best_epoch: int = 0
    best: dict[str, float] = field(default_factory=dict)
    last: dict[str, float] = field(default_factory=dict)
    failure: str | None = None
    gone: bool = False
    ended: bool = False
    sums: dict[str, Tensor] = field(default_factory=dict)
    summed_steps: int = 0

    def __post_init__(self) -> None:
        device = next(self.model.parameters()).device.type
        fused = device in ("cpu", "cuda")
        self.optimizer = build_optimizer(self.algorithm, self._groups(), lr=self.schedule.lr, fused=fused)
        self.held = tuple(part for part in self.model.children() if _is_held(part))
        if self.ema is not None:
            self.averaged = copy.deepcopy(self.model).requires_grad_(False)

    @property
    def trainable(self) -> list[nn.Parameter]:
        """The parameters of the model and of its losses."""
        own = list(self.criterion.parameters()) if isinstance(self.criterion, nn.Module) else []
        return [parameter for parameter in (*self.model.parameters(), *own) if parameter.requires_grad]

    def _groups(self) -> list[dict[str, Any]]:
        """What trains, each with its share of the rate."""
        share = self.schedule.backbone_lr_mult
        if share == 1:
            return [{"params": self.trainable, "share": 1.0}]
        backbone = {*self.model.get_submodule("backbone").parameters()}
        rest = [one for one in self.trainable if one not in backbone]
        return [
            {"params": rest, "share": 1.0},
            {"params": [one for one in self.trainable if one in backbone], "share": share},
        ]

    def set_to_train(self) -> None:
        """Put the model into training mode, but for parts of which nothing trains: they keep their statistics."""
        self.model.train()
        for part in self.held:
            part.eval()

    @property
    def evaluated(self) -> nn.Module:
        """The model that is measured and whose weights are kept: the averaged one, where there is one."""
        return self.model if self.averaged is None else self.averaged

    def average(self) -> None:
        """Move the averaged model towards the model, which has just made its optimiser step number `step`."""
        if self.averaged is None or self.ema is None:
            return
        pairs = list(zip(self.averaged.state_dict().values(), self.model.state_dict().values(), strict=True))
        numbers = [pair for pair in pairs if pair[0].is_floating_point()]
        decay = min(self.ema, (1 + self.step) / (10 + self.step))
        move: Any = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        move([one for one, _ in numbers], [other for _, other in numbers], 0)
        for one, other in pairs:
            if not one.is_floating_point():
                one.copy_(other)

    @property
    def works(self) -> bool:
        """Whether it is still in its cohort: it has neither failed, nor been ended, nor gone to another process."""
        return self.failure is None and not self.gone and not self.ended

    def improves(self, metrics: Mapping[str, float], metric: str, *, higher_is_better: bool = True) -> bool:
        """Whether `metrics` beats the best so far; the first validation always does."""
        worst = -math.inf if higher_is_better else math.inf
        new, best = metrics.get(metric, worst), self.best.get(metric, worst)
        return (new > best if higher_is_better else new < best) or not self.best

    def state(self) -> dict[str, Any]:
        """Everything a checkpoint needs, as tensors, numbers and strings."""
        return {
            "model": self.model.state_dict(),
            "averaged": {} if self.averaged is None else self.averaged.state_dict(),
            "criterion": self.criterion.state_dict() if isinstance(self.criterion, nn.Module) else {},
            "optimizer": self.optimizer.state_dict(),
            "sums": self.sums,
            **{name: getattr(self, name) for name in _PLAIN},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue from a `state()`."""
        self.model.load_state_dict(state["model"])
        if self.averaged is not None:
            self.averaged.load_state_dict(state["averaged"])
        if isinstance(self.criterion, nn.Module):
            self.criterion.load_state_dict(state["criterion"])
        self.optimizer.load_state_dict(state["optimizer"])
        device = next(self.model.parameters()).device
        self.sums = {name: tensor.to(device) for name, tensor in state["sums"].items()}
        for name in _PLAIN:
            setattr(self, name, state.get(name, getattr(self, name)))  # an older checkpoint has fewer


_PLAIN = ("step", "validated_step", "seconds", "cpu_seconds", "best_epoch", "best", "last", "summed_steps")


def _is_held(part: nn.Module) -> bool:
    """Whether a part has parameters, of which none trains."""
    parameters = list(part.parameters())
    return bool(parameters) and not any(parameter.requires_grad for parameter in parameters)
