"""What a cohort saves: rows of the loss ablation trained together against each trained alone, on one stream of people.

Both ways run the real training loop. The teacher's forward T, every row's own step S and the batch D are measured alone
in the same round, from which the attainable ratio follows: alone, each row pays for its data and its teacher; together
they pay once.
"""

import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import nn

from benchmarks.loop import loop_seconds, member_of
from benchmarks.measure import Figure, Settings, seconds_of
from benchmarks.subjects import ROWS, Subject, ask, criterion_of, step_of, subject
from distilpose.data.augmentation import Augmentation
from distilpose.data.coco import load_pose_data
from distilpose.data.stream import PeopleStream
from distilpose.data.upload import Uploader
from distilpose.synthetic.dataset import SyntheticSpec, write_synthetic
from distilpose.training.member import Member

SIZES = (2, 4, 8)
ATTAINED = 0.95
STEPS = 2  # of each way in a round, after one to warm up
PEOPLE = {"cpu": 4, "cuda": 64}


def figures(settings: Settings) -> Iterator[Figure]:
    """For each size of a cohort: what it saves, and how much of what it could save that is."""
    chosen = subject(settings)
    people = PEOPLE[torch.device(settings.device).type]
    with tempfile.TemporaryDirectory() as directory:
        folder = write_synthetic(SyntheticSpec(train=8 * people, val=1), Path(directory) / "people")
        stream = PeopleStream(
            load_pose_data(folder, "train"),
            input_size=chosen.input_size,
            augmentation=Augmentation(),
            seed=0,
            batch_size=people,
            cache="ram",
            raw=torch.device(settings.device).type == "cuda",
        )
        teacher = chosen.build_teacher()
        for precision in ("fp32", "bf16"):
            way = _Way(settings, chosen, stream, teacher, precision)
            for size in SIZES:
                rounds = [way.round([*ROWS][-size:]) for _ in range(settings.rounds)]
                saved, share, parts = zip(*rounds, strict=True)
                middle = [statistics.median(values) for values in zip(*parts, strict=True)]
                note = "teacher {:.3g} s, all students {:.3g} s, data {:.3g} s a step".format(*middle)
                what = f"{size} rows in a cohort, {precision}"
                yield Figure(
                    what=what, against=f"{size} single runs", ratios=saved, note=f"batches of {people}; {note}"
                )
                yield Figure(what=what, against="what is attainable", ratios=share, aim=ATTAINED)


class _Way:
    """The two ways of training rows, in one precision."""

    def __init__(
        self, settings: Settings, chosen: Subject, stream: PeopleStream, teacher: nn.Module, precision: str
    ) -> None:
        self.settings, self.chosen, self.stream = settings, chosen, stream
        self.half = precision == "bf16"
        kind = torch.device(settings.device).type
        self.fabric = Fabric(accelerator=kind, devices=1, precision="bf16-mixed" if self.half else "32-true")
        self.teacher = teacher.to(self.fabric.device)

    def round(self, rows: Sequence[str]) -> tuple[float, float, tuple[float, float, float]]:
        """What a cohort saves, that over the attainable, and the seconds of teacher, students and data."""
        batch = next(Uploader(self.fabric.device)(self.stream.epoch(0)))
        taught = ask(self.teacher, batch, half=self.half)

        together = self._loop(rows)
        alone = sum(self._loop([row]) for row in rows)
        teacher = self._part(lambda: ask(self.teacher, batch, half=self.half))
        students = sum(
            self._part(step_of(self._student(row), batch, lambda: taught, row=row, half=self.half)) for row in rows
        )
        data = self._part(lambda: next(iter(self.stream.epoch(0))))
        teaching = sum(criterion_of(row).needs_teacher for row in rows)
        attainable = (teaching * teacher + students + len(rows) * data) / (min(teaching, 1) * teacher + students + data)
        return alone / together, alone / together / attainable, (teacher, students, data)

    def _part(self, work: Callable[[], object]) -> float:
        work()
        return statistics.median(seconds_of(work, self.settings.device) for _ in range(STEPS))

    def _student(self, row: str) -> nn.Module:
        return self.chosen.build_student(row).to(self.fabric.device)

    def _loop(self, rows: Sequence[str]) -> float:
        """Seconds of a step of the training loop over these rows."""

        def members(folder: Path) -> list[Member]:
            return [member_of(row, self._student(row), folder, row=row) for row in rows]

        return statistics.median(loop_seconds(members, self.stream, self.teacher, self.fabric, STEPS))
