"""What a card can do here, and what it does in a training step: one JSON object on standard output.

python -m benchmarks.card ceilings [--device cuda] [--quick]   # of a matrix product and of a copy
python -m benchmarks.card trace [--device cuda] [--quick]      # the step of COCO's loss table: kernels, idle time
"""

import argparse
import json
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch.autograd import DeviceType  # type: ignore[attr-defined]
from torch.profiler import ProfilerActivity, profile

from benchmarks.loop import Crops, member_of
from benchmarks.measure import seconds_of, wait_for
from benchmarks.peak import TERA, peak_of
from benchmarks.subjects import PAPER, ROWS, TINY
from benchmarks.table import PEOPLE
from distilpose.training.cohort import train_cohort

WARM, STEPS, SHOWN = 3, 3, 15
SIDE = {"cpu": 512, "cuda": 8192}  # of the matrices


def ceilings(device: str, quick: bool) -> dict[str, Any]:
    """The rates of a large matrix product, on random numbers, and of a copy within the device."""
    kind = torch.device(device).type
    side = SIDE["cpu" if quick else kind]
    found: dict[str, Any] = {"card": torch.cuda.get_device_name(device) if kind == "cuda" else kind}
    for name, dtype, tf32 in (("bf16", torch.bfloat16, False), ("tf32", torch.float32, True)):
        torch.backends.cuda.matmul.allow_tf32 = tf32
        one, other = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
        seconds = _median(lambda one=one, other=other: one @ other, device)
        found[f"{name}_tflops"] = round(2 * side**3 / seconds / TERA, 1)
        peak = peak_of(found["card"], bf16=name == "bf16")
        found[f"{name}_published_tflops"] = None if peak is None else peak / TERA
    whole = torch.empty(4 * side * side, device=device).normal_()
    target = torch.empty_like(whole)
    seconds = _median(lambda: target.copy_(whole), device)
    found["copy_terabytes_a_second"] = round(2 * whole.nbytes / seconds / TERA, 3)
    return found


def _median(work: Any, device: str) -> float:
    work()
    return statistics.median(seconds_of(work, device) for _ in range(10))


def trace(device: str, quick: bool) -> dict[str, Any]:
    """Where a step's time goes. The profiler slows launches down: the idle time is that under it."""
    kind = torch.device(device).type
    chosen, people = (TINY, 8) if quick else (PAPER, PEOPLE[kind])
    fabric = Fabric(accelerator=kind, devices=1, precision="bf16-mixed")
    activities = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (kind == "cuda")
    profiler, marks = profile(activities=activities), list[float]()

    def stop() -> bool:
        wait_for(device)
        if len(marks) == WARM + STEPS:
            profiler.stop()
        marks.append(time.perf_counter())
        if len(marks) == WARM + 1:
            profiler.start()
        return len(marks) > WARM + STEPS

    with tempfile.TemporaryDirectory() as folder:
        train_cohort(
            [member_of(row, chosen.build_student(row), Path(folder), row=row) for row in ROWS],
            stream=Crops(people, chosen.input_size, fabric.device),
            validate=lambda _: {},
            fabric=fabric,
            teacher=chosen.build_teacher(),
            log_every=10_000,
            checkpoint_seconds=1e9,
            should_stop=stop,
        )
    taken = marks[-1] - marks[WARM]
    found: dict[str, Any] = {
        "people": people,
        "seconds_a_step": (marks[WARM] - marks[1]) / (WARM - 1),
        "seconds_a_step_profiled": taken / STEPS,
    }
    spent, count = Counter[str](), Counter[str]()
    if kind == "cuda":
        events: Any = profiler.events()  # type: ignore[no-untyped-call]
        on_card = [event for event in events if event.device_type == DeviceType.CUDA]
        kernels = [one for one in on_card if not one.is_user_annotation and not one.name.startswith("Optimizer.")]
        for event in kernels:
            spent[event.name] += event.time_range.elapsed_us()
            count[event.name] += 1
        busy = 1e-6 * _covered((event.time_range.start, event.time_range.end) for event in kernels)
        found |= {"idle": 1 - busy / taken, "kernels_a_step": len(kernels) / STEPS, "busy_seconds_a_step": busy / STEPS}
    else:
        for average in profiler.key_averages():
            spent[average.key], count[average.key] = average.self_cpu_time_total, average.count
    whole = sum(spent.values()) or 1
    found["top"] = [
        {"name": name[:120], "share": round(us / whole, 4), "times_a_step": count[name] / STEPS}
        for name, us in spent.most_common(SHOWN)
    ]
    return found


def _covered(spans: Iterable[tuple[float, float]]) -> float:
    """The length of the union of spans."""
    total, reached = 0.0, float("-inf")
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, reached))
        reached = max(reached, end)
    return total


def main() -> None:
    """Measure what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("ceilings", "trace"))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    print(json.dumps((ceilings if asked.what == "ceilings" else trace)(asked.device, asked.quick)))


if __name__ == "__main__":
    main()
