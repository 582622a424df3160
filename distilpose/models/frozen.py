"""A model that will only be asked, never trained: its batch normalisation folded into its convolutions."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain

import torch
from torch import Tensor, nn

log = logging.getLogger(__name__)

_ROUNDING = 1e-3  # of the outputs' size: far above what folding rounds, far below what a wrong folding does


@torch.no_grad()
def freeze(model: nn.Module, input_size: tuple[int, int]) -> nn.Module:
    """Make the model cheaper to ask and return it, in eval mode, without gradients.

    Every BatchNorm2d that reads a convolution's output becomes part of that convolution, whatever the two are called:
    which these are is seen while noise of `input_size`, (width, height), goes through. The outputs stay the same up to
    rounding; where they do not, because something else reads that convolution's output too, the model is left as it was
    and a warning is logged. The model's weights then no longer have the names of what it was loaded from.
    """
    model.eval().requires_grad_(False)
    noise = torch.randn(1, 3, input_size[1], input_size[0], generator=torch.Generator().manual_seed(0))
    image = noise.to(next(model.parameters(), noise))
    with _watched(model) as pairs:
        before = _tensors(model(image))
    folded = [_Folded(model, convolution, norm) for convolution, norm in pairs()]
    if not all(map(_close, _tensors(model(image)), before)):
        for fold in folded:
            fold.undo()
        log.warning("%s: its batch normalisation cannot be folded; it teaches as it is", type(model).__name__)
    return model


class _Folded:
    """A convolution that does its normalisation's work, until undone."""

    def __init__(self, model: nn.Module, convolution: nn.Conv2d, norm_name: str) -> None:
        parent, _, self.name = norm_name.rpartition(".")
        self.parent, self.convolution = model.get_submodule(parent), convolution
        self.weight, self.bias = convolution.weight, convolution.bias
        norm = model.get_submodule(norm_name)
        assert isinstance(norm, nn.BatchNorm2d)
        self.norm = norm
        assert norm.running_mean is not None
        assert norm.running_var is not None
        # In float64: what is kept is rounded once.
        factor = (norm.running_var.double() + norm.eps).rsqrt()
        shift = -norm.running_mean.double() * factor
        if norm.affine:
            factor, shift = factor * norm.weight.double(), shift * norm.weight.double() + norm.bias.double()
        if self.bias is not None:
            shift = shift + self.bias.double() * factor
        weight = self.weight.double() * factor[:, None, None, None]
        convolution.weight = nn.Parameter(weight.to(self.weight), requires_grad=False)
        convolution.bias = nn.Parameter(shift.to(self.weight), requires_grad=False)
        setattr(self.parent, self.name, nn.Identity())

    def undo(self) -> None:
        """Put back what there was."""
        self.convolution.weight, self.convolution.bias = self.weight, self.bias
        setattr(self.parent, self.name, self.norm)


@contextmanager
def _watched(model: nn.Module) -> Iterator[Callable[[], list[tuple[nn.Conv2d, str]]]]:
    """While the model runs, see which normalisations read a convolution's output; what is yielded tells them by name.

    Told are pairs of which each was used once.
    """
    norms = {
        module: name
        for name, module in model.named_modules()
        if isinstance(module, nn.BatchNorm2d) and module.track_running_stats
    }
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    made: dict[int, tuple[nn.Conv2d, Tensor]] = {}  # by the output's identity; held here, so that none is used twice
    found: list[tuple[nn.Conv2d, nn.BatchNorm2d]] = []
    runs: Counter[nn.Module] = Counter()

    def after_convolution(module: nn.Conv2d, _: tuple[Tensor, ...], output: Tensor) -> None:
        runs[module] += 1
        made[id(output)] = module, output

    def before_norm(module: nn.BatchNorm2d, inputs: tuple[Tensor, ...]) -> None:
        runs[module] += 1
        if id(inputs[0]) in made:
            found.append((made[id(inputs[0])][0], module))

    handles = [
        *(module.register_forward_hook(after_convolution) for module in convolutions),
        *(module.register_forward_pre_hook(before_norm) for module in norms),
    ]
    try:
        yield lambda: [(conv, norms[norm]) for conv, norm in found if runs[conv] == runs[norm] == 1]
    finally:
        for handle in handles:
            handle.remove()
        made.clear()


def _tensors(output: object) -> list[Tensor]:
    if isinstance(output, Tensor):
        return [output]
    return list(chain.from_iterable(map(_tensors, output))) if isinstance(output, Iterable) else []


def _close(one: Tensor, other: Tensor) -> bool:
    return bool((one - other).abs().max() <= _ROUNDING * other.abs().max())
