"""The starting values of a model's parameters, as published, each from a generator of its own."""

import hashlib
from collections.abc import Iterator
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from distilpose.models.encoder import TokenEncoder

LINEAR_STD = 0.02
TOKEN_STD = 0.02
CONV_STD = 0.001


@runtime_checkable
class OwnStart(Protocol):
    """A part that knows how its parameters start."""

    def start(self, seed: int) -> None:
        """Set every parameter, drawn from `seed`."""


@torch.no_grad()
def initialise(model: nn.Module, seed: int, *, keep: tuple[str, ...] = ()) -> None:
    """Set every parameter and running statistic of `model` in place: method as published, numbers from `seed`.

    Linear weights are normal 0.02, biases 0; convolutions normal 0.001; keypoint tokens normal 0.02; norms 1 and 0.
    Every parameter is drawn from a generator seeded by (seed, its name), and the last map of a regression head by
    (seed, name, output): so models that differ in some parts only, such as the outputs of their heads, start equal in
    all the others. A part with a `start` of its own, as a backbone of timm's, sets itself; those named in `keep` stay
    as they are ("": all). The global generator is not touched, and the device does not matter.
    """
    started: tuple[str, ...] = tuple(f"{name}." if name else "" for name in keep)
    for name, module in model.named_modules():
        if f"{name}.".startswith(started):
            continue
        if isinstance(module, OwnStart):
            module.start(seed)
            started = (*started, f"{name}.")
            continue
        if isinstance(module, TokenEncoder):
            _draw(module.keypoint_token, TOKEN_STD, seed, f"{name}.keypoint_token")
        elif isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            std = LINEAR_STD if isinstance(module, nn.Linear) else CONV_STD
            for part, rows in _rows_apart(model, name, module.weight):
                _draw(rows, std, seed, f"{name}.weight{part}")
            if module.bias is not None:
                module.bias.zero_()
        elif isinstance(module, nn.LayerNorm | nn.BatchNorm2d):
            module.weight.fill_(1)
            module.bias.zero_()
            if isinstance(module, nn.BatchNorm2d):
                module.reset_running_stats()


def _rows_apart(model: nn.Module, name: str, weight: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Yield the weight whole, or row by row with the name of the output where rows are outputs of a regression head."""
    parent = model.get_submodule(name.rpartition(".")[0])
    row_names = getattr(parent, "row_names", None)
    if row_names is None:
        yield "", weight
        return
    assert weight.shape[0] % len(row_names) == 0
    for row, row_name in enumerate(row_names):
        yield f".{row_name}", weight[row :: len(row_names)]


def _draw(parameter: Tensor, std: float, seed: int, name: str) -> None:
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
    parameter.copy_(torch.randn(parameter.shape, generator=generator) * std)
