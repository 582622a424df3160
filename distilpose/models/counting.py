"""What a model costs: parameters, GFLOPs as the papers count them, and multiply-adds with attention."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from distilpose.models.encoder import SelfAttention, TokenEncoder


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """The cost of one image."""

    parameters: int
    """All of them, the frozen sine table included."""
    trainable: int
    """Those that are trained: what the papers print."""
    gflops: float
    """The papers' convention (mmcv's): multiply-adds of convolutions and linear maps, 2 per norm element, 1 per ReLU
    or upsampled element; attention's matrix products, softmax and GELU are not counted."""
    gmacs: float
    """Multiply-adds of convolutions, linear maps and attention's matrix products; nothing else."""


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """Return (all parameters with the frozen sine table, those that are trained)."""
    parameters = list(model.parameters())
    frozen = sum(
        module.positions[:, module.joints :].numel() for module in model.modules() if isinstance(module, TokenEncoder)
    )
    trainable = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
    return sum(parameter.numel() for parameter in parameters) + frozen, trainable


def count_costs(model: nn.Module, input_size: tuple[int, int], *, all_cycles: bool = False) -> Costs:
    """Return the cost of one image of `input_size` (width, height), for SDPose of one cycle or of all.

    Only shapes are worked out: nothing is computed, and the model is left as it was.
    """
    products = other = 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor | tuple[Tensor, Tensor | None]) -> None:
        nonlocal products, other
        result = output if isinstance(output, Tensor) else output[0]
        if isinstance(module, SelfAttention):
            other_products = 2 * result.shape[1] * result.numel()
            attention.append(other_products)
        elif isinstance(module, nn.Conv2d):
            products += result.numel() * math.prod(module.weight.shape[1:])
            other += result.numel() if module.bias is not None else 0
        elif isinstance(module, nn.ConvTranspose2d):
            products += inputs[0].numel() * math.prod(module.weight.shape[1:])
            other += result.numel() if module.bias is not None else 0
        elif isinstance(module, nn.Linear):
            products += result.numel() * module.in_features
        elif isinstance(module, nn.BatchNorm2d | nn.LayerNorm):
            other += 2 * result.numel()
        else:
            other += result.numel()

    attention: list[int] = []
    counted = (
        SelfAttention,
        nn.Conv2d,
        nn.ConvTranspose2d,
        nn.Linear,
        nn.BatchNorm2d,
        nn.LayerNorm,
        nn.ReLU,
        nn.Upsample,
    )
    hooks = [module.register_forward_hook(count) for module in model.modules() if isinstance(module, counted)]
    was_training = model.training
    model.eval()
    try:
        _run_shapes(model, input_size, all_cycles=all_cycles)
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    parameters, trainable = count_parameters(model)
    return Costs(
        parameters=parameters,
        trainable=trainable,
        gflops=(products + other) / 1e9,
        gmacs=(products + sum(attention)) / 1e9,
    )


@torch.no_grad()
def _run_shapes(model: nn.Module, input_size: tuple[int, int], *, all_cycles: bool) -> None:
    width, height = input_size
    tensors = dict(model.named_parameters()) | dict(model.named_buffers())
    shapes = {name: tensor.detach().to("meta") for name, tensor in tensors.items()}
    images = torch.empty(1, 3, height, width, device="meta")
    options = {"all_cycles": True} if all_cycles else {}
    torch.func.functional_call(model, shapes, (images,), options)
