"""How a training step grows: time and memory against the batch, the students of a cohort, the crop and the joints.

Every way runs the training loop itself, on random crops, with narrow models, one teacher and all distillation losses.
On a CPU memory is the most bytes of tensors alive at once, on a GPU what PyTorch allocated; beside it stands what
`distilpose plan` predicts.
"""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from lightning_fabric import Fabric

from benchmarks.loop import Crops, loop_seconds, member_of
from benchmarks.measure import Figure, Settings, ratios, timing
from distilpose.models.builders import build_from_spec
from distilpose.models.live_tensors import LiveTensors
from distilpose.models.measure import measure_memory
from distilpose.models.memory import process_bytes
from distilpose.models.published import resolve_spec
from distilpose.models.spec import ModelSpec
from distilpose.training.member import Member

STEPS = 2  # timed of every round, after one to warm up


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What a step is of. `crop` is (width, height) in pixels."""

    batch: int = 4
    students: int = 1
    crop: tuple[int, int] = (96, 128)
    joints: int = 17

    @property
    def student(self) -> ModelSpec:
        """A narrow DistilPose-S."""
        return self._narrow("distilpose_s", distilled=True)

    @property
    def teacher(self) -> ModelSpec:
        """A heatmap model of the same tokens."""
        return self._narrow("teacher_stemnet")

    def _narrow(self, name: str, *, distilled: bool | None = None) -> ModelSpec:
        return resolve_spec(
            name,
            input_size=self.crop,
            joints=self.joints,
            width=16,
            dim=48,
            depth=4,
            heads=4,
            score=distilled,
            sigma=distilled,
        )


def train(sizes: Sizes, fabric: Fabric) -> list[float]:
    """Seconds of each of `STEPS` steps of the training loop, after one to warm up."""

    def members(folder: Path) -> list[Member]:
        models = [build_from_spec(sizes.student, seed=seed).to(fabric.device) for seed in range(sizes.students)]
        return [member_of(str(index), model, folder, row="all") for index, model in enumerate(models)]

    return loop_seconds(
        members,
        Crops(sizes.batch, sizes.crop, fabric.device, sizes.joints),
        build_from_spec(sizes.teacher),
        fabric,
        STEPS,
    )


def peak_bytes(sizes: Sizes, fabric: Fabric) -> int:
    """The most bytes of tensors at once in `train`."""
    if fabric.device.type == "cuda":
        before = torch.cuda.memory_allocated(fabric.device)
        torch.cuda.reset_peak_memory_stats(fabric.device)
        train(sizes, fabric)
        return int(torch.cuda.max_memory_allocated(fabric.device) - before)
    live = LiveTensors()
    with live:
        train(sizes, fabric)
    return live.peak


def growths(quick: bool) -> Iterator[dict[str, Sizes]]:
    """What grows, each by name from the smallest on."""
    small = Sizes(crop=(48, 64)) if quick else Sizes()
    counts = (1, 2) if quick else (1, 2, 4, 8, 16)
    crops = ((48, 64), (96, 128)) if quick else ((48, 64), (96, 128), (192, 256))
    yield {f"batch of {count}": replace(small, batch=count) for count in counts}
    yield {f"{count} student{'s' * (count > 1)}": replace(small, students=count) for count in counts}
    yield {f"{crop[0]}x{crop[1]} crops": replace(small, crop=crop) for crop in crops}
    yield {f"{count} joints": replace(small, joints=count) for count in ((14, 17) if quick else (14, 17, 26))}


def figures(settings: Settings) -> Iterator[Figure]:
    """How many times longer each takes than the smallest of its kind."""
    kind, _, number = settings.device.partition(":")
    fabric = Fabric(accelerator=kind, devices=[int(number)] if number else 1, precision="32-true")
    for ways in growths(settings.quick):
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(settings.rounds):
            for name, sizes in ways.items():
                seconds[name].append(statistics.median(train(sizes, fabric)))
        peaks = {name: peak_bytes(sizes, fabric) for name, sizes in ways.items()}
        smallest, *others = ways
        for name in others:
            yield Figure(
                what=name,
                against=smallest,
                ratios=ratios(seconds[name], seconds[smallest]),
                note=f"a step {timing(seconds[name])}; {_memory(ways[name], peaks[name], peaks[smallest])}",
            )


def _memory(sizes: Sizes, peak: int, smallest: int) -> str:
    """What was held, how many times more that is, and what had been predicted."""
    held = [
        measure_memory(build_from_spec(spec), sizes.crop, people=sizes.batch, precision="fp32", trains=trains)
        for spec, trains in ((sizes.student, True), (sizes.teacher, False))
    ]
    student, teacher = held
    assert student is not None
    assert teacher is not None
    predicted = process_bytes([student] * sizes.students, teacher)
    return f"memory {peak / 1e6:.1f} MB, {peak / smallest:.2f} times; predicted {predicted / peak - 1:+.1%}"
