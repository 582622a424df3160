"""Memory as measured without numbers, against what autograd keeps on a GPU and the peaks of real training steps."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F

from distilpose.data.stream import Batch
from distilpose.losses.circulation import CirculationWeights
from distilpose.losses.criteria import HEATMAP_LOSSES, CirculationCriterion, LossCriterion, every_cycle
from distilpose.losses.use import Losses
from distilpose.models.builders import build_from_spec
from distilpose.models.live_tensors import LiveTensors
from distilpose.models.measure import count_costs, measure_memory, plain_forward
from distilpose.models.memory import Memory, Precision, process_bytes
from distilpose.models.published import MODELS, resolve_spec
from distilpose.models.spec import ModelSpec
from distilpose.training.cohort import train_cohort
from distilpose.training.member import Member
from distilpose.training.schedule import Schedule

KINDS = (
    "distilpose_s",
    "distilpose_l",
    "teacher_tokenpose_l",
    "tokenpose_t",
    "tokenpose_s_v2",
    "sdpose_t",
    "sdpose_b",
    "deeppose_r50",
    "simplebaseline_r50",
)
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")


def on_a_gpu(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention by the operation that a GPU of this precision would choose."""
    if q.dtype == torch.bfloat16:
        return torch.ops.aten._scaled_dot_product_flash_attention(q, k, v)[0]  # type: ignore[no-any-return]
    return torch.ops.aten._scaled_dot_product_efficient_attention(q, k, v, None, True)[0]  # type: ignore[no-any-return]


def kept_by_autograd(spec: ModelSpec, people: int, precision: Precision) -> int:
    """Bytes of the storages that a forward pass saves on a GPU, weights and images aside; nothing is computed."""
    model = build_from_spec(spec)
    width, height = spec.input_size
    saved: list[Tensor] = []

    def save(tensor: Tensor) -> Tensor:
        saved.append(tensor)
        return tensor

    with (
        FakeTensorMode(allow_non_fake_inputs=True),
        mock.patch("distilpose.models.encoder.attend", on_a_gpu),
        mock.patch("torch.cuda.amp.common.amp_definitely_not_available", return_value=False),
        mock.patch("torch.cuda.is_bf16_supported", return_value=True),
        torch.autocast("cuda", torch.bfloat16, enabled=precision == "bf16"),
        torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor),
    ):
        there = {name: torch.empty_like(tensor, device="cuda") for name, tensor in model.named_buffers()}
        for name, parameter in model.named_parameters():
            there[name] = torch.empty_like(parameter, device="cuda").requires_grad_()
        images = torch.empty(people, 3, height, width, device="cuda")
        options = {"all_cycles": True} if spec.cycles > 1 else {}
        torch.func.functional_call(model, there, (images,), options)
        sizes = {tensor.untyped_storage()._cdata: tensor.untyped_storage().nbytes() for tensor in saved}
        return sum(sizes.values()) - sum(
            sizes.get(tensor.untyped_storage()._cdata, 0) for tensor in (*there.values(), images)
        )


def memory(spec: ModelSpec, people: int, precision: Precision, *, trains: bool = True) -> Memory:
    forward = every_cycle if trains and spec.cycles > 1 else plain_forward
    sizes: dict[str, Any] = {"people": people, "precision": precision, "trains": trains}
    measured = measure_memory(build_from_spec(spec), spec.input_size, **sizes, forward=forward)
    assert measured is not None
    return measured


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", KINDS)
def test_what_is_kept_for_the_backward_pass_of_published_models(name: str, precision: Precision) -> None:
    expected = kept_by_autograd(MODELS[name], 4, precision)
    assert memory(MODELS[name], 4, precision).kept == pytest.approx(expected, rel=0.001)


@pytest.mark.parametrize(
    "sizes",
    [
        {"input_size": (64, 96), "patch": (2, 2), "joints": 5},
        {"width": 12, "dim": 48, "heads": 4, "depth": 2},
        {"score": True, "sigma": True, "joints": 26},
    ],
)
def test_what_is_kept_follows_every_size(sizes: dict[str, Any]) -> None:
    spec = resolve_spec("distilpose_s", **sizes)
    assert memory(spec, 3, "fp32").kept == pytest.approx(kept_by_autograd(spec, 3, "fp32"), rel=0.01)


class Stream:
    """Random crops: two batches."""

    steps_per_epoch = 2

    def __init__(self, spec: ModelSpec, people: int) -> None:
        self.spec, self.people = spec, people

    def epoch(self, epoch: int, start_step: int = 0) -> Iterator[Batch]:
        width, height = self.spec.input_size
        seen = torch.ones(self.people, self.spec.joints)
        for _ in range(start_step, self.steps_per_epoch):
            # Laid out as the loop wants it: on a GPU, too, it has one copy of them there.
            images = torch.randn(self.people, 3, height, width).contiguous(memory_format=torch.channels_last)
            yield Batch(
                images=images,
                keypoints=torch.rand(self.people, self.spec.joints, 2),
                visible=seen,
                index=torch.arange(self.people),
                center=torch.zeros(self.people, 2),
                scale=torch.ones(self.people, 2),
                labelled=seen,
            )


def criterion_of(spec: ModelSpec, *, taught: bool) -> LossCriterion | CirculationCriterion:
    """The loss that a model of this kind learns by."""
    if spec.cycles > 1:
        return CirculationCriterion(CirculationWeights())
    if spec.role == "teacher":
        return LossCriterion(HEATMAP_LOSSES)
    tokens = {"KT": 5e-4, "VT": 5e-4} if spec.has_tokens else {}
    return LossCriterion(Losses.of({"reg": 1, **({**tokens, "SH": 1, "CS": 1} if taught else {})}))


def peak_of_training(
    students: list[ModelSpec],
    teacher: ModelSpec | None,
    folder: Path,
    *,
    people: int,
    precision: Precision,
    micro_batch: int | None,
) -> int:
    """The most bytes alive in two steps of the training loop on a CPU, its attention fused as on a GPU."""
    members = []
    for index, spec in enumerate(students):
        member = Member(
            name=str(index),
            model=build_from_spec(spec, seed=index),
            criterion=criterion_of(spec, taught=teacher is not None),
            schedule=Schedule(epochs=2, batch_size=4, lr=1e-4, warmup_steps=0, eval_every=2),
            checkpoints=folder / str(index),
            needs_teacher=teacher is not None,
        )
        if spec.cycles > 1:
            member.forward = every_cycle
        members.append(member)
    asked = None if teacher is None else build_from_spec(teacher)
    models = [*(member.model for member in members), *([] if asked is None else [asked])]
    there = [tensor for model in models for tensor in (*model.parameters(), *model.buffers())]
    fabric = Fabric(accelerator="cpu", devices=1, precision="bf16-mixed" if precision == "bf16" else "32-true")
    steps = iter((False, True))
    with mock.patch("distilpose.models.encoder.attend", F.scaled_dot_product_attention), LiveTensors(there) as live:
        train_cohort(
            members,
            stream=Stream(students[0], people),
            validate=lambda _: {},
            fabric=fabric,
            teacher=asked,
            micro_batch=micro_batch,
            should_stop=lambda: next(steps),
        )
    return live.peak


NARROW: dict[str, dict[str, Any]] = {
    "distilpose_s": {"width": 16, "dim": 48, "depth": 3, "heads": 4},
    "distilpose_l": {"width": 16, "stem": 32, "dim": 48, "depth": 2, "heads": 4},
    "teacher_tokenpose_l": {"width": 8, "stem": 16, "dim": 48, "depth": 2, "heads": 4},
    "tokenpose_t": {"dim": 48, "depth": 2, "heads": 4},
    "sdpose_t": {"width": 8, "dim": 48, "depth": 2, "heads": 4},
    "sdpose_b": {"width": 8, "stem": 16, "dim": 48, "depth": 2, "heads": 4},
    "deeppose_r50": {"width": 16},
    "simplebaseline_r50": {"width": 16},
}


def narrow(name: str) -> ModelSpec:
    spec = resolve_spec(name, input_size=(96, 128), **NARROW[name])
    return replace(spec, head_options={"score": True, "sigma": True}) if spec.role == "student" else spec


def predicted(
    students: list[ModelSpec],
    teacher: ModelSpec | None,
    *,
    people: int,
    precision: Precision,
    micro_batch: int | None,
) -> int:
    at_once = micro_batch or people
    return process_bytes(
        [memory(student, at_once, precision) for student in students],
        None if teacher is None else memory(teacher, at_once, precision, trains=False),
        batches=people // at_once,
    )


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", NARROW)
def test_the_peak_of_a_training_step(name: str, precision: Precision, tmp_path: Path) -> None:
    spec = narrow(name)
    teacher = None
    if spec.role == "student":
        teacher = narrow("simplebaseline_r50" if name == "deeppose_r50" else "teacher_tokenpose_l")
    sizes: dict[str, Any] = {"people": 8, "precision": precision, "micro_batch": None}
    expected = peak_of_training([spec], teacher, tmp_path, **sizes)
    assert predicted([spec], teacher, **sizes) == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize(("students", "people", "micro_batch"), [(4, 8, None), (16, 2, None), (3, 16, 2), (1, 2, None)])
def test_the_peak_of_a_cohorts_step(students: int, people: int, micro_batch: int | None, tmp_path: Path) -> None:
    cohort, teacher = [narrow("distilpose_s")] * students, narrow("teacher_tokenpose_l")
    sizes: dict[str, Any] = {"people": people, "precision": "fp32", "micro_batch": micro_batch}
    expected = peak_of_training(cohort, teacher, tmp_path, **sizes)
    assert predicted(cohort, teacher, **sizes) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("name", ["distilpose_s", "teacher_tokenpose_l", "simplebaseline_r50"])
def test_the_peak_of_a_forward_pass_that_keeps_nothing(name: str) -> None:
    spec = narrow(name)
    model = build_from_spec(spec).eval()
    images = torch.randn(8, 3, 128, 96).contiguous(memory_format=torch.channels_last)
    with torch.no_grad(), LiveTensors() as live:
        model(images)
    measured = memory(spec, 8, "fp32", trains=False)
    assert (measured.peak, measured.kept) == (live.peak, 0)


class Linear(nn.Module):
    """A map of every pixel to two numbers, returned as somebody else's models return them."""

    def __init__(self, pack: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.map, self.frozen, self.pack = nn.Linear(3, 2), nn.Linear(7, 7).requires_grad_(False), pack

    def forward(self, images: Tensor) -> Any:
        return self.pack(self.map(images.permute(0, 2, 3, 1)))


@dataclass
class Found:
    points: Tensor
    nothing: None = None


@pytest.mark.parametrize(
    "pack", [lambda x: x, lambda x: {"points": x}, lambda x: (x, [x, None]), lambda x: Found(points=x)]
)
def test_any_module_that_returns_tensors_is_measured(pack: Callable[[Tensor], Any]) -> None:
    model, pixels = Linear(pack), 5 * 4 * 6
    held = measure_memory(model, (4, 6), people=5, precision="fp32", trains=True)
    assert held is not None
    assert (held.weights, held.trained, held.buffers) == (4 * (8 + 56), 4 * 8, 0)
    assert (held.images, held.output) == (4 * 3 * pixels, 4 * 2 * pixels)
    assert held.kept == 0  # of a linear map its argument: the images
    assert count_costs(model, (4, 6)).gmacs == 4 * 6 * 3 * 2 / 1e9


class Stubborn(nn.Module):
    """A model whose way depends on a number in its images."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Conv2d(3, 2, 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.map(images) if images.sum().item() > 0 else images


def test_what_sizes_do_not_decide_is_unknown_and_said(caplog: pytest.LogCaptureFixture) -> None:
    costs = count_costs(Stubborn(), (4, 6))
    assert (costs.parameters, costs.gflops, costs.gmacs) == (8, None, None)
    assert measure_memory(Stubborn(), (4, 6), people=2, precision="fp32", trains=True) is None
    assert "Stubborn: what it costs is unknown" in caplog.text


def test_asking_leaves_the_model_as_it_was() -> None:
    model = build_from_spec(narrow("distilpose_s")).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    measure_memory(model, (96, 128), people=2, precision="bf16", trains=True)
    assert model.training
    assert all(parameter.requires_grad and parameter.grad is None for parameter in model.parameters())
    assert all(value.equal(before[name]) for name, value in model.state_dict().items())
