"""COCO's loss table with `torch.compile`: the blocks of students, criteria, and the teacher whole, as full graphs.

What `compile: true` is worth in a sweep.
"""

import statistics
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch

from benchmarks.loop import Crops, loop_seconds, member_of
from benchmarks.measure import Figure, Settings, ratios, seconds_of, timing
from benchmarks.subjects import ROWS, Subject, subject
from benchmarks.table import PEOPLE, STEPS, fabric_of
from distilpose.training.compiled import compile_parts, room_for_versions
from distilpose.training.member import Member


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


def _cohort(device: str, chosen: Subject, backend: str | None) -> float:
    """Seconds of a step of the training loop over all rows."""
    kind, fabric, teacher = torch.device(device).type, fabric_of(device), chosen.build_teacher()
    if backend is not None:
        compile_parts([], teacher, backend)

    def members(folder: Path) -> list[Member]:
        made = [member_of(row, chosen.build_student(row), folder, row=row) for row in ROWS]
        if backend is not None:
            compile_parts(made, backend=backend)
        return made

    crops = Crops(PEOPLE[kind], chosen.input_size, fabric.device)
    return statistics.median(loop_seconds(members, crops, teacher, fabric, STEPS[kind]))
