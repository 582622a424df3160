"""Every head keeps what its record says, and a new one needs nothing but its file and its record."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from toy_head import TOY

from distilpose import heads
from distilpose.data.skeleton import COCO
from distilpose.data.stream import Batch
from distilpose.deployment.program import Deployed, export_program, largest_difference
from distilpose.evaluation.evaluate import read_points
from distilpose.evaluation.flip import FlipTest
from distilpose.heads import HEADS, Head, load, signature_of
from distilpose.heads.output import Output
from distilpose.models import build_model
from distilpose.models.description import Description, description_from_metadata
from distilpose.pictures.scene import observe

SMALL = {"d_model": 8, "layers": 2, "nhead": 2, "dim_feedforward": 8, "queries": 20}
SIZES = {"input_size": (32, 64), "width": 4, "dim": 16, "depth": 2, "heads": 2, "patch": (4, 4)}


@pytest.fixture(params=[*HEADS, "toy"])
def head(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every head, one of them new: a line in the table of heads."""
    monkeypatch.setitem(heads.HEADS, "toy", TOY)
    return request.param


def record(head: str) -> Head:
    return heads.HEADS[head]


def base(head: str) -> str:
    """A model that can have this head."""
    return "base_stemnet" if record(head).on_tokens else "deeppose_r50"


def options(head: str) -> dict[str, Any]:
    """Those of a small model with this head and all its outputs."""
    sizes = SIZES if record(head).on_tokens else {name: SIZES[name] for name in ("input_size", "width")}
    own = {option.name: SMALL[option.name] for option in record(head).signature.options if option.name in SMALL}
    return {**sizes, **own, "head": head, **dict.fromkeys(record(head).switches, True)}


def model_of(head: str) -> nn.Module:
    return build_model(base(head), **options(head)).eval()


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(2, 3, 64, 32, generator=torch.Generator().manual_seed(0))


def test_its_parts_have_the_same_options(head: str) -> None:
    parts = [signature_of(part) for part in (record(head).on_tokens, record(head).on_features) if part]
    assert all(part.options == record(head).signature.options for part in parts)


@torch.inference_mode()
def test_its_model_returns_the_output_of_the_record(head: str, images: torch.Tensor) -> None:
    output = model_of(head)(images, attention=True)
    assert type(output) is load(record(head).output)
    assert isinstance(output, Output)
    assert output.teaches == ("heatmaps" in record(head).gives)
    assert tuple(output.exported()) == record(head).exports
    assert all(getattr(output, name) is not None for name in record(head).gives)
    assert output.visual_tokens is not None
    for field in ("attention", "keypoint_tokens"):
        assert (getattr(output, field) is not None) == bool(record(head).on_tokens)


@torch.inference_mode()
def test_it_reads_a_backbone_without_tokens_where_it_says_so(head: str) -> None:
    pytest.importorskip("timm", reason="needs the extra timm")
    if not record(head).on_features:
        with pytest.raises(ValueError, match=f"{head} reads tokens"):
            build_model("timm:resnet18", head=head, input_size=(32, 64))
        return
    chosen = options(head)
    small = {name: chosen[name] for name in chosen if name not in SIZES} | {"input_size": (64, 64), "joints": 5}
    output = build_model("timm:resnet18", **small).eval()(torch.randn(2, 3, 64, 64))
    assert type(output) is load(record(head).output)
    assert output.points().keypoints.shape == (2, 5, 2)


@torch.inference_mode()
def test_the_flip_test_of_one_picture_and_of_its_mirror_image_agree(head: str, images: torch.Tensor) -> None:
    model = model_of(head)
    partners = COCO.flip_permutation
    there, back = (
        read_points(model(one), model(one.flip(-1)), partners, 32, FlipTest()) for one in (images, images.flip(-1))
    )
    assert there.keypoints.shape == (2, 17, 2)
    if "heatmaps" not in record(head).gives:  # moving a heatmap by a pixel is not symmetric
        torch.testing.assert_close(there.scores, back.scores[:, list(partners)])


def test_it_is_drawn(head: str, images: torch.Tensor) -> None:
    seen = torch.ones(2, 17)
    batch = Batch(images, torch.rand(2, 17, 2), seen, torch.arange(2), torch.zeros(2, 2), torch.ones(2, 2), seen)
    model = model_of(head)
    scene = observe(model, None, batch)
    assert scene.draws
    assert scene.name
    assert scene.words
    for part in (scene.heatmaps, scene.sigmas, *(scene.curves or ())):
        assert part is None or (part.shape[:2] == (2, 17) and np.isfinite(part).all())
    assert scene.is_teacher == ("heatmaps" in record(head).gives)
    assert (scene.reference is None) == ("heatmaps" not in record(head).gives)
    with torch.inference_mode():
        np.testing.assert_allclose(scene.points, model(images).points().keypoints, rtol=1e-6)


def test_its_program_and_its_onnx_file_give_what_it_exports(head: str, images: torch.Tensor, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="needs the extra export")
    from distilpose.integrations.onnx import OnnxModel, write_onnx

    model = model_of(head)
    program = export_program(model, (32, 64))
    write_onnx(program, tmp_path / "model.onnx", {})
    with torch.inference_mode():
        wanted = Deployed(model)(images)
        assert max(largest_difference(program.module()(images), wanted).values()) < 1e-6
        file = OnnxModel(tmp_path / "model.onnx")
        found = largest_difference(file.run(images), wanted)
        assert tuple(found) == record(head).exports
        if (
            "heatmaps" in record(head).gives
        ):  # DARK divides by the curvature of a heatmap, which an untrained model's nearly lacks
            del found["keypoints"]
        assert max(found.values()) < 2e-6
        assert type(file(images)) is type(model(images))
        assert file(images).merged(file(images.flip(-1)), COCO.flip_permutation, 32, FlipTest()) is not None


def test_weights_say_the_options_of_any_head(head: str) -> None:
    chosen = {option.name: option.default for option in record(head).signature.options}
    written = Description(model=base(head), options={**chosen, **options(head)})
    read = description_from_metadata(written.to_metadata(), "a.safetensors")
    assert read == written
    read.build()


def test_an_option_reaches_its_head_and_no_other(head: str, images: torch.Tensor) -> None:
    if head != "toy":
        with pytest.raises(ValueError, match=f"finer: means nothing to {base(head)}"):
            build_model(base(head), finer=2, **options(head))
    else:
        assert build_model("base_stemnet", finer=2, **options(head))(images).columns.shape == (2, 17, 16)


def test_the_table_imports_no_torch() -> None:
    subprocess.run(
        [sys.executable, "-c", "import distilpose.heads, sys; assert 'torch' not in sys.modules"], check=True
    )
