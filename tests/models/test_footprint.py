"""Memory by arithmetic against what autograd keeps, and against the peaks of real training steps."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F

from benchmarks.live_tensors import LiveTensors
from distilpose.data.codecs import gaussian_heatmaps
from distilpose.data.stream import Batch
from distilpose.heads.heatmap import HeatmapOutput
from distilpose.heads.regression import RegressionOutput
from distilpose.losses import CirculationWeights, LossWeights, circulation_loss, heatmap_loss, student_loss
from distilpose.models import build_model, count_parameters
from distilpose.models.builders import build_from_spec
from distilpose.models.footprint import Precision, count_weights, forward_bytes, kept_bytes, step_bytes
from distilpose.models.specs import MODELS, ModelSpec, resolve_spec
from distilpose.training.cohort import train_cohort
from distilpose.training.member import Member
from distilpose.training.schedule import Schedule
from distilpose.training.silent import SilentListener

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


@pytest.mark.parametrize("name", MODELS)
def test_weights_are_those_of_the_model(name: str) -> None:
    assert count_weights(MODELS[name]) == count_parameters(build_model(name))[1]


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


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", KINDS)
def test_what_is_kept_for_the_backward_pass_of_published_models(name: str, precision: Precision) -> None:
    expected = kept_by_autograd(MODELS[name], 4, precision)
    assert kept_bytes(MODELS[name], people=4, precision=precision) == pytest.approx(expected, rel=0.01)


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
    assert kept_bytes(spec, people=3, precision="fp32") == pytest.approx(kept_by_autograd(spec, 3, "fp32"), rel=0.01)


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


class Criterion:
    """The loss that a model of this kind learns by."""

    def __init__(self, spec: ModelSpec, *, taught: bool) -> None:
        self.spec = spec
        tokens = 5e-4 if taught and spec.has_tokens else 0.0
        self.weights = LossWeights(KT=tokens, VT=tokens, SH=float(taught), CS=float(taught))

    def __call__(self, output: Any, batch: Batch, teacher: HeatmapOutput | None) -> dict[str, Tensor]:
        if isinstance(output, RegressionOutput):
            return student_loss(output, batch.keypoints, batch.visible, teacher, self.weights)
        target = gaussian_heatmaps(batch.keypoints, batch.visible, self.spec.heatmap_size)
        if isinstance(output, list):
            return circulation_loss(output, target, batch.visible, CirculationWeights())
        return {"heatmap": heatmap_loss(output.heatmaps, target, batch.visible)}


def every_cycle(model: nn.Module, images: Tensor) -> Any:
    return model(images, all_cycles=True)


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
            criterion=Criterion(spec, taught=teacher is not None),
            schedule=Schedule(epochs=2, lr=1e-4, warmup_steps=0, eval_every=2),
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
            listener=SilentListener(),
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


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", NARROW)
def test_the_peak_of_a_training_step(name: str, precision: Precision, tmp_path: Path) -> None:
    spec = narrow(name)
    teacher = None
    if spec.role == "student":
        teacher = narrow("simplebaseline_r50" if name == "deeppose_r50" else "teacher_tokenpose_l")
    sizes: dict[str, Any] = {"people": 8, "precision": precision, "micro_batch": None}
    expected = peak_of_training([spec], teacher, tmp_path, **sizes)
    assert step_bytes([spec], teacher, **sizes) == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize(("students", "people", "micro_batch"), [(4, 8, None), (16, 2, None), (3, 16, 2), (1, 2, None)])
def test_the_peak_of_a_cohorts_step(students: int, people: int, micro_batch: int | None, tmp_path: Path) -> None:
    cohort, teacher = [narrow("distilpose_s")] * students, narrow("teacher_tokenpose_l")
    sizes: dict[str, Any] = {"people": people, "precision": "fp32", "micro_batch": micro_batch}
    expected = peak_of_training(cohort, teacher, tmp_path, **sizes)
    assert step_bytes(cohort, teacher, **sizes) == pytest.approx(expected, rel=0.1)


@pytest.mark.parametrize("name", ["distilpose_s", "teacher_tokenpose_l", "simplebaseline_r50"])
def test_the_peak_of_a_forward_pass_that_keeps_nothing(name: str) -> None:
    spec = narrow(name)
    model = build_from_spec(spec).eval()
    images = torch.randn(8, 3, 128, 96).contiguous(memory_format=torch.channels_last)
    with torch.no_grad(), LiveTensors() as live:
        model(images)
    assert forward_bytes(spec, people=8, precision="fp32") == pytest.approx(live.peak, rel=0.25)


def test_footprint_imports_no_torch() -> None:
    script = "import sys, distilpose.models.footprint; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
