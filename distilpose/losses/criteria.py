"""What a run minimises: the losses that are on, each times its weight at that moment, by name."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from distilpose.data.codecs import gaussian_heatmaps, heatmap_weights
from distilpose.data.skeleton import Skeleton
from distilpose.data.stream import Batch
from distilpose.heads.heatmap import HeatmapOutput
from distilpose.heads.output import Output
from distilpose.losses.circulation import CirculationWeights, circulation_loss
from distilpose.losses.table import LOSSES
from distilpose.losses.use import Losses, LossUse
from distilpose.models.measure import with_attention
from distilpose.parts.load import load_part

_DRAWN = ("true_heatmaps", "heatmap_visible")
Load = Callable[[LossUse], Any]
"""The function or class of a user's own loss."""


class LossCriterion(nn.Module):
    """The weighted losses of a run. Those with parameters of their own are trained and checkpointed with the run.

    Args:
        losses: what is on.
        epochs: the run's length, for weights that change over time.
        skeleton: given to losses that ask for it.
        seed: of the parameters that losses have.
        load: where the code of a user's own losses comes from.

    """

    def __init__(
        self,
        losses: Losses,
        *,
        epochs: int = 1,
        skeleton: Skeleton | None = None,
        seed: int = 0,
        load: Load | None = None,
    ) -> None:
        super().__init__()
        self.losses, self.epochs, self.skeleton, self.seed = losses, epochs, skeleton, seed
        self.asks = {use.name: use.asks for use in losses}  # read from the source once, not at every step
        self.functions: dict[str, Callable[..., Tensor]] = {}
        for position, use in enumerate(losses):
            found = _load_built_in(use) if use.own is None else (load or _not_given)(use)
            if isinstance(found, type):
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(seed)
                    found = found(**dict(use.options))
                self.add_module(f"loss{position}", found)
                self.functions[use.name] = found
            else:
                self.functions[use.name] = _bound(found, dict(use.options))

    @property
    def needs_teacher(self) -> bool:
        """Whether any loss compares with a teacher."""
        return self.losses.needs_teacher

    def forward(
        self, output: Any, batch: Batch, teacher: HeatmapOutput | None = None, epoch: float = 0.0
    ) -> dict[str, Tensor]:
        """Return the weighted losses by their names in tables; their plain sum is what is minimised.

        Raises:
            ValueError: a loss asks for something that is not there, such as a score output or a teacher.

        """
        terms = {}
        drawn: dict[str, Tensor] = {}
        if any(ask in _DRAWN for asks in self.asks.values() for ask in asks):
            drawn = dict(zip(_DRAWN, true_heatmaps(batch, output), strict=True))
        for use in self.losses:
            factor = 1.0 if use.over_time is None else use.over_time.factor(epoch, self.epochs)
            given = {
                ask: drawn[ask] if ask in drawn else self._give(use, ask, output, batch, teacher, epoch)
                for ask in self.asks[use.name]
            }
            terms[use.title] = use.weight * factor * self.functions[use.name](**given)
        return terms

    @torch.no_grad()
    def materialise(
        self, model: nn.Module, teacher: nn.Module | None, input_size: tuple[int, int], joints: int
    ) -> None:
        """Give lazy parameters (`nn.LazyLinear`, ...) their sizes, by one pass over two empty crops."""
        if not any(isinstance(parameter, nn.UninitializedParameter) for parameter in self.parameters()):
            return
        images = torch.zeros(2, 3, input_size[1], input_size[0])
        nothing, seen = torch.zeros(2), torch.ones(2, joints)
        batch = Batch(
            images=images,
            keypoints=torch.full((2, joints, 2), 0.5),
            visible=seen,
            index=nothing.long(),
            center=nothing,
            scale=nothing,
            labelled=seen,
        )
        was_training = model.training
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            shown = [
                None if one is None else with_attention(one, images) if ask in self.losses.asks else one(images)
                for one, ask in ((model.eval(), "attention"), (teacher, "teacher_attention"))
            ]
            self(shown[0], batch, shown[1])
        model.train(was_training)

    def _give(
        self, use: LossUse, ask: str, output: Any, batch: Batch, teacher: HeatmapOutput | None, epoch: float
    ) -> Any:
        whole = {"output": output, "batch": batch, "epoch": epoch, "true_keypoints": batch.keypoints}
        if ask in whole:
            return whole[ask]
        if ask == "visible":
            return batch.visible
        if ask == "skeleton":
            found: Any = self.skeleton
        elif ask == "teacher":
            found = teacher
        elif ask.startswith("teacher_"):
            found = getattr(teacher, ask.removeprefix("teacher_"), None)
        else:
            found = getattr(output, ask, None)
        if found is None:
            raise ValueError(f"{use.name}: asks for {ask}, which {_lacking(ask, teacher)}; add it or set the loss to 0")
        return found.detach() if ask.startswith("teacher_") else found


def _lacking(ask: str, teacher: HeatmapOutput | None) -> str:
    if ask.startswith("teacher"):
        return "no teacher gives, for there is none" if teacher is None else "the teacher does not give"
    return "was not given" if ask == "skeleton" else "the student's head does not give"


def _load_built_in(use: LossUse) -> Any:
    import importlib

    file, _, name = LOSSES[use.name].source.partition(":")
    return getattr(importlib.import_module(f"distilpose.losses.{file.removesuffix('.py')}"), name)


def load_from(folder: Path) -> Load:
    """Load a user's own losses from their kept copies, each below `folder` in one named by its digest."""

    def load(use: LossUse) -> Any:
        assert use.own is not None
        return load_part(folder / use.own.code, use.own.module, use.own.name)

    return load


def _not_given(use: LossUse) -> Any:
    raise ValueError(f"{use.name}: is a user's own loss, and nothing says where its code is; give `load`")


def _bound(function: Callable[..., Tensor], options: Mapping[str, Any]) -> Callable[..., Tensor]:
    return lambda **given: function(**given, **options)


HEATMAP_LOSSES = Losses.of({"heatmap": 1})
"""What a teacher learns by: the distance to unbiased Gaussians at the joints."""


class CirculationCriterion(nn.Module):
    """SDPose's loss: every cycle learns by the same `losses`, the heatmap loss without any, and from the next."""

    def __init__(self, weights: CirculationWeights, losses: LossCriterion | None = None) -> None:
        super().__init__()
        self.weights = weights
        self.losses = losses or LossCriterion(Losses.of({"heatmap": weights.heatmap}))

    @property
    def needs_teacher(self) -> bool:
        """Whether a cycle learns from a teacher."""
        return self.losses.needs_teacher

    def forward(
        self, output: list[Output], batch: Batch, teacher: HeatmapOutput | None = None, epoch: float = 0.0
    ) -> dict[str, Tensor]:
        """Return the weighted terms by name, those of the losses summed over the cycles."""
        first, *others = (self.losses(cycle, batch, teacher, epoch) for cycle in output)
        terms = {name: sum((other[name] for other in others), start=term) for name, term in first.items()}
        return {**terms, **circulation_loss(output, self.weights)}


def every_cycle(model: nn.Module, images: Tensor) -> list[Output]:
    """The outputs of all cycles of a model that in use runs its first alone."""
    outputs: list[Output] = model(images, all_cycles=True)
    return outputs


def true_heatmaps(batch: Batch, output: HeatmapOutput) -> tuple[Tensor, Tensor]:
    """Unbiased Gaussians at the joints, of the output's size, and the joints' weights."""
    height, width = output.heatmaps.shape[-2:]
    weights = heatmap_weights(batch.keypoints, batch.labelled, (width, height))
    return gaussian_heatmaps(batch.keypoints, weights, (width, height)), weights
