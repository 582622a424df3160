"""Students of one shape as one batched module against one after the other, which is what training does."""

import warnings
from collections.abc import Iterator
from copy import deepcopy

import torch
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap

from benchmarks.measure import Figure, Settings, compare
from benchmarks.subjects import PAPER, TINY, Subject, bf16
from distilpose.data.stream import Batch
from distilpose.losses.regression import regression_loss

AGREE = 1e-5  # gradients, in parts of the greatest: float32 summed in another order


def figures(settings: Settings) -> Iterator[Figure]:
    """Forward and backward of the regression loss alone: what is batched is the students."""
    sizes = ((TINY, 4, 64),) if settings.quick else ((TINY, 4, 64), (PAPER, 2, 4))
    for subject, count, people in sizes:
        for half in (False, True):
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "There is a performance drop")  # which is what is measured
                figure = _figure(settings, subject, count, people, half)
            yield figure


def _figure(settings: Settings, subject: Subject, count: int, people: int, half: bool) -> Figure:
    batch = Batch(*(tensor[:people] for tensor in subject.random_batch(settings.device)))
    models = [subject.build_student(seed=seed).to(settings.device) for seed in range(count)]
    shape = deepcopy(models[0]).to("meta")
    stacked, buffers = stack_module_state(models)
    stacked = {name: tensor.detach().requires_grad_() for name, tensor in stacked.items()}

    def loss(keypoints: Tensor) -> Tensor:
        return regression_loss(keypoints, batch.keypoints, batch.visible)

    def one_by_one() -> None:
        for model in models:
            model.zero_grad(set_to_none=True)
            with bf16(settings.device, half):
                output = model(batch.images)
            torch.autograd.backward(loss(output.keypoints))

    def keypoints_of(parameters: dict[str, Tensor], statistics: dict[str, Tensor]) -> Tensor:
        found: Tensor = functional_call(shape, (parameters, statistics), (batch.images,)).keypoints
        return found

    def batched() -> None:
        for tensor in stacked.values():
            tensor.grad = None
        with bf16(settings.device, half):
            keypoints = vmap(keypoints_of)(stacked, buffers)
        torch.autograd.backward(torch.stack([loss(each) for each in keypoints]).sum())

    def apart() -> float:
        """The greatest difference of a gradient, in parts of the greatest gradient."""
        differences, sizes = [], []
        for name, tensor in stacked.items():
            single = [model.get_parameter(name).grad for model in models]
            if tensor.grad is None or single[0] is None:  # of an output that this loss does not read
                continue
            alone = torch.stack([gradient for gradient in single if gradient is not None])
            differences.append((tensor.grad - alone).abs().max())
            sizes.append(alone.abs().max())
        return float(torch.stack(differences).max() / torch.stack(sizes).max())

    batched()
    one_by_one()
    difference = apart()
    if not half:
        assert difference < AGREE, f"gradients of batched students must be the same to {AGREE}, are {difference} apart"
    return compare(
        settings,
        f"not used: {count} students as one batched module, {'bf16' if half else 'fp32'}",
        "one after the other",
        fast=batched,
        plain=one_by_one,
        note=f"{subject.name}, {people} people; gradients {difference:.0e} apart",
    )
