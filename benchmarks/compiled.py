"""COCO's loss table with `torch.compile`: the blocks of students, criteria, and the teacher whole, as full graphs.

Blocks are compiled in place, and PyTorch keeps code by what it was compiled of: one for all layers of one shape, all
students and all seeds. Training does not do this yet; this says what it would be worth.
"""

import statistics
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from unittest.mock import patch

import torch
from torch import nn

from benchmarks.loop import Crops, loop_seconds, member_of
from benchmarks.measure import Figure, Settings, ratios, seconds_of, timing
from benchmarks.subjects import ROWS, Subject, subject
from benchmarks.table import PEOPLE, STEPS, fabric_of
from distilpose.models.encoder import EncoderLayer
from distilpose.models.stemnet import Bottleneck
from distilpose.training.member import Member

BLOCKS = (EncoderLayer, Bottleneck)
LIMIT = 64  # compiled versions of one piece of code: a shape, train or eval, with gradients or without
Backend = str | Callable[..., object]


def figures(settings: Settings) -> Iterator[Figure]:
    """The training loop over all rows in bf16, compiled against eager; on a CPU graphs are made and run as they are."""
    chosen, kind = subject(settings), torch.device(settings.device).type
    backend = "inductor" if kind == "cuda" else "aot_eager"
    compiled, eager = (partial(_cohort, settings.device, chosen, way) for way in (backend, None))
    with room_for_versions():
        seconds = seconds_of(compiled, settings.device)  # to warm up
        times = [(compiled(), eager()) for _ in range(settings.rounds)]
    fast, plain = zip(*times, strict=True)
    note = (
        f"{timing(plain)}, {timing(fast)} a step of {PEOPLE[kind]} people; {backend}, the first steps {seconds:.0f} s"
    )
    yield Figure(
        what=f"{len(ROWS)} rows in a cohort, bf16, compiled", against="eager", ratios=ratios(plain, fast), note=note
    )


def compile_parts(members: Iterable[Member], backend: Backend = "inductor") -> None:
    """Compile what repeats in these runs, in place: each block, and each criterion."""
    for member in members:
        blocks = [module for module in member.model.modules() if isinstance(module, BLOCKS)]
        assert isinstance(member.criterion, nn.Module)
        for part in (*blocks, member.criterion):
            part.compile(backend=backend, fullgraph=True, dynamic=False)


@contextmanager
def room_for_versions() -> Iterator[None]:
    """A context in which one piece of code may be compiled for many shapes, and its backward pass run again."""
    with (
        warnings.catch_warnings(),
        patch.object(torch._dynamo.config, "recompile_limit", LIMIT),
        patch.object(torch._functorch.config, "donated_buffer", False),  # for the pulls of losses
    ):
        warnings.filterwarnings("ignore", "The .grad attribute of a Tensor that is not a leaf")  # the compiler asks
        yield


def _cohort(device: str, chosen: Subject, backend: str | None) -> float:
    """Seconds of a step of the training loop over all rows."""
    kind, fabric, teacher = torch.device(device).type, fabric_of(device), chosen.build_teacher()
    if backend is not None:
        teacher.compile(backend=backend, fullgraph=True, dynamic=False)

    def members(folder: Path) -> list[Member]:
        made = [member_of(row, chosen.build_student(row), folder, row=row) for row in ROWS]
        if backend is not None:
            compile_parts(made, backend)
        return made

    crops = Crops(PEOPLE[kind], chosen.input_size, fabric.device)
    return statistics.median(loop_seconds(members, crops, teacher, fabric, STEPS[kind]))
