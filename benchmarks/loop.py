"""Steps of the training loop itself, timed from one to the next: setting up and the first step are not in it."""

import itertools
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import nn

from benchmarks.measure import wait_for
from benchmarks.subjects import JOINTS, criterion_of, random_batch
from distilpose.data.stream import Batch
from distilpose.evaluation.evaluate import Evaluation
from distilpose.training.cohort import Stream, train_cohort
from distilpose.training.member import Member
from distilpose.training.schedule import Schedule

SCHEDULE = Schedule(epochs=1_000, batch_size=4, lr=1e-4, warmup_steps=0, eval_every=1_000)


class Crops:
    """A stream of the same random crops again and again; `size` is (width, height)."""

    steps_per_epoch = 1_000

    def __init__(self, people: int, size: tuple[int, int], device: torch.device, joints: int = JOINTS) -> None:
        self.batch = random_batch(people, size, device, joints)

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        """The batches of an epoch."""
        yield from itertools.repeat(self.batch, self.steps_per_epoch - start_step)


def loop_seconds(
    members: Callable[[Path], Sequence[Member]], stream: Stream, teacher: nn.Module | None, fabric: Fabric, steps: int
) -> list[float]:
    """Seconds of each of `steps` steps, after one to warm up, of the members that are made for a folder."""
    marks: list[float] = []

    def stop() -> bool:
        wait_for(str(fabric.device))
        marks.append(time.perf_counter())
        return len(marks) > steps

    with tempfile.TemporaryDirectory() as folder:
        train_cohort(
            members(Path(folder)),
            stream=stream,
            validate=_no_validation,
            fabric=fabric,
            teacher=teacher,
            log_every=10_000,
            checkpoint_seconds=1e9,
            should_stop=stop,
        )
    return [later - earlier for earlier, later in itertools.pairwise(marks)]


def member_of(name: str, model: nn.Module, folder: Path, *, row: str) -> Member:
    """The model as the loop takes it, trained by the losses of a row."""
    criterion = criterion_of(row)
    return Member(
        name=name,
        model=model,
        criterion=criterion,
        schedule=SCHEDULE,
        checkpoints=folder / name,
        needs_teacher=criterion.needs_teacher,
    )


def _no_validation(_: Mapping[str, nn.Module]) -> Mapping[str, Evaluation]:
    raise AssertionError("a benchmark of steps validates nothing")
