"""Training by `torch.compile`: the blocks of the models, the criteria and the teacher, each as one graph.

Parts are compiled in place, and PyTorch keeps code by what it was compiled of: one for all layers of one shape, all
students and all seeds of a process. Sums come in another order than eagerly, so a compiled run is another run.
"""

import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from unittest.mock import patch

import torch
from torch import nn

from distilpose.models.encoder import EncoderLayer
from distilpose.models.stemnet import Bottleneck
from distilpose.training.member import Member

BLOCKS = (EncoderLayer, Bottleneck)
VERSIONS = 64  # compiled versions of one piece of code: a shape, with gradients or without
Backend = str | Callable[..., object]
BACKEND = "inductor"


def compile_parts(members: Iterable[Member], teacher: nn.Module | None = None, backend: Backend | None = None) -> None:
    """Compile what repeats in these runs, each block and each criterion, and the teacher whole.

    A user's own code may need several graphs, and weights that change over time are numbers that code is kept for.
    """
    backend = backend or BACKEND
    for member in members:
        for module in member.model.modules():
            if isinstance(module, BLOCKS):
                module.compile(backend=backend, fullgraph=True, dynamic=False)
        if isinstance(member.criterion, nn.Module):
            member.criterion.compile(backend=backend)
    if teacher is not None:
        teacher.compile(backend=backend, dynamic=False)


@contextmanager
def room_for_versions() -> Iterator[None]:
    """A context in which one piece of code may be compiled for many shapes, and its backward pass run again."""
    with (
        warnings.catch_warnings(),
        patch.object(torch._dynamo.config, "recompile_limit", VERSIONS),
        patch.object(torch._functorch.config, "donated_buffer", False),  # for the pulls of losses
    ):
        warnings.filterwarnings("ignore", "The .grad attribute of a Tensor that is not a leaf")  # the compiler asks
        yield


def eagerly() -> AbstractContextManager[None]:
    """A context in which compiled parts run as they are written: validation has batches of many sizes."""
    if "torch._dynamo" not in sys.modules:  # nothing is compiled here, and it takes seconds to import
        return nullcontext()
    context: AbstractContextManager[None] = torch.compiler.set_stance("force_eager")
    return context
