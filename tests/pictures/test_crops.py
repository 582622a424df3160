import time

import numpy as np
import pytest
import torch

from distilpose.data.normalise import normalise
from distilpose.pictures.crops import denormalised, dimmed, enlarged, overlaid


def test_normalised_crops_come_back_pixel_for_pixel():
    crops = np.random.default_rng(0).integers(0, 256, (2, 8, 6, 3), dtype=np.uint8)
    images = np.empty((2, 3, 8, 6), np.float32)
    for crop, image in zip(crops, images, strict=True):
        normalise(crop, image)
    np.testing.assert_array_equal(denormalised(torch.from_numpy(images)), crops)


@pytest.mark.parametrize("height", [16, 64, 100])
def test_an_enlarged_picture_has_the_height_and_keeps_its_shape(height):
    assert enlarged(np.zeros((64, 48, 3), np.uint8), height).shape == (height, round(48 * height / 64), 3)


def test_a_pixel_is_enlarged_as_fast_as_a_picture():
    began = time.process_time()
    assert enlarged(np.full((1, 1, 3), 90, np.uint8), 1080).shape == (1080, 1080, 3)
    assert time.process_time() - began < 2


def test_enlarging_keeps_an_even_colour():
    assert (enlarged(np.full((8, 6, 3), 90, np.uint8), 64) == 90).all()


def test_a_dimmed_picture_is_grey():
    picture = dimmed(np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8))
    assert (picture[..., 0] == picture[..., 1]).all()
    assert (picture[..., 0] == picture[..., 2]).all()


def brightest(values, lattice):
    shown = overlaid(np.zeros((160, 120, 3), np.uint8), values, lattice=lattice).astype(int).sum(-1)
    rows, columns = np.nonzero(shown == shown.max())
    return columns.mean(), rows.mean()


def test_a_heatmap_pixel_shines_where_decoding_puts_its_joint():
    values = np.zeros((16, 12))
    values[4, 6] = 0.9
    x, y = brightest(values, "points")
    assert x == pytest.approx(6 / 12 * 120, abs=2)
    assert y == pytest.approx(4 / 16 * 160, abs=2)


def test_a_patch_shines_around_its_middle():
    values = np.zeros((4, 4))
    values[1, 2] = 0.9
    x, y = brightest(values, "patches")
    assert x == pytest.approx(2.5 / 4 * 120, abs=2)
    assert y == pytest.approx(1.5 / 4 * 160, abs=2)


def test_where_the_map_is_0_the_picture_shows():
    picture = np.full((16, 12, 3), 200, np.uint8)
    np.testing.assert_array_equal(overlaid(picture, np.zeros((4, 3)), lattice="points"), dimmed(picture))
