"""Every head keeps what its record says, and a new one needs nothing but its file and its record."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_head import TOY

from distilpose import heads
from distilpose.data.skeleton import COCO
from distilpose.data.stream import Batch
from distilpose.deployment.program import Deployed, export_program, largest_difference
from distilpose.evaluation.evaluate import read_points
from distilpose.evaluation.flip import FlipTest
from distilpose.heads import HEADS, Head, load, signature_of
from distilpose.heads.output import Output
from distilpose.models import MODELS, build_model, specs
from distilpose.models.description import Description, description_from_metadata
from distilpose.pictures.scene import observe

SIZES = {"input_size": (32, 64), "width": 4, "dim": 16, "depth": 2, "heads": 2, "patch": (4, 4)}
OF_HEAD = {"regression": "distilpose_s", "heatmap": "teacher_stemnet", "toy": "toy_s"}


@pytest.fixture(params=OF_HEAD)
def name(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A model of every head, one of them new: a line in the table of heads, and one in that of models."""
    monkeypatch.setitem(heads.HEADS, "toy", TOY)
    toy = replace(MODELS["base_stemnet"], name="toy_s", head="toy")
    monkeypatch.setitem(specs.MODELS, "toy_s", toy)
    return OF_HEAD[request.param]


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(2, 3, 64, 32, generator=torch.Generator().manual_seed(0))


def head_of(name: str) -> Head:
    return HEADS[MODELS[name].head]


def test_its_parts_have_the_same_options(name: str) -> None:
    head = head_of(name)
    parts = [signature_of(part) for part in (head.on_tokens, head.on_features) if part]
    assert all(part.options == head.signature.options for part in parts)
    assert [option.name for option in head.signature.options] == (["finer"] if name == "toy_s" else [])


@torch.inference_mode()
def test_its_model_returns_the_output_of_the_record(name: str, images: torch.Tensor) -> None:
    output = build_model(name, **SIZES).eval()(images, attention=True)
    assert type(output) is load(head_of(name).output)
    assert isinstance(output, Output)
    assert output.teaches == ("heatmaps" in head_of(name).gives)
    assert tuple(output.exported()) == head_of(name).exports
    assert output.attention is not None
    assert output.keypoint_tokens is not None
    assert output.visual_tokens is not None


@torch.inference_mode()
def test_the_flip_test_of_one_picture_and_of_its_mirror_image_agree(name: str, images: torch.Tensor) -> None:
    model = build_model(name, **SIZES).eval()
    partners = COCO.flip_permutation
    there, back = (
        read_points(model(one), model(one.flip(-1)), partners, 32, FlipTest()) for one in (images, images.flip(-1))
    )
    assert there.keypoints.shape == (2, 17, 2)
    assert there.has_scores
    if name != "teacher_stemnet":  # moving a heatmap by a pixel is not symmetric
        torch.testing.assert_close(there.scores, back.scores[:, list(partners)])


def test_it_is_drawn(name: str, images: torch.Tensor) -> None:
    seen = torch.ones(2, 17)
    batch = Batch(images, torch.rand(2, 17, 2), seen, torch.arange(2), torch.zeros(2, 2), torch.ones(2, 2), seen)
    model = build_model(name, **SIZES)
    scene = observe(model, None, batch)
    assert scene.heatmaps is not None
    assert scene.heatmaps.shape[:2] == (2, 17)
    assert scene.is_teacher == ("heatmaps" in head_of(name).gives)
    assert (scene.reference is None) == (name != "teacher_stemnet")
    with torch.inference_mode():
        np.testing.assert_allclose(scene.points, model.eval()(images).points().keypoints, rtol=1e-6)


@pytest.mark.parametrize("name", ["toy"], indirect=True)  # the others': tests of deployment
def test_its_program_and_its_onnx_file_give_what_it_exports(name: str, images: torch.Tensor, tmp_path: Path) -> None:
    pytest.importorskip("onnx", reason="needs the extra export")
    from distilpose.integrations.onnx import OnnxModel, write_onnx

    model = build_model(name, **SIZES).eval()
    program = export_program(model, (32, 64))
    write_onnx(program, tmp_path / "model.onnx", {})
    with torch.inference_mode():
        wanted = Deployed(model)(images)
        assert max(largest_difference(program.module()(images), wanted).values()) < 1e-6
        file = OnnxModel(tmp_path / "model.onnx")
        found = largest_difference(file.run(images), wanted)
        assert tuple(found) == head_of(name).exports
        assert max(found.values()) < 1e-6
        assert type(file(images)) is type(model(images))


def test_weights_say_the_options_of_any_head(name: str) -> None:
    option = {"distilpose_s": {"score": False}, "toy_s": {"finer": 2}}.get(name, {})
    written = Description(model=name, options={**SIZES, **option})
    read = description_from_metadata(written.to_metadata(), "a.safetensors")
    assert read == written
    read.build()


def test_an_option_reaches_its_head_and_no_other(name: str, images: torch.Tensor) -> None:
    if name != "toy_s":
        with pytest.raises(ValueError, match=f"finer: means nothing to {name}"):
            build_model(name, finer=2, **SIZES)
    else:
        assert build_model(name, finer=2, **SIZES)(images).bins_x.shape == (2, 17, 16)


def test_the_table_imports_no_torch() -> None:
    subprocess.run(
        [sys.executable, "-c", "import distilpose.heads, sys; assert 'torch' not in sys.modules"], check=True
    )
