import json

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from distilpose.data.skeleton import COCO
from distilpose.data.stream import Batch
from distilpose.heads.regression import RegressionOutput
from distilpose.models.builders import build_model
from distilpose.pictures.panels import write_pictures
from distilpose.pictures.people import VIEWS
from distilpose.pictures.scene import observe

SIZE = (48, 64)
SHAPE = {"input_size": SIZE, "width": 8, "dim": 16, "depth": 2, "heads": 2}


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    points = torch.rand(5, 17, 2, generator=generator)
    visible = (torch.rand(5, 17, generator=generator) < 0.8).float()
    images = torch.randn(5, 3, SIZE[1], SIZE[0], generator=generator)
    flat = torch.zeros(5, 2)
    return Batch(images, points, visible, torch.arange(5), flat, flat + 64, visible)


@pytest.fixture
def student():
    return build_model("distilpose_s", **SHAPE)


@pytest.fixture
def teacher():
    return build_model("teacher_stemnet", **SHAPE)


def shown(file):
    with Image.open(file.path) as picture:
        return np.asarray(picture.convert("RGB"))


def test_legible_pictures_with_captions_are_written(student, teacher, batch, tmp_path):
    files = write_pictures(student, teacher, batch, COCO, tmp_path / "new" / "folder")
    assert [file.kind for file in files] == ["people", "heatmaps", "attention", "layers"]
    for file in files[:3]:
        picture = shown(file)
        assert file.path == tmp_path / "new" / "folder" / f"{file.kind}.png"
        assert file.caption.endswith(".")
        assert min(picture.shape[:2]) > 400
        assert picture.std() > 20
        assert file.path.stat().st_size < 600_000


def test_a_heatmap_model_is_shown_beside_its_targets(teacher, batch, tmp_path):
    files = write_pictures(teacher, None, batch, COCO, tmp_path, count=2)
    assert [file.kind for file in files] == ["people", "heatmaps", "attention", "layers"]
    assert "targets" in files[1].caption


def test_a_student_alone_without_scores_or_sigmas_is_shown_too(batch, tmp_path):
    model = build_model("distilpose_s", score=False, sigma=False, **SHAPE)
    files = write_pictures(model, None, batch, COCO, tmp_path, count=1)
    assert "no sigma output" in files[1].caption


def test_a_model_without_attention_has_no_picture_of_it(batch, tmp_path):
    class Still(nn.Module):
        def forward(self, images, *, attention=False):
            return RegressionOutput(torch.full((len(images), 17, 2), 0.5))

    files = write_pictures(Still(), None, batch, COCO, tmp_path)
    assert [file.kind for file in files] == ["people", "heatmaps"]


def test_people_stand_below_each_other_and_the_file_names_the_views(student, batch, tmp_path):
    file, *_ = write_pictures(student, None, batch, COCO, tmp_path, count=3)
    assert shown(file).shape[:2] == (3 * 192, 3 * 144)
    with Image.open(file.path) as picture:
        assert json.loads(picture.text[VIEWS]) == ["skeleton", "attention: left wrist", "simulated heatmap: left wrist"]


def test_count_people_are_shown(student, batch, tmp_path):
    one, four = (shown(write_pictures(student, None, batch, COCO, tmp_path, count=n)[2]).shape for n in (1, 4))
    assert one[0] < four[0]
    assert one[1] == four[1]


def test_the_title_is_on_the_sheets(student, batch, tmp_path):
    plain, titled = (shown(write_pictures(student, None, batch, COCO, tmp_path, title=t)[1]) for t in ("", "none"))
    assert (plain[:30] != titled[:30]).any()
    assert plain.shape == titled.shape


def test_looking_leaves_the_models_as_they_were(student, teacher, batch, tmp_path):
    student.train()
    before = {name: value.clone() for name, value in student.state_dict().items()}
    write_pictures(student, teacher, batch, COCO, tmp_path, count=1)
    assert student.training
    assert all(torch.equal(value, before[name]) for name, value in student.state_dict().items())


def test_the_same_models_draw_the_same_picture(student, teacher, batch, tmp_path):
    first, second = (write_pictures(student, teacher, batch, COCO, tmp_path / n) for n in "ab")
    for one, other in zip(first, second, strict=True):
        assert one.path.read_bytes() == other.path.read_bytes()


def test_a_scene_holds_what_the_models_say(student, teacher, batch):
    scene = observe(student, teacher, batch)
    output = student.eval()(batch.images, attention=True)
    np.testing.assert_allclose(scene.points, output.keypoints.detach().numpy())
    assert scene.grid == student.encoder.grid
    assert np.isnan(scene.truth[batch.visible.numpy() == 0]).all()
    on_picture = output.attention[:, -1].mean(1)[..., 17:].detach().numpy()
    np.testing.assert_allclose(scene.attention, on_picture, rtol=1e-4)
    np.testing.assert_allclose(scene.reference, teacher.eval()(batch.images).heatmaps.detach().numpy(), rtol=1e-4)


def test_nobody_to_show_is_refused(student, batch, tmp_path):
    with pytest.raises(ValueError, match="at least one person is needed, got count 0 of 5"):
        write_pictures(student, None, batch, COCO, tmp_path, count=0)


def test_another_kind_of_model_is_refused(batch, tmp_path):
    class Other(nn.Module):
        def forward(self, images, *, attention=False):
            return images

    with pytest.raises(ValueError, match="got Tensor"):
        write_pictures(Other(), None, batch, COCO, tmp_path)
