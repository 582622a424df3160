"""The masks over plain people: each pixel has the class of the joint that is highest there."""

import json

import numpy as np
import pytest
from PIL import Image

from distilpose.data.skeleton import COCO
from distilpose.pictures.masked import HEIGHT, layers_of, write_layers
from distilpose.pictures.scene import Scene


@pytest.fixture
def scene():
    """Two people 48 x 64; the first joint peaks in the upper left of the first, the last in the lower right of all."""
    heatmaps = np.zeros((2, 17, 16, 12), np.float32)
    heatmaps[0, 0, 4, 3] = 0.8
    heatmaps[:, 16, 12, 9] = 0.5
    maps = np.full((2, 1, 1, 17, 17 + 12), 0.01, np.float32)
    maps[1, 0, 0, 5, 17] = 0.5  # of a grid of 4 rows and 3 columns
    return Scene(
        crops=[np.full((64, 48, 3), 100, np.uint8), np.full((64, 48, 3), 200, np.uint8)],
        points=np.zeros((2, 17, 2), np.float32),
        scores=None,
        truth=np.zeros((2, 17, 2), np.float32),
        name="heatmap",
        words="",
        heatmaps=heatmaps,
        curves=None,
        sigmas=None,
        reference=None,
        reference_is="teacher",
        maps=maps,
        grid=(4, 3),
        is_teacher=False,
    )


def at(mask, person, x, y):
    """The class at a point of [0, 1] of a person's crop."""
    width = mask.shape[1] // 2
    return mask[round(y * HEIGHT), round((person + x) * width)]


def test_a_pixel_has_the_class_of_the_joint_that_is_highest_there(scene):
    layers = layers_of(scene, COCO)
    assert layers.image.shape[:2] == (HEIGHT, 2 * HEIGHT * 3 // 4)
    assert layers.masks.keys() == {"student_heatmaps", "attention"}
    mask = layers.masks["student_heatmaps"]
    assert mask.shape == layers.image.shape[:2]
    assert at(mask, 0, 3 / 12 + 0.01, 4 / 16 + 0.01) == 1
    assert at(mask, 1, 3 / 12 + 0.01, 4 / 16 + 0.01) == 0
    assert [at(mask, person, 9 / 12 + 0.01, 12 / 16 + 0.01) for person in (0, 1)] == [17, 17]
    assert set(np.unique(mask)) == {0, 1, 17}
    assert 0 < (mask == 1).mean() < 0.01


def test_attention_shows_where_a_patch_has_far_more_than_the_even_share(scene):
    mask = layers_of(scene, COCO).masks["attention"]
    assert at(mask, 1, 1 / 6, 1 / 8) == 6
    assert at(mask, 0, 1 / 6, 1 / 8) == 0
    assert set(np.unique(mask)) == {0, 6}
    even = scene._replace(maps=np.full((2, 1, 1, 17, 17 + 12), 1 / 12, np.float32))
    assert not layers_of(even, COCO).masks["attention"].any()


def test_a_faint_heatmap_shows_nothing_and_a_teachers_are_named_as_such(scene):
    assert not layers_of(scene._replace(heatmaps=scene.heatmaps * 0.1), COCO).masks["student_heatmaps"].any()
    both = scene._replace(reference=scene.heatmaps)
    assert layers_of(both, COCO).masks.keys() == {"student_heatmaps", "teacher_heatmaps", "attention"}
    assert layers_of(both._replace(is_teacher=True), COCO).masks.keys() == {"heatmaps", "targets", "attention"}


def test_masks_lie_beside_their_picture_and_name_their_classes(scene, tmp_path):
    layers = layers_of(scene, COCO)
    write_layers(layers, tmp_path / "layers.png")
    assert {file.name for file in tmp_path.iterdir()} == {
        "layers.png",
        "layers.student_heatmaps.mask.png",
        "layers.attention.mask.png",
    }
    with Image.open(tmp_path / "layers.attention.mask.png") as file:
        assert json.loads(file.info["labels"]) == list(COCO.names)
        assert (np.asarray(file) == layers.masks["attention"]).all()
