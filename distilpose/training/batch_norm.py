"""Batch normalisation over other people than those of one process's batch: over all processes', or over few.

Over all: PyTorch's `SyncBatchNorm` does the same on GPUs alone. With this one, what several processes train can be
compared with what one trains wherever there is a process group, also on a CPU. Over few: as where several cards train
together and each normalises by its own people (ghost batch normalisation; Hoffer et al., NeurIPS 2017, section 4).
"""

import math
from typing import Any, TypeVar

import torch
import torch.nn.functional as functional
from jaxtyping import Float
from torch import Tensor, nn
from torch import distributed as dist

_Norm = TypeVar("_Norm", bound=nn.BatchNorm2d)
_OVER = (0, 2, 3)  # people and places: what a channel's statistics are of


class SyncedBatchNorm2d(nn.BatchNorm2d):
    """`nn.BatchNorm2d` whose training statistics are those of every process's people, each having equally many."""

    def forward(self, input: Float[Tensor, "batch channels height width"]) -> Tensor:
        """Return the normalised input."""
        if not self.training:
            return super().forward(input)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        output, mean, variance = _Normalise.apply(input, self.weight, self.bias, self.eps)
        count = dist.get_world_size() * input.numel() // input.shape[1]
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * (count / (count - 1)), self.momentum)
        return output  # type: ignore[no-any-return]


class _Normalise(torch.autograd.Function):
    """The normalised input, its mean and its variance, in as many digits as the weights have; one sum each way."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        wide = input.to(weight.dtype)
        mean = _mean_of_all(wide.mean(_OVER))
        variance = _mean_of_all((wide - _channels(mean)).square().mean(_OVER))
        scale = torch.rsqrt(variance + eps)
        ctx.save_for_backward(input, weight, mean, scale)
        ctx.mark_non_differentiable(mean, variance)
        output = (wide - _channels(mean)) * _channels(scale * weight) + _channels(bias)
        return output.to(input.dtype), mean, variance

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        input, weight, mean, scale = ctx.saved_tensors
        wide = gradient.to(weight.dtype)
        normal = (input.to(weight.dtype) - _channels(mean)) * _channels(scale)
        places = input.numel() // input.shape[1]
        to_bias, to_weight = wide.sum(_OVER), (wide * normal).sum(_OVER)
        shared = _mean_of_all(torch.stack([to_bias, to_weight]) / places)
        to_input = (wide - _channels(shared[0]) - normal * _channels(shared[1])) * _channels(scale * weight)
        return to_input.to(input.dtype), to_weight, to_bias, None


class GhostBatchNorm2d(nn.BatchNorm2d):
    """`nn.BatchNorm2d` whose training statistics are those of each of `groups` equal parts of the batch alone.

    Person i belongs to part i modulo `groups`. The running statistics are those of the first part, as where cards that
    train together are evaluated by the first one's. A batch that has no equal parts has fewer of them.
    """

    groups: int = 1

    def forward(self, input: Float[Tensor, "batch channels height width"]) -> Tensor:
        """Return the normalised input."""
        if not self.training:
            return super().forward(input)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        people, channels, height, width = input.shape
        groups = math.gcd(people, self.groups)
        apart = input.reshape(people // groups, groups * channels, height, width)
        mean, variance = self.running_mean.repeat(groups), self.running_var.repeat(groups)
        weight, bias = self.weight.repeat(groups), self.bias.repeat(groups)
        output = functional.batch_norm(apart, mean, variance, weight, bias, True, self.momentum, self.eps)
        self.num_batches_tracked.add_(1)
        self.running_mean.copy_(mean[:channels])
        self.running_var.copy_(variance[:channels])
        return output.reshape(input.shape)


def synchronise_batch_norm(model: nn.Module) -> None:
    """Let every `nn.BatchNorm2d` inside `model` see the people of all processes; parameters stay the same objects."""
    _replace(model, SyncedBatchNorm2d)


def split_batch_norm(model: nn.Module, groups: int) -> None:
    """Let every `nn.BatchNorm2d` inside `model` see each of `groups` parts of a batch by itself."""
    for norm in _replace(model, GhostBatchNorm2d):
        norm.groups = groups


def _replace(model: nn.Module, kind: type[_Norm]) -> list[_Norm]:
    """The modules of `kind` that took the places of those of PyTorch's, whose parameters and buffers they have."""
    found = []
    for name, child in model.named_children():
        if type(child) is nn.BatchNorm2d:
            norm = kind(child.num_features, child.eps, child.momentum, device="meta")
            norm.weight, norm.bias = child.weight, child.bias
            norm.running_mean, norm.running_var = child.running_mean, child.running_var
            norm.num_batches_tracked = child.num_batches_tracked
            norm.train(child.training)
            setattr(model, name, norm)
            found.append(norm)
        else:
            found += _replace(child, kind)
    return found


def _mean_of_all(tensor: Tensor) -> Tensor:
    dist.all_reduce(tensor)
    return tensor / dist.get_world_size()


def _channels(values: Float[Tensor, " channels"]) -> Float[Tensor, "1 channels 1 1"]:
    return values[None, :, None, None]
