"""One training step, what each part of making it fast is worth, and what was tried and is not used."""

import warnings
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import partial
from typing import Any
from unittest.mock import patch

import torch
from torch import nn
from torch.nn import functional as F

from benchmarks.measure import Figure, Settings, compare, seconds_of
from benchmarks.subjects import JOINTS, ask, step_of, subject
from distilpose.data.stream import Batch
from distilpose.heads.heatmap import HeatmapOutput
from distilpose.heads.regression import simulated_heatmaps
from distilpose.losses.simulated_heatmap import simulated_heatmap_loss
from distilpose.models import encoder

Step = Callable[[], None]


def figures(settings: Settings) -> Iterator[Figure]:
    """The whole step, then its parts."""
    measured = partial(compare, settings)
    chosen, device = subject(settings), settings.device
    batch = chosen.random_batch(device)
    trained = chosen.build_teacher(frozen=False).to(device)
    frozen = chosen.build_teacher().to(device)
    student = chosen.build_student().to(device)
    taught = ask(frozen, batch)
    # The plain way: channels first, the teacher as it was trained, Adam in a loop over the parameters.
    plain_batch = batch._replace(images=batch.images.contiguous())
    plain_teacher = deepcopy(trained).to(memory_format=torch.contiguous_format)
    plain_student = deepcopy(student).to(memory_format=torch.contiguous_format)

    def whole(half: bool) -> Step:
        return step_of(deepcopy(student), batch, lambda: ask(frozen, batch, half=half), half=half)

    plain = step_of(
        deepcopy(plain_student), plain_batch, lambda: ask(plain_teacher, plain_batch), foreach=False, fused=False
    )
    size = f"{chosen.name}, teacher {chosen.teacher}, {chosen.batch} people"
    one = "a step of teacher and student"
    yield measured(f"{one}, fp32", "plain eager fp32", fast=whole(False), plain=plain, note=size)
    yield measured(f"{one}, bf16", "plain eager fp32", fast=whole(True), plain=plain, aim=1.8)
    yield measured(f"{one}, bf16", "the same in fp32", fast=whole(True), plain=whole(False))

    def asked(teacher: nn.Module, half: bool = False) -> Callable[[], HeatmapOutput]:
        return lambda: ask(teacher, batch, half=half)

    first = "channels first"
    yield measured("teacher, channels last", first, fast=asked(trained), plain=lambda: ask(plain_teacher, plain_batch))
    folded, as_trained = "teacher, batch normalisation folded", "as it was trained"
    yield measured(folded, as_trained, fast=asked(frozen), plain=asked(trained))
    yield measured("teacher, bf16", "fp32", fast=asked(frozen, half=True), plain=asked(frozen))

    def own(half: bool = False) -> Step:
        return step_of(deepcopy(student), batch, lambda: taught, half=half)

    plain_own = step_of(plain_student, plain_batch, lambda: taught)
    yield measured("student, channels last", first, fast=own(), plain=plain_own)
    yield measured("student, bf16", "fp32", fast=own(half=True), plain=own())
    if device == "cpu":
        with_fused = _with_fused_attention(own(half=True))
        yield measured(
            "student in bf16, attention written out", "torch's fused one", fast=own(half=True), plain=with_fused
        )
    for people in (8, 256):
        yield _simulated_heatmaps(settings, people)
    for name, way in {"foreach": {"foreach": True}, "a loop": {"foreach": False, "fused": False}}.items():
        fused, other = _update(student, fused=True), _update(student, **way)
        yield measured("Adam, fused", f"Adam, {name}", fast=fused, plain=other)
    yield measured(
        "not used: teacher in inference_mode", "no_grad", fast=_inference(frozen, batch), plain=asked(frozen)
    )
    if settings.quick:
        return
    for half in (False, True):
        model = deepcopy(student)
        model.compile()
        compiled = step_of(model, batch, lambda: taught, half=half)
        # Without caches, or compiling would be timed of a program that is there.
        with patch.object(torch.compiler.config, "force_disable_caches", True), warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*force_disable_caches")
            note = f"compiling and the first step took {seconds_of(compiled, device):.0f} s"
        name = f"not used: student by torch.compile, {'bf16' if half else 'fp32'}"
        yield measured(name, "eager", fast=compiled, plain=own(half), note=note)


def _with_fused_attention(step: Step) -> Step:
    def work() -> None:
        with patch.object(encoder, "attend", F.scaled_dot_product_attention):
            step()

    return work


def _simulated_heatmaps(settings: Settings, people: int) -> Figure:
    """SH from rows and columns against SH from heatmaps that are drawn."""
    generator = torch.Generator().manual_seed(0)
    points, sigmas = (torch.rand(people, JOINTS, 2, generator=generator).to(settings.device) for _ in range(2))
    teacher = torch.rand(people, JOINTS, 64, 48, generator=generator).to(settings.device)
    seen = torch.ones(people, JOINTS, device=settings.device)
    points.requires_grad_()
    sigmas = (sigmas + 2).requires_grad_()

    def from_profiles() -> None:
        torch.autograd.backward(simulated_heatmap_loss(points, sigmas, teacher, seen))

    def from_heatmaps() -> None:
        maps = simulated_heatmaps(points, sigmas, (48, 64))
        torch.autograd.backward(((maps - teacher).square().mean((-1, -2)) * seen.square()).mean())

    what, against = "SH from rows and columns", "SH from heatmaps that are drawn"
    return compare(settings, what, against, fast=from_profiles, plain=from_heatmaps, note=f"{people} people")


def _update(student: nn.Module, **way: Any) -> Step:
    model = deepcopy(student)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, **way)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)

    def work() -> None:
        optimizer.step()

    return work


def _inference(teacher: nn.Module, batch: Batch) -> Step:
    def work() -> None:
        with torch.inference_mode():
            teacher(batch.images)

    return work
