"""Batch normalisation over the batch of all processes, on any device; with one process it is PyTorch's own.

PyTorch's `SyncBatchNorm` does the same on GPUs alone. With this one, what several processes train can be compared with
what one trains wherever there is a process group, also on a CPU.
"""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch import distributed as dist

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


def synchronise_batch_norm(model: nn.Module) -> None:
    """Let every `nn.BatchNorm2d` inside `model` see the people of all processes; parameters stay the same objects."""
    for name, child in model.named_children():
        if type(child) is nn.BatchNorm2d:
            synced = SyncedBatchNorm2d(child.num_features, child.eps, child.momentum, device="meta")
            synced.weight, synced.bias = child.weight, child.bias
            synced.running_mean, synced.running_var = child.running_mean, child.running_var
            synced.num_batches_tracked = child.num_batches_tracked
            synced.train(child.training)
            setattr(model, name, synced)
        else:
            synchronise_batch_norm(child)


def _mean_of_all(tensor: Tensor) -> Tensor:
    dist.all_reduce(tensor)
    return tensor / dist.get_world_size()


def _channels(values: Float[Tensor, " channels"]) -> Float[Tensor, "1 channels 1 1"]:
    return values[None, :, None, None]
