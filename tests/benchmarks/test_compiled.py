"""What `torch.compile` makes of students and losses: whole graphs, shared by all, the same bits in any cohort."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import fx, nn

from benchmarks.compiled import compile_parts, room_for_versions
from benchmarks.loop import Crops, member_of
from benchmarks.subjects import TINY
from benchmarks.table import fabric_of
from distilpose.training.cohort import train_cohort
from distilpose.training.member import Member


@pytest.fixture(autouse=True)
def _from_the_start() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


class Counting:
    """Makes graphs, runs them as they are, and counts them."""

    def __init__(self) -> None:
        self.graphs = 0

    def __call__(self, graph: fx.GraphModule, inputs: Any) -> Any:
        from torch._dynamo.backends.debugging import aot_eager

        self.graphs += 1
        return aot_eager(graph, inputs)


def trained(folder: Path, names: list[str], backend: Any, steps: int = 2) -> dict[str, Member]:
    """Students after some steps, of the rows that their names begin with."""
    made = [member_of(name, TINY.build_student(name.split()[0]), folder, row=name.split()[0]) for name in names]
    if backend is not None:
        compile_parts(made, backend)
    left = [steps]

    def stop() -> bool:
        left[0] -= 1
        return left[0] == 0

    fabric = fabric_of("cpu")
    train_cohort(
        made,
        stream=Crops(4, TINY.input_size, fabric.device),
        validate=lambda _: {},
        fabric=fabric,
        teacher=TINY.build_teacher(),
        checkpoint_seconds=1e9,
        should_stop=stop,
    )
    assert all(one.failure is None for one in made)
    return {one.name: one for one in made}


def same(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_one_graph_serves_all_layers_students_and_steps(tmp_path: Path) -> None:
    first, more = Counting(), Counting()
    with room_for_versions():
        trained(tmp_path / "one", ["all"], first)
        torch._dynamo.reset()
        trained(tmp_path / "three", ["all", "all again", "all once more"], more, steps=3)
    student = TINY.build_student("all")
    kinds = Counter(type(module).__name__ for module in student.modules())
    assert kinds["EncoderLayer"] == 3
    # A layer, blocks of two shapes, a criterion.
    assert first.graphs == more.graphs == 4 < kinds["EncoderLayer"] + kinds["Bottleneck"]


def test_a_compiled_run_has_the_same_bits_alone_as_in_a_cohort(tmp_path: Path) -> None:
    with room_for_versions():
        together = trained(tmp_path / "together", ["KT", "none", "all"], "aot_eager")
        alone = trained(tmp_path / "alone", ["all"], "aot_eager")
    assert same(alone["all"].model, together["all"].model)
    assert not same(together["KT"].model, TINY.build_student("KT"))
