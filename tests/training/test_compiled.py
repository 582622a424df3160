"""What `torch.compile` makes of students and losses: whole graphs, shared by all, the same bits in any cohort."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import fx, nn

from benchmarks.loop import Crops, member_of
from benchmarks.subjects import TINY
from benchmarks.table import fabric_of
from distilpose.losses.criteria import LossCriterion
from distilpose.losses.use import Losses
from distilpose.training.cohort import train_cohort
from distilpose.training.compiled import compile_parts, eagerly, room_for_versions
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
    return run(made, backend, steps)


def run(made: list[Member], backend: Any, steps: int) -> dict[str, Member]:
    """The students after some steps."""
    if backend is not None:
        compile_parts(made, backend=backend)
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


def test_weights_that_change_over_time_need_no_code_of_their_own_for_each_step(tmp_path: Path) -> None:
    few, many = Counting(), Counting()
    falling = Losses.of({"reg": 1, "KT": {"weight": 1e-2, "over_time": {"decay": "linear"}}})
    for backend, steps in ((few, 4), (many, 8)):
        torch._dynamo.reset()
        member = member_of("falling", TINY.build_student("KT"), tmp_path / str(steps), row="KT")
        member.criterion = LossCriterion(falling, epochs=2)
        with room_for_versions():
            run([member], backend, steps)
    assert few.graphs == many.graphs


def test_validation_runs_what_was_written(tmp_path: Path) -> None:
    backend = Counting()
    member = member_of("all", TINY.build_student("all"), tmp_path, row="all")
    with room_for_versions():
        run([member], backend, 2)
        before = backend.graphs
        with eagerly():
            member.evaluated(torch.zeros(3, 3, *TINY.input_size[::-1]))
    assert backend.graphs == before


def test_compiled_training_is_eager_training_up_to_rounding(tmp_path: Path) -> None:
    with room_for_versions():
        compiled = trained(tmp_path / "compiled", ["all"], "aot_eager", steps=4)
    torch._dynamo.reset()
    eager = trained(tmp_path / "eager", ["all"], None, steps=4)
    for one, other in zip(compiled["all"].model.parameters(), eager["all"].model.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)
