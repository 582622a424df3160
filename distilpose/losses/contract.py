"""What every loss promises, held against one: gradients, masks, bf16, and that people and runs do not mix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from distilpose.data.skeleton import COCO
from distilpose.data.stream import Batch
from distilpose.heads import HEADS, load, signature_of
from distilpose.heads.heatmap import HeatmapOutput
from distilpose.losses.criteria import Load, LossCriterion
from distilpose.losses.table import STUDENT_ASKS
from distilpose.losses.use import Losses, LossUse
from distilpose.models.spec import STRIDE
from distilpose.models.stemnet import StemNet

PEOPLE, SIZE, DIM, VISUAL = 3, (12, 16), 8, 6
ATTENTION = (2, 2, COCO.num_joints, COCO.num_joints + VISUAL)
OF_STUDENT = tuple(name for name in STUDENT_ASKS if name != "learn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A promise and, where it is broken, how."""

    promise: str
    fault: str | None = None


class _Student(SimpleNamespace):
    """All that a student of any kind can give."""

    keypoints: Tensor

    def learn(self, batch: Batch) -> Tensor:
        """A loss of the student's own."""
        seen = batch.visible[..., None]
        return ((self.keypoints - batch.keypoints) * seen).square().mean()


@cache
def _shapes() -> dict[str, tuple[int, ...]]:
    """The shape, people apart, of each field that a student of some head gives."""
    width, height = SIZE
    given: dict[str, Any] = {"joints": COCO.num_joints, "skeleton": COCO, "dim": DIM, "score": True, "sigma": True}
    given |= {"heatmap_size": SIZE, "input_size": (STRIDE * width, STRIDE * height)}
    shapes: dict[str, tuple[int, ...]] = {"keypoint_tokens": (COCO.num_joints, DIM), "visual_tokens": (VISUAL, DIM)}
    shapes["attention"] = ATTENTION
    for head in HEADS.values():
        part = head.on_tokens or head.on_features
        with torch.device("meta"):
            backbone = StemNet(DIM // 4)
            given |= {"backbone": backbone, "channels": backbone.channels}
            read = (COCO.num_joints, DIM) if head.on_tokens else (3, STRIDE * height, STRIDE * width)
            output = load(part)(**{ask: given[ask] for ask in signature_of(part).asks})(torch.empty(1, *read))
        shapes |= {name: tuple(getattr(output, name).shape[1:]) for name in head.gives if name not in shapes}
    return shapes


def check_loss(use: LossUse, load: Load | None = None) -> Iterator[Finding]:
    """Every promise of a loss in turn, on made-up people; `load` gives the code of a user's own."""
    criterion = LossCriterion(Losses((use,)), skeleton=COCO, load=load)
    with torch.no_grad(), suppress(Exception):  # a fault shows below, as a finding
        _value(criterion, *_world(torch.float32))  # lazy parameters get their sizes
    criterion.double()
    for promise, broken in (
        ("gives one finite number", _finite),
        ("has finite gradients, equal to finite differences", _differentiable),
        ("gives invisible joints no gradient", _masked),
        ("gives the same number again, whatever other runs did between", _pure),
        ("works in bf16", _in_bf16),
        ("does not depend on the order of people", _in_any_order),
        ("gives each person's value by itself, or says mixes_people", _apart),
    ):
        try:
            yield Finding(promise=promise, fault=broken(criterion))
        except Exception as error:  # a user's own code may raise anything
            yield Finding(promise=promise, fault=f"{type(error).__name__}: {error}")


def _world(dtype: torch.dtype, seed: int = 0, people: int = PEOPLE) -> tuple[_Student, Batch, HeatmapOutput]:
    draw = torch.Generator().manual_seed(seed)

    def some(*shape: int) -> Tensor:
        return torch.rand(people, *shape, generator=draw, dtype=torch.float64).to(dtype)

    joints, (width, height) = COCO.num_joints, SIZE
    student = _Student(**{name: 0.1 + 0.8 * some(*_shapes()[name]) for name in OF_STUDENT})
    visible = (some(joints) > 0.3).to(dtype)
    batch = Batch(
        images=some(3, 4 * height, 4 * width),
        keypoints=some(joints, 2),
        visible=visible,
        index=torch.arange(people),
        center=some(2),
        scale=some(2),
        labelled=visible,
    )
    teacher = HeatmapOutput(
        heatmaps=some(joints, height, width),
        visual_tokens=some(VISUAL, DIM),
        keypoint_tokens=some(joints, DIM),
        attention=some(*ATTENTION),
    )
    return student, batch, teacher


def _value(criterion: LossCriterion, student: _Student, batch: Batch, teacher: HeatmapOutput) -> Tensor:
    (term,) = criterion(student, batch, teacher, 0.5).values()
    return term  # type: ignore[no-any-return]


def _inputs(criterion: LossCriterion, student: _Student) -> dict[str, Tensor]:
    """What the loss reads of the student, as leaves."""
    asks = criterion.losses.asks
    names = [name for name in OF_STUDENT if name in asks] or (list(OF_STUDENT) if {"output", "learn"} & asks else [])
    return {name: getattr(student, name).clone().requires_grad_() for name in names}


def _with(student: _Student, inputs: Mapping[str, Tensor]) -> _Student:
    return _Student(**{name: inputs.get(name, getattr(student, name)) for name in OF_STUDENT})


def _finite(criterion: LossCriterion) -> str | None:
    value = _value(criterion, *_world(torch.float64))
    if value.shape != ():
        return f"gave a tensor of shape {tuple(value.shape)}; return a mean or a sum"
    return None if bool(torch.isfinite(value)) else f"gave {float(value)}"


def _differentiable(criterion: LossCriterion) -> str | None:
    student, batch, teacher = _world(torch.float64)
    inputs = _inputs(criterion, student)
    if not inputs:
        return "reads nothing of the student, so it teaches nothing"

    def value(*tensors: Tensor) -> Tensor:
        return _value(criterion, _with(student, dict(zip(inputs, tensors, strict=True))), batch, teacher)

    total = value(*inputs.values())
    if not total.requires_grad:
        return "no gradient reaches the student"
    gradients = torch.autograd.grad(total, list(inputs.values()), allow_unused=True)
    if not all(gradient is None or bool(torch.isfinite(gradient).all()) for gradient in gradients):
        return "a gradient is not finite"
    used = [name for name, gradient in zip(inputs, gradients, strict=True) if gradient is not None and gradient.any()]
    if not used:
        return "every gradient is 0"
    fixed = {name: tensor for name, tensor in inputs.items() if name not in used}

    def of_used(*tensors: Tensor) -> Tensor:
        changed = {**fixed, **dict(zip(used, tensors, strict=True))}
        return _value(criterion, _with(student, changed), batch, teacher)

    torch.autograd.gradcheck(of_used, tuple(inputs[name] for name in used), fast_mode=True)
    return None


def _masked(criterion: LossCriterion) -> str | None:
    if not {"visible", "heatmap_visible", "batch"} & criterion.losses.asks:
        return None  # as published for tokens: no joint is masked
    student, batch, teacher = _world(torch.float64)
    inputs = _inputs(criterion, student)
    total = _value(criterion, _with(student, inputs), batch, teacher)
    gradients = torch.autograd.grad(total, list(inputs.values()), allow_unused=True)
    for name, gradient in zip(inputs, gradients, strict=True):
        if gradient is None or gradient.shape[1] != batch.visible.shape[1]:  # of no joint
            continue
        of_hidden = gradient[batch.visible == 0]
        if of_hidden.any():
            return f"invisible joints get a gradient through {name}; multiply by `visible`"
    return None


def _pure(criterion: LossCriterion) -> str | None:
    world, other = _world(torch.float64), _world(torch.float64, seed=1)
    before = [tensor.clone() for tensor in (world[0].keypoints, world[1].keypoints, world[2].heatmaps)]
    first = _value(criterion, *world)
    _value(criterion, *other)
    if not torch.equal(first, _value(criterion, *world)):
        return "gave another number for the same people; keep no state and draw no random numbers"
    after = [world[0].keypoints, world[1].keypoints, world[2].heatmaps]
    return None if all(map(torch.equal, before, after)) else "changed what it was given; work on a copy"


def _in_bf16(criterion: LossCriterion) -> str | None:
    student, batch, teacher = _world(torch.float32)
    criterion.float()
    try:
        expected = _value(criterion, student, batch, teacher).item()
        with torch.autocast("cpu", torch.bfloat16):
            found = _value(criterion, student, batch, teacher).item()
    finally:
        criterion.double()
    off = abs(found - expected) / max(abs(expected), 1e-6)
    return None if off < 0.1 else f"gave {found:.4g} under bf16 autocast and {expected:.4g} in fp32"


def _in_any_order(criterion: LossCriterion) -> str | None:
    student, batch, teacher = _world(torch.float64)
    order = torch.arange(PEOPLE - 1, -1, -1)
    turned = _taken(student, batch, teacher, order)
    same = torch.allclose(_value(criterion, student, batch, teacher), _value(criterion, *turned), rtol=1e-9)
    return None if same else "another order of the same people gives another number"


def _apart(criterion: LossCriterion) -> str | None:
    (use,) = criterion.losses
    if use.mixes_people:
        return None
    student, batch, teacher = _world(torch.float64)
    whole = _value(criterion, student, batch, teacher)
    alone = [_value(criterion, *_taken(student, batch, teacher, torch.tensor([i]))) for i in range(PEOPLE)]
    if torch.allclose(torch.stack(alone).mean(), whole, rtol=1e-6):
        return None
    return (
        "the value of a batch is not the mean of its people's, so parts of a batch (several GPUs, people at once) give "
        f"another loss; return a mean over people, or write `{use.title}.mixes_people = True`"
    )


def _taken(
    student: _Student, batch: Batch, teacher: HeatmapOutput, people: Tensor
) -> tuple[_Student, Batch, HeatmapOutput]:
    taken = _Student(**{name: getattr(student, name)[people] for name in OF_STUDENT})
    given = ("heatmaps", "visual_tokens", "keypoint_tokens", "attention")
    taught = teacher._replace(**{name: getattr(teacher, name)[people] for name in given})
    return taken, Batch(*(part[people] for part in batch)), taught
