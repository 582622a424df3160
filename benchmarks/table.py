"""COCO's loss table on one device: the hours it takes, the fraction of the card's peak, and what plain ways take.

Ours is a step of the training loop over all rows in bf16, the teacher asked once. Plain PyTorch trains each row by
itself in eager mode: channels first, the teacher as it was trained; in bf16, and in fp32 as the authors did.
Crops are random and on the device, so that reading people is not in it.
"""

import statistics
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.loop import Crops, loop_seconds, member_of
from benchmarks.measure import Figure, Settings, ratios, seconds_of, timing
from benchmarks.peak import TERA, peak_of
from benchmarks.subjects import ROWS, Subject, ask, random_batch, step_of, subject
from distilpose.training.member import Member
from experiments.cli.options import read_profile

COCO_PEOPLE = 149_813  # of train2017 with at least one labelled joint
PEOPLE, STEPS = {"cpu": 2, "cuda": 256}, {"cpu": 1, "cuda": 5}  # in a step, and steps in a round
AS_AUTHORS, OF_PEAK = 12.0, 0.2


def figures(settings: Settings) -> Iterator[Figure]:
    """What the cohort saves against each plain way, and how much of the card it uses."""
    chosen, kind = subject(settings), torch.device(settings.device).type
    people, steps = PEOPLE[kind], STEPS[kind]
    ways: dict[str, Callable[[], float]] = {
        "ours": partial(_cohort, settings.device, chosen, people, steps),
        "eager PyTorch in bf16": partial(_one_by_one, settings.device, chosen, people, steps, half=True),
        "the authors' way, eager fp32": partial(_one_by_one, settings.device, chosen, people, steps, half=False),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(settings.rounds):
        for name, way in ways.items():
            seconds[name].append(way())
    ours = seconds.pop("ours")
    what = f"{len(ROWS)} rows in a cohort, bf16"
    for name, theirs in seconds.items():
        note = f"{timing(theirs)}, {timing(ours)} a step of {people} people, {chosen.name}, teacher {chosen.teacher}"
        hours = f"COCO's table in {_hours(theirs, people):.3g} h, {_hours(ours, people):.3g} h"
        aim = AS_AUTHORS if "authors" in name else None
        yield Figure(
            what=what, against=f"a run a row, {name}", ratios=ratios(theirs, ours), aim=aim, note=f"{note}; {hours}"
        )
    flops = flops_of_person(chosen)
    done = [people * flops / one for one in ours]
    speed = f"{people / statistics.median(ours):.4g} images a second, each {flops / 1e9:.4g} GFLOP"
    card = torch.cuda.get_device_name(settings.device) if kind == "cuda" else kind
    peak = peak_of(card, bf16=True)
    if peak is None:
        achieved = tuple(one / TERA for one in done)
        yield Figure(what=what, against="a TFLOP/s", ratios=achieved, note=f"{speed}; unknown card, so no peak: {card}")
    else:
        fraction, against = tuple(one / peak for one in done), f"the peak of {card}"
        at = f"{peak / TERA:.4g} TFLOP/s, dense bf16"
        yield Figure(what=what, against=against, ratios=fraction, aim=OF_PEAK, note=f"{speed}; {at}")


def flops_of_person(chosen: Subject) -> int:
    """The floating-point operations of a step of all rows for one person: counted as it runs, a multiply-add for two.

    Those of convolutions and matrix products, the teacher's once. An attention that computes its forward pass again in
    the backward one does not count as faster for it.
    """
    batch, teacher = random_batch(1, chosen.input_size, "cpu"), chosen.build_teacher()
    # Written out, attention is matrix products, which the counter knows on every device.
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
        taught = ask(teacher, batch)
        for row in ROWS:
            step_of(chosen.build_student(row), batch, lambda: taught, row=row)()
    flops: int = counter.get_total_flops()
    return flops


def _cohort(device: str, chosen: Subject, people: int, steps: int) -> float:
    """Seconds of a step of the training loop over all rows."""
    fabric = fabric_of(device)

    def members(folder: Path) -> list[Member]:
        return [member_of(row, chosen.build_student(row), folder, row=row) for row in ROWS]

    crops = Crops(people, chosen.input_size, fabric.device)
    return statistics.median(loop_seconds(members, crops, chosen.build_teacher(), fabric, steps))


def _one_by_one(device: str, chosen: Subject, people: int, steps: int, *, half: bool) -> float:
    """Seconds of a step of each row, added up."""
    batch = random_batch(people, chosen.input_size, device)
    batch = batch._replace(images=batch.images.contiguous())
    teacher = _plain(chosen.build_teacher(frozen=False), device)
    total = 0.0
    for row in ROWS:
        step = step_of(
            _plain(chosen.build_student(row), device), batch, lambda: ask(teacher, batch, half=half), row=row, half=half
        )
        step()
        total += statistics.median(seconds_of(step, device) for _ in range(steps))
    return total


def _plain(model: nn.Module, device: str) -> nn.Module:
    return model.to(device).to(memory_format=torch.contiguous_format)


def fabric_of(device: str) -> Fabric:
    """One device in bf16; it may have a number."""
    kind, _, number = device.partition(":")
    return Fabric(accelerator=kind, devices=[int(number)] if number else 1, precision="bf16-mixed")


def _hours(step_seconds: list[float], people: int) -> float:
    """Of all epochs of the published schedule."""
    epochs = read_profile("losses", "paper").rows[0].recipe.schedule.epochs
    return statistics.median(step_seconds) / people * COCO_PEOPLE * epochs / 3600
