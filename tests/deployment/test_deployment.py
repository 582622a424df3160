"""A model as a file, against the model itself: torch.export, ONNX, and what they take."""

import sys

import pytest
import torch

from distilpose.deployment.latency import latencies
from distilpose.deployment.program import Deployed, export_program, largest_difference, write_program
from distilpose.integrations.onnx import OPSET, OnnxModel, write_onnx
from distilpose.models import HeatmapOutput, build_model

onnx = pytest.importorskip("onnx", reason="needs the extra export")

SIZES = {"input_size": (32, 64), "width": 4, "dim": 8, "depth": 1, "heads": 2, "patch": (4, 4)}


@pytest.mark.parametrize("name", ["distilpose_s", "teacher_stemnet"])
def test_files_of_a_model_do_what_the_model_does(name, tmp_path):
    """One test, since writing the files is what takes the time."""
    model = build_model(name, **SIZES, score=False if name == "distilpose_s" else None).eval()
    layout = {key: value.stride() for key, value in model.state_dict().items()}
    program = export_program(model, (32, 64))
    assert {key: value.stride() for key, value in model.state_dict().items()} == layout
    write_program(program, tmp_path / "model.pt2")
    write_onnx(program, tmp_path / "model.onnx", {"model": name, "mean": "[0, 0, 0]"})
    assert {file.name for file in tmp_path.iterdir()} == {"model.pt2", "model.onnx"}
    for crops in (1, 5):
        check_every_form_gives_the_same(model, tmp_path, torch.randn(crops, 3, 64, 32))
    check_the_onnx_file_says_what_it_takes_and_gives(tmp_path / "model.onnx", heatmaps=name == "teacher_stemnet")
    check_every_form_is_timed(model, program, tmp_path)


def check_every_form_gives_the_same(model, folder, images):
    loaded = OnnxModel(folder / "model.onnx")
    with torch.inference_mode():
        own, output, other = Deployed(model)(images), model(images), loaded(images)
        program = torch.export.load(folder / "model.pt2").module()(images)
    assert max(largest_difference(program, own).values()) < 1e-6
    apart = largest_difference(loaded.run(images), own)
    # DARK divides by the curvature of a heatmap, which an untrained model's nearly lacks.
    assert apart.pop("keypoints") < (1e-3 if "heatmaps" in apart else 1e-6)
    assert max(apart.values()) < 1e-6
    assert type(other) is type(output)
    ours, theirs = (
        (one.heatmaps,) if isinstance(one, HeatmapOutput) else (one.keypoints, one.scores) for one in (other, output)
    )
    for one, reference in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, torch.ones(len(images), 17) if reference is None else reference)


def check_the_onnx_file_says_what_it_takes_and_gives(file, *, heatmaps):
    content = onnx.load(file)
    shapes = {
        value.name: [size.dim_param or size.dim_value for size in value.type.tensor_type.shape.dim]
        for value in (*content.graph.input, *content.graph.output)
    }
    points = {"images": ["batch", 3, 64, 32], "keypoints": ["batch", 17, 2], "scores": ["batch", 17]}
    assert shapes == points | ({"heatmaps": ["batch", 17, 16, 8]} if heatmaps else {})
    assert [one.version for one in content.opset_import if not one.domain] == [OPSET]
    loaded = OnnxModel(file)
    assert (loaded.input_size, loaded.joints, loaded.notes["mean"]) == ((32, 64), 17, "[0, 0, 0]")


def check_every_form_is_timed(model, program, folder):
    rows = list(latencies(model, program, folder / "model.onnx", (32, 64), passes=3))
    assert [row.form for row in rows if row.device == "cpu"] == ["torch", "torch.export", "ONNX Runtime"]
    assert all(0 < row.low <= row.milliseconds <= row.high for row in rows)


def test_another_kind_of_file_is_refused(tmp_path):
    file = tmp_path / "a.onnx"
    file.write_bytes(b"no model")
    with pytest.raises(ValueError, match="must be an ONNX model"):
        OnnxModel(file)


def test_another_graph_is_refused(tmp_path):
    value = onnx.helper.make_tensor_value_info
    one, other = (value(name, onnx.TensorProto.FLOAT, [1]) for name in ("a", "b"))
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["a"], ["b"])], "graph", [one], [other])
    file = tmp_path / "a.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=10), file)
    with pytest.raises(ValueError, match="must have the input images and the outputs keypoints, scores"):
        OnnxModel(file)


def test_a_missing_package_is_told_with_its_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ValueError, match=r"pip install 'distilpose\[export\]'"):
        OnnxModel(tmp_path / "a.onnx")
