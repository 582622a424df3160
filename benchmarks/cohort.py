"""What a cohort saves: rows of the loss ablation trained together against each trained alone, on one stream.

    python benchmarks/cohort.py [--device cuda] [--precision bf16] [--batch 4] [--rows 2,4,8] [--steps 5]

Students are DistilPose-S, the teacher TokenPose-L/W48, all as published, with weights drawn from a seed; people are
synthetic. Both ways run the real training loop, in turns, and the seconds between two steps are what is compared. The
teacher's forward, every row's own step and the batch are also measured alone, from which the attainable ratio follows:
alone, each row pays for its data and its teacher; together they pay once.
"""

import argparse
import itertools
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import nn

from distilpose.data.coco import load_pose_data
from distilpose.data.stream import Batch, PeopleStream
from distilpose.data.synthetic import SyntheticSpec, write_synthetic
from distilpose.data.transforms import Augmentation
from distilpose.evaluation.evaluate import Evaluation
from distilpose.losses.total import LossWeights, student_loss
from distilpose.models import build_model, initialise
from distilpose.models.outputs import HeatmapOutput, RegressionOutput
from distilpose.training.cohort import train_cohort
from distilpose.training.member import Member
from distilpose.training.schedule import Schedule
from distilpose.training.silent import SilentListener

ON = {"KT": 5e-4, "VT": 5e-4, "SH": 1.0, "CS": 1e-2}
ROWS: dict[str, tuple[str, ...]] = {
    "none": (),
    "CS": ("CS",),
    "SH": ("SH",),
    "CS + SH": ("CS", "SH"),
    "KT": ("KT",),
    "VT": ("VT",),
    "KT + VT": ("KT", "VT"),
    "all": ("KT", "VT", "SH", "CS"),
}
SCHEDULE = Schedule(epochs=1_000, lr=1e-4, warmup_steps=0, eval_every=1_000)


def weights_of(row: str) -> LossWeights:
    """The losses of a row."""
    return LossWeights(reg=1.0, **{name: ON[name] for name in ROWS[row]})


def student_of(row: str, size: tuple[int, int]) -> nn.Module:
    """A student with the outputs that the row trains."""
    weights = weights_of(row)
    model = build_model("distilpose_s", input_size=size, score=weights.needs_score, sigma=weights.needs_sigma)
    initialise(model, 0)
    return model


def member_of(row: str, size: tuple[int, int], folder: Path) -> Member:
    """The row as the training loop takes it."""
    weights = weights_of(row)

    def criterion(output: RegressionOutput, batch: Batch, teacher: HeatmapOutput | None) -> dict[str, torch.Tensor]:
        return student_loss(output, batch.keypoints, batch.visible, teacher, weights)

    return Member(
        name=row,
        model=student_of(row, size),
        criterion=criterion,
        schedule=SCHEDULE,
        checkpoints=folder / row,
        needs_teacher=weights.needs_teacher,
    )


def no_validation(_: Mapping[str, nn.Module]) -> Mapping[str, Evaluation]:
    """Never asked for: no schedule here ends."""
    raise AssertionError("a benchmark of steps validates nothing")


def loop_seconds(
    rows: Sequence[str], stream: PeopleStream, teacher: nn.Module, fabric: Fabric, steps: int
) -> list[float]:
    """Seconds of each of `steps` steps of the training loop over these rows, after one to warm up."""
    marks: list[float] = []
    height, width = next(iter(stream.epoch(0))).images.shape[-2:]
    size = (width, height)

    def stop() -> bool:
        synchronise(fabric.device)
        marks.append(time.perf_counter())
        return len(marks) > steps

    with tempfile.TemporaryDirectory() as folder:
        train_cohort(
            [member_of(row, size, Path(folder)) for row in rows],
            stream=stream,
            validate=no_validation,
            listener=SilentListener(),
            fabric=fabric,
            teacher=teacher,
            log_every=10_000,
            checkpoint_seconds=1e9,
            should_stop=stop,
        )
    return [later - earlier for earlier, later in itertools.pairwise(marks)]


def synchronise(device: torch.device) -> None:
    """Wait for the accelerator, so that the clock tells its time."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def part_seconds(work: Callable[[], object], repeats: int, device: torch.device) -> list[float]:
    """Seconds of each call, after one to warm up."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        work()
        synchronise(device)
        times.append(time.perf_counter() - start)
    return times[1:]


def own_step(row: str, batch: Batch, taught: HeatmapOutput, fabric: Fabric) -> Callable[[], None]:
    """A row's forward, loss, backward and update on a batch that is there, its teacher having spoken."""
    weights, model = (
        weights_of(row),
        student_of(row, (batch.images.shape[-1], batch.images.shape[-2])).to(fabric.device),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)
    model.train()

    def step() -> None:
        with fabric.autocast():
            output = model(batch.images)
        optimizer.zero_grad(set_to_none=True)
        terms = student_loss(output, batch.keypoints, batch.visible, taught if weights.needs_teacher else None, weights)
        torch.stack(list(terms.values())).sum().backward()
        optimizer.step()

    return step


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--rows", default="2,4,8")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--size", default="192,256")
    chosen = parser.parse_args()
    width, height = map(int, chosen.size.split(","))
    fabric = Fabric(
        accelerator=chosen.device, devices=1, precision="bf16-mixed" if chosen.precision == "bf16" else "32-true"
    )
    with tempfile.TemporaryDirectory() as directory:
        data = load_pose_data(
            write_synthetic(SyntheticSpec(train=8 * chosen.batch, val=1), Path(directory) / "d"), "train"
        )
        stream = PeopleStream(
            data, input_size=(width, height), augmentation=Augmentation(), seed=0, batch_size=chosen.batch, cache="ram"
        )
        teacher = build_model("teacher_tokenpose_l", input_size=(width, height)).to(fabric.device).eval()
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
        name = torch.cuda.get_device_name() if fabric.device.type == "cuda" else "cpu"
        print(
            f"torch {torch.__version__}, {name}, {torch.get_num_threads()} threads, commit {commit.stdout.strip()}, "
            f"{width}x{height}, batches of {chosen.batch}, {chosen.precision}, {chosen.steps} steps each way"
        )
        for rows in ([*ROWS][-int(count) :] for count in chosen.rows.split(",")):
            rows = rows if len(rows) < len(ROWS) else list(ROWS)
            compare(rows, stream, teacher, fabric, chosen.steps)


def compare(rows: Sequence[str], stream: PeopleStream, teacher: nn.Module, fabric: Fabric, steps: int) -> None:
    """Print what these rows take together and alone, the attainable ratio and how much of it is reached."""
    batch = Batch(*(tensor.to(fabric.device) for tensor in next(iter(stream.epoch(0)))))
    with torch.no_grad(), fabric.autocast():
        taught = HeatmapOutput._make(None if part is None else part.float() for part in teacher(batch.images))

    def teach() -> None:
        with torch.no_grad(), fabric.autocast():
            teacher(batch.images)

    alone: dict[str, list[float]] = {row: [] for row in rows}
    together: list[float] = []
    students: dict[str, list[float]] = {row: [] for row in rows}
    taught_seconds: list[float] = []
    data_seconds: list[float] = []
    for _ in range(2):
        together += loop_seconds(rows, stream, teacher, fabric, steps)
        taught_seconds += part_seconds(teach, steps, fabric.device)
        data_seconds += part_seconds(lambda: next(iter(stream.epoch(0))), steps, fabric.device)
        for row in rows:
            alone[row] += loop_seconds([row], stream, teacher, fabric, steps)
            students[row] += part_seconds(own_step(row, batch, taught, fabric), steps, fabric.device)
    teacher_s, data_s = statistics.median(taught_seconds), statistics.median(data_seconds)
    students_s = sum(map(statistics.median, students.values()))
    teaching = sum(1 for row in rows if weights_of(row).needs_teacher)
    attainable = (teaching * teacher_s + students_s + len(rows) * data_s) / (
        min(teaching, 1) * teacher_s + students_s + data_s
    )
    apart = sum(map(statistics.median, alone.values()))
    ratio = apart / statistics.median(together)
    low, high = min(together), max(together)
    print(
        f"{len(rows)} rows: {apart:.3f} s a step alone, {statistics.median(together):.3f} s ({low:.3f} to {high:.3f}) "
        f"together: {ratio:.2f} times; attainable {attainable:.2f} (teacher {teacher_s:.3f} s, students "
        f"{students_s:.3f} s, data {data_s:.3f} s): {ratio / attainable:.0%} of it",
        flush=True,
    )


if __name__ == "__main__":
    main()
