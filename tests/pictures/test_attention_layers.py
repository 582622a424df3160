"""Attention by layer and head, by layer and joint, and between joints."""

import numpy as np
import pytest
import torch

from distilpose.data.skeleton import COCO
from distilpose.data.stream import Batch
from distilpose.models import build_model
from distilpose.pictures.layers import head_sheet, joints_sheet, layer_sheet
from distilpose.pictures.matrix import CELL, matrix_picture
from distilpose.pictures.palette import heat
from distilpose.pictures.scene import Scene, observe

SIZE = (48, 64)


def _batch() -> Batch:
    draw = torch.Generator().manual_seed(0)
    nothing, flat = torch.zeros(2, 17), torch.zeros(2, 2)
    images = torch.randn(2, 3, 64, 48, generator=draw)
    return Batch(images, torch.zeros(2, 17, 2), nothing, torch.arange(2), flat, flat + 64, nothing)


def _scene(*, depth: int, heads: int) -> Scene:
    model = build_model("distilpose_s", input_size=SIZE, width=4, dim=16, depth=depth, heads=heads)
    return observe(model, None, _batch())


def test_a_scene_holds_every_layer_and_head_and_attention_sums_to_one() -> None:
    scene = _scene(depth=3, heads=4)
    assert scene.maps is not None
    assert scene.maps.shape == (2, 3, 4, 17, 17 + 16)
    np.testing.assert_allclose(scene.maps.sum(-1), 1, rtol=1e-5)
    assert scene.attention is not None
    np.testing.assert_allclose(scene.attention, scene.maps[:, -1].mean(1)[..., 17:])
    assert not scene.annotated


def test_there_is_a_row_a_layer_and_a_column_a_head() -> None:
    sizes = {
        (depth, heads): head_sheet(_scene(depth=depth, heads=heads), 0, 9, COCO)[0].shape
        for depth, heads in ((1, 8), (2, 8), (2, 16))
    }
    assert sizes[2, 8][0] - sizes[1, 8][0] > 112
    assert sizes[2, 16][1] - sizes[2, 8][1] > 8 * 80


def test_more_than_twelve_layers_are_thinned_out() -> None:
    twelve, fourteen = (layer_sheet(_scene(depth=n, heads=2), 0, (0, 9), COCO)[0].shape for n in (12, 14))
    assert twelve[:2] == fourteen[:2]


def test_captions_name_what_is_seen() -> None:
    scene = _scene(depth=2, heads=2)
    assert "left_wrist" in head_sheet(scene, 0, 9, COCO)[1]
    assert "4 x 4 patches" in layer_sheet(scene, 1, (0,), COCO)[1]
    assert "each other" in joints_sheet(scene, 1, COCO)[1]


@pytest.mark.parametrize("name", ["deeppose_r50", "simplebaseline_r50"])
def test_a_model_without_tokens_is_seen_without_attention_and_has_no_sheet_of_it(name: str) -> None:
    batch = _batch()._replace(images=torch.zeros(2, 3, 64, 64))
    scene = observe(build_model(name, input_size=(64, 64), width=4), None, batch)
    assert scene.maps is None
    assert scene.attention is None
    with pytest.raises(ValueError, match="must have keypoint tokens"):
        joints_sheet(scene, 0, COCO)


def test_a_heatmap_model_beside_a_teacher_is_shown_beside_that() -> None:
    shape = {"input_size": SIZE, "width": 4, "dim": 16, "depth": 1, "heads": 2}
    model, teacher = build_model("sdpose_t", **shape), build_model("teacher_stemnet", **shape)
    assert observe(model, None, _batch()).reference is None
    scene = observe(model, teacher, _batch())
    assert scene.reference_is == "teacher"
    np.testing.assert_allclose(scene.reference, teacher.eval()(_batch().images).heatmaps.detach(), rtol=1e-4)


def test_a_cell_has_the_colour_of_its_value_in_its_row_and_column() -> None:
    values = np.array([[0.0, 1.0, 0.5], [0.2, 0.4, 0.6]])
    picture = matrix_picture(values, ("a", "b", "c"), None)
    for row, column in np.ndindex(values.shape):
        pixel = picture[row * CELL + CELL // 2, column * CELL + CELL // 2]
        assert (pixel == heat(values[row : row + 1, column : column + 1])[0, 0]).all()


def test_a_columns_name_is_below_its_column() -> None:
    blank, named = (matrix_picture(np.zeros((1, 3)), ("", name, ""), None) for name in ("", "nose"))
    width = named.shape[0] - blank.shape[0]
    assert width > 20  # a name is as high as it is long
    ink = (named[CELL:] < 128).all(-1).any(0)
    assert ink[CELL : 2 * CELL].any()
    assert not ink[:CELL].any()
    assert not ink[2 * CELL :].any()
