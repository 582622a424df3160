"""What is measured: students, teachers and people, at the papers' size and at a small one, and one training step."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from benchmarks.measure import Settings
from distilpose.data.stream import Batch
from distilpose.heads.heatmap import HeatmapOutput
from distilpose.losses.criteria import LossCriterion
from distilpose.losses.use import Losses
from distilpose.models import build_model, initialise
from distilpose.models.frozen import freeze

JOINTS = 17
ON: dict[str, Any] = {"KT": 5e-4, "VT": 5e-4, "SH": 1.0, "CS": 1e-2}
ROWS: dict[str, tuple[str, ...]] = {
    "none": (),
    "CS": ("CS",),
    "SH": ("SH",),
    "CS+SH": ("CS", "SH"),
    "KT": ("KT",),
    "VT": ("VT",),
    "KT+VT": ("KT", "VT"),
    "all": ("KT", "VT", "SH", "CS"),
}
"""The rows of the loss ablation, and the terms that each has on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A student, its teacher, and how many people a step takes; `input_size` is (width, height)."""

    name: str
    input_size: tuple[int, int]
    student: dict[str, Any]
    teacher: str
    teacher_sizes: dict[str, Any]
    batch: int

    def build_student(self, row: str = "all", seed: int = 0) -> nn.Module:
        """DistilPose-S in these sizes, with the outputs that the row trains, in training mode."""
        head: dict[str, Any] = criterion_of(row).losses.head_options("regression")
        model = build_model("distilpose_s", input_size=self.input_size, **head, **self.student)
        initialise(model, seed)
        return model.train()

    def build_teacher(self, *, frozen: bool = True) -> nn.Module:
        """The teacher, as training asks it, or as it was trained."""
        model = build_model(self.teacher, input_size=self.input_size, **self.teacher_sizes).eval()
        if not frozen:
            return model.requires_grad_(False)
        return freeze(model, self.input_size)

    def random_batch(self, device: str = "cpu") -> Batch:
        """So many crops of noise as a step takes."""
        return random_batch(self.batch, self.input_size, device)


def random_batch(people: int, input_size: tuple[int, int], device: torch.device | str, joints: int = JOINTS) -> Batch:
    """Crops of noise with every joint somewhere, the channels last."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(people, 3, input_size[1], input_size[0], generator=generator)
    seen = torch.ones(people, joints)
    batch = Batch(
        images=images.contiguous(memory_format=torch.channels_last),
        keypoints=torch.rand(people, joints, 2, generator=generator),
        visible=seen,
        index=torch.arange(people),
        center=torch.zeros(people, 2),
        scale=torch.ones(people, 2),
        labelled=seen,
    )
    return Batch(*(tensor.to(device) for tensor in batch))


PAPER = Subject(
    name="DistilPose-S 256x192",
    input_size=(192, 256),
    student={},
    teacher="teacher_tokenpose_l",
    teacher_sizes={},
    batch=8,
)
TINY = Subject(
    name="a small student, 64x48",
    input_size=(48, 64),
    student={"width": 16, "dim": 96, "depth": 3, "heads": 4},
    teacher="teacher_stemnet",
    teacher_sizes={"width": 24, "dim": 96, "depth": 3, "heads": 4},
    batch=64,
)


def subject(settings: Settings) -> Subject:
    """The papers' sizes; small ones where it shall be quick."""
    return TINY if settings.quick else PAPER


def criterion_of(row: str) -> LossCriterion:
    """The losses of a row."""
    return LossCriterion(Losses.of({"reg": 1.0, **{name: ON[name] for name in ROWS[row]}}))


def bf16(device: str, enabled: bool = True) -> torch.autocast:
    """Mixed precision, as training has it."""
    return torch.autocast(torch.device(device).type, torch.bfloat16, enabled=enabled)


def ask(teacher: nn.Module, batch: Batch, *, half: bool = False) -> HeatmapOutput:
    """The teacher's output in float32, as the losses read it."""
    with torch.no_grad(), bf16(batch.images.device.type, half):
        output = teacher(batch.images)
    return HeatmapOutput._make(None if part is None else part.float() for part in output)


def step_of(
    model: nn.Module,
    batch: Batch,
    teach: Callable[[], HeatmapOutput],
    *,
    row: str = "all",
    half: bool = False,
    **adam: Any,
) -> Callable[[], None]:
    """One optimiser step of a student, ready to be called: the teacher's part, forward, loss, backward, Adam."""
    criterion = criterion_of(row)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, **(adam or {"fused": True}))

    def step() -> None:
        taught = teach() if criterion.needs_teacher else None
        with bf16(batch.images.device.type, half):
            output = model(batch.images)
        optimizer.zero_grad(set_to_none=True)
        terms = criterion(output, batch, taught)
        torch.autograd.backward(torch.stack(list(terms.values())).sum())
        optimizer.step()

    return step
