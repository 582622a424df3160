"""What a model costs, asked of the model itself: it runs on tensors that have sizes and no numbers.

Any `nn.Module` can be measured, whatever it is made of and whatever tensors it returns. Nothing is computed, and the
model is left as it was. Where a model cannot run so, as when it branches on a number, the answer is None and a warning
says why.
"""

import copy
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from distilpose.heads.transpose import Encoder as TransPoseEncoder
from distilpose.models.encoder import TokenEncoder
from distilpose.models.live_tensors import LiveTensors
from distilpose.models.memory import Memory, Precision

log = logging.getLogger(__name__)

Forward = Callable[[nn.Module, Tensor], Any]
"""How a step runs a model on images."""

aten = torch.ops.aten
_LINEAR = (aten.convolution, aten.mm, aten.addmm)
_PER_ELEMENT = {
    aten.native_batch_norm: 2, aten.native_layer_norm: 2, aten.relu: 1, aten.relu_: 1,
    aten.upsample_nearest2d: 1, aten.upsample_bilinear2d: 1,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """The cost of one image."""

    parameters: int
    """All of them, the frozen sine table included."""
    trainable: int
    """Those that are trained: what the papers print."""
    gflops: float | None
    """The papers' convention (mmcv's): multiply-adds of convolutions and linear maps, 2 per norm element, 1 per ReLU
    or upsampled element; attention's matrix products, softmax and GELU are not counted."""
    gmacs: float | None
    """Multiply-adds of convolutions, linear maps and attention's matrix products; nothing else."""


def plain_forward(model: nn.Module, images: Tensor) -> Any:
    """Return what the model returns in use."""
    return model(images)


def with_attention(model: nn.Module, images: Tensor, **options: bool) -> Any:
    """Return the same of a model with tokens, and what its keypoint tokens look at; no other number changes."""
    return model(images, attention=True, **options)


def count_parameters(model: nn.Module) -> tuple[int, int]:
    """Return (all parameters with the frozen sine table, those that are trained)."""
    parameters = list(model.parameters())
    modules = list(model.modules())
    frozen = sum(one.positions[:, one.joints :].numel() for one in modules if isinstance(one, TokenEncoder))
    frozen += sum(one.positions.numel() for one in modules if isinstance(one, TransPoseEncoder))
    trainable = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
    return sum(parameter.numel() for parameter in parameters) + frozen, trainable


def count_costs(model: nn.Module, input_size: tuple[int, int], *, forward: Forward = plain_forward) -> Costs:
    """Return the cost of one image of `input_size` (width, height)."""
    parameters, trainable = count_parameters(model)
    gflops = gmacs = None
    with _measuring(model, input_size, people=1) as (hollow, images), _Products() as counted, torch.no_grad():
        forward(hollow.eval(), images)
        gflops, gmacs = (counted.linear + counted.other) / 1e9, (counted.linear + counted.attention) / 1e9
    return Costs(parameters=parameters, trainable=trainable, gflops=gflops, gmacs=gmacs)


def measure_memory(
    model: nn.Module,
    input_size: tuple[int, int],
    *,
    people: int,
    precision: Precision,
    trains: bool,
    forward: Forward = plain_forward,
) -> Memory | None:
    """Return what the model holds with a batch of `people` images of `input_size` (width, height), None if unknown.

    Args:
        model: on any device.
        input_size: of the images.
        people: how many of them.
        precision: in bf16 autocast is on; weights and gradients are fp32.
        trains: whether to take a training step, its loss a squared error of every output, or only a forward pass
            without gradients. Both hold on to tensors as a GPU does: attention counts as fused.
        forward: how the step runs the model.
    """
    with _measuring(model, input_size, people=people) as (hollow, images):
        hollow.train(trains)
        if not trains:
            hollow.requires_grad_(False)
        weights, buffers = _sizes(hollow.parameters()), _sizes(hollow.buffers())
        live = LiveTensors([*hollow.parameters(), *hollow.buffers(), images])
        kept: list[Tensor] = []

        def keep(tensor: Tensor) -> Tensor:
            kept.append(tensor)
            return tensor

        before = live.now
        with live, torch.set_grad_enabled(trains):
            with (
                _AsOnGPU(precision),
                torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"),
                torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor),
            ):
                outputs = [tensor.float() for tensor in _tensors(forward(hollow, images))]
            own = weights | buffers | _sizes([images])
            kept_bytes = sum(size for storage, size in _sizes(kept).items() if storage not in own)
            output_bytes = sum(_sizes(outputs).values())
            kept.clear()
            if trains:
                terms = [(a - torch.empty_like(a)).square().mean() for a in outputs if a.requires_grad]
                outputs.clear()
                torch.autograd.backward(torch.stack(terms).sum())
        return Memory(
            weights=sum(weights.values()),
            trained=sum(_sizes(parameter for parameter in model.parameters() if parameter.requires_grad).values()),
            buffers=sum(buffers.values()),
            images=sum(_sizes([images]).values()),
            output=output_bytes,
            kept=kept_bytes,
            peak=live.peak - before,
        )
    return None


@contextmanager
def _measuring(model: nn.Module, input_size: tuple[int, int], *, people: int) -> Iterator[tuple[nn.Module, Tensor]]:
    """A copy of the model and images, all of sizes alone; what goes wrong with them ends the block with a warning."""
    width, height = input_size
    try:
        with FakeTensorMode(allow_non_fake_inputs=True):
            copies: dict[int, Any] = {}
            for tensor in (*model.parameters(), *model.buffers()):
                # On a CPU whatever the device, so that a GPU is neither asked for nor asked.
                hollow = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype)
                is_parameter = isinstance(tensor, nn.Parameter)
                copies[id(tensor)] = nn.Parameter(hollow, tensor.requires_grad) if is_parameter else hollow
            # Laid out as the training loop lays them out.
            images = torch.empty(people, 3, height, width).contiguous(memory_format=torch.channels_last)
            yield copy.deepcopy(model, copies), images
    except Exception as error:  # whatever somebody's model may do
        log.warning("%s: what it costs is unknown: %s: %s", type(model).__name__, type(error).__name__, error)


class _AsOnGPU(TorchFunctionMode):
    """A context in which bf16 stops at upsampling, as autocast on a GPU has it and on a CPU has not."""

    def __init__(self, precision: Precision) -> None:
        super().__init__()
        self.precision = precision

    def __torch_function__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run the function."""
        if func is F.interpolate and self.precision == "bf16":
            args = (args[0].float(), *args[1:])
        return func(*args, **(kwargs or {}))


class _Products(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A context that counts multiply-adds of convolutions and linear maps, those of attention, and what papers add."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.linear = self.attention = self.other = 0

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Run the operation and count it."""
        result = func(*args, **(kwargs or {}))
        kind = func.overloadpacket
        if kind in _LINEAR:
            self.linear += flop_registry[kind](*args, **(kwargs or {}), out_val=result) // 2
            self.other += result.numel() if kind is aten.convolution and args[2] is not None else 0
        elif kind in flop_registry:
            self.attention += flop_registry[kind](*args, **(kwargs or {}), out_val=result) // 2
        elif kind in _PER_ELEMENT:
            self.other += _PER_ELEMENT[kind] * (result if isinstance(result, Tensor) else result[0]).numel()
        return result


def _tensors(output: Any) -> Iterator[Tensor]:
    """The tensors in what a model returned: a tensor, or records, mappings and sequences of them."""
    if isinstance(output, Tensor):
        yield output
    elif is_dataclass(output):
        yield from _tensors([getattr(output, field.name) for field in fields(output)])
    elif isinstance(output, Mapping):
        yield from _tensors(list(output.values()))
    elif isinstance(output, list | tuple):
        for part in output:
            yield from _tensors(part)


def _sizes(tensors: Iterable[Tensor]) -> dict[int, int]:
    """The bytes of every storage behind these tensors, those that share one counted once."""
    storages = [tensor.untyped_storage() for tensor in tensors]
    return {storage._cdata: storage.nbytes() for storage in storages}
