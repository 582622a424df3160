"""What one of two processes does in the tests of `test_ranks.py`: cohorts, trained together with the other.

    RANK=... WORLD_SIZE=2 ... python two_processes.py FOLDER

Leaves FOLDER/rank-RANK.pt: by scenario, the weights of each run and what was said.
"""

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import TorchElasticEnvironment
from test_cohort import NONE, SMALL, Stream, Witness, member, stop_after, validate
from torch import nn

from distilpose.data.stream import Batch
from distilpose.losses.circulation import CirculationWeights
from distilpose.losses.criteria import CirculationCriterion
from distilpose.models import build_model, initialise
from distilpose.training.batch_norm import synchronise_batch_norm
from distilpose.training.cohort import train_cohort
from distilpose.training.member import Member
from distilpose.training.ranks import Ranks, meet
from distilpose.training.schedule import Schedule
from distilpose.whole_files import FencedError


class Shared(Stream):
    """One process's share of the batches."""

    def __init__(self, ranks: Ranks) -> None:
        self._ranks = ranks

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        for batch in super().epoch(epoch, start_step):
            yield Batch(*(part[self._ranks.rank :: self._ranks.size] for part in batch))


@contextmanager
def in_doubles() -> Iterator[None]:
    """Everything in float64: Adam makes much of small differences, which are another order of summing in float32."""
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@in_doubles()
def cohort(folder: Path, cards: int = 1) -> list[Member]:
    """A student with all losses, one with none, and a heatmap model that circulates."""
    model = build_model("sdpose_t", **SMALL, cycles=2)
    initialise(model, seed=0)
    circle = Member(
        name="circle",
        model=model,
        criterion=CirculationCriterion(CirculationWeights(KT=1e-3, VT=1e-3)),
        schedule=Schedule(epochs=2, batch_size=4, lr=1e-2, warmup_steps=2, milestones=(), eval_every=1),
        checkpoints=folder / "circle",
        forward=lambda wrapped, images: wrapped(images, all_cycles=True),
    )
    members = [member("all", folder), member("none", folder, NONE), circle]
    for one in members:
        one.schedule = replace(one.schedule, cards=cards)
    return members


@in_doubles()
def train(
    members: list[Member],
    ranks: Ranks,
    *,
    witness: Witness | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    **others: Any,
) -> tuple[bool, Witness]:
    """Whether all was done, and what was said."""
    teacher = build_model("teacher_stemnet", **SMALL)
    initialise(teacher, seed=1)
    together = ranks.size > 1
    fabric = Fabric(
        accelerator="cpu",
        devices=ranks.size,
        strategy="ddp" if together else "auto",
        precision="64-true",
        plugins=[TorchElasticEnvironment()] if together else None,
    )
    if together:
        fabric.launch()
    witness = witness or Witness()
    done = train_cohort(
        members,
        stream=Shared(ranks),
        validate=validate,
        listener=witness if ranks.leads else None,
        fabric=fabric,
        teacher=teacher,
        log_every=2,
        checkpoint_seconds=1e9,
        should_stop=should_stop,
        ranks=ranks,
        **others,
    )
    return done, witness


def weights(members: list[Member]) -> dict[str, dict[str, torch.Tensor]]:
    return {one.name: {name: tensor.clone() for name, tensor in one.model.state_dict().items()} for one in members}


class Robbed(Witness):
    """Finds at the first checkpoint that another process has taken the run `all`."""

    def checkpointing(self, member: Member) -> None:
        if member.name == "all":
            raise FencedError("taken")


def normalised(ranks: Ranks) -> dict[str, torch.Tensor]:
    """What batch normalisation makes of this process's share of some numbers, and its gradients."""
    draw = torch.Generator().manual_seed(0)
    values = torch.randn(6, 3, 4, 5, generator=draw, dtype=torch.float64) * 3 + 1
    aims = torch.randn(6, 3, 4, 5, generator=draw, dtype=torch.float64)
    model = nn.Sequential(nn.BatchNorm2d(3)).double()
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([1.0, -2.0, 0.5]))
    if ranks.size > 1:
        synchronise_batch_norm(model)
    mine = values[ranks.rank :: ranks.size].clone().requires_grad_()
    output = model(mine)
    (output * aims[ranks.rank :: ranks.size]).square().sum().backward()
    state = {name: value.clone() for name, value in model[0].state_dict().items()}
    gradients = {"to_input": mine.grad, "to_weight": model[0].weight.grad, "to_bias": model[0].bias.grad}
    return {"output": output.detach(), **state, **gradients}


def main(folder: Path) -> None:
    meet(torch.device("cpu"))
    ranks = Ranks()
    left: dict[str, Any] = {"normalised": normalised(ranks)}

    whole = cohort(folder / "whole")
    done, witness = train(whole, ranks)
    left["whole"] = {"done": done, "weights": weights(whole), "said": witness.said, "values": witness.values}

    # Only one process is asked to stop.
    asked = stop_after(4) if ranks.rank == 1 else lambda: False
    cut = cohort(folder / "cut")
    done, witness = train(cut, ranks, should_stop=asked)
    left["cut"] = {"done": done, "steps": [one.step for one in cut], "said": witness.said}
    if ranks.leads:
        shutil.copytree(folder / "cut", folder / "alone")
    resumed = cohort(folder / "cut")
    done, witness = train(resumed, ranks)
    left["resumed"] = {"done": done, "weights": weights(resumed)}

    robbed = cohort(folder / "robbed")
    done, witness = train(robbed, ranks, witness=Robbed())
    left["robbed"] = {"done": done, "weights": weights(robbed), "said": witness.said, "gone": [o.gone for o in robbed]}

    of_cards = cohort(folder / "cards", cards=2)
    train(of_cards, ranks)
    left["cards"] = {"weights": weights(of_cards)}

    parts = cohort(folder / "parts")
    train(parts, ranks, micro_batch=1)
    left["parts"] = {"weights": weights(parts)}
    torch.save(left, folder / f"rank-{ranks.rank}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
