"""A joint's curves and ellipse lie where the crop has what they tell of."""

import numpy as np
import pytest

from distilpose.pictures.crops import dimmed, enlarged
from distilpose.pictures.joint import CURVE_DEPTH, joint_picture, sigma_note
from distilpose.pictures.palette import SIDES
from distilpose.pictures.scene import Scene

WIDTH, HEIGHT = 120, 160
CROP = np.full((64, 48, 3), 60, np.uint8)


@pytest.fixture
def scene():
    """One person of one joint, a quarter across and half down, seen by a head that draws nothing."""
    return Scene(
        crops=[CROP],
        points=np.array([[[0.25, 0.5]]], np.float32),
        scores=None,
        truth=np.full((1, 1, 2), np.nan, np.float32),
        name="point",
        words="alone",
        heatmaps=None,
        curves=None,
        sigmas=None,
        reference=None,
        reference_is="teacher",
        maps=None,
        grid=(0, 0),
        is_teacher=False,
    )


def coloured(scene):
    """Rows and columns of the pixels that are nearly of the joint's colour."""
    picture = joint_picture(enlarged(CROP, HEIGHT), scene, 0, 0, "left_knee").astype(int)
    assert picture.shape == (HEIGHT, WIDTH, 3)
    return np.nonzero(np.abs(picture - SIDES["left"]).sum(-1) < 120)


def test_curves_stand_on_the_lower_and_the_left_edge_and_peak_where_their_values_do(scene):
    across, down = np.zeros((1, 1, 96), np.float32), np.zeros((1, 1, 256), np.float32)
    across[..., 64:69] = [0.1, 0.2, 0.4, 0.2, 0.1]
    down[..., 28:37] = [0.1, 0.2, 0.3, 0.4, 0.9, 0.4, 0.3, 0.2, 0.1]
    rows, columns = coloured(scene._replace(curves=(across, down)))
    lower = (rows > HEIGHT / 2 + 20) & (columns > 10)
    top = rows[lower].min()
    assert top == pytest.approx(HEIGHT - 1 - CURVE_DEPTH * WIDTH, abs=2)
    assert columns[lower][rows[lower] == top].mean() == pytest.approx(66 / 96 * WIDTH, abs=2)
    left = rows < HEIGHT / 2 - 20
    far = columns[left].max()
    assert far == pytest.approx(CURVE_DEPTH * WIDTH, abs=2)
    assert rows[left][columns[left] == far].mean() == pytest.approx(32 / 256 * HEIGHT, abs=2)
    assert columns[rows == HEIGHT - 2].max() > WIDTH - 3  # nothing is a line along the edge
    assert rows[columns == 1].min() < 3


def test_the_ellipse_is_one_sigma_wide_and_high_around_the_point(scene):
    rows, columns = coloured(scene._replace(sigmas=np.array([[[0.1, 0.25]]], np.float32)))
    middle = 0.25 * WIDTH + 0.75, 0.5 * HEIGHT + 0.75  # a point of the crop is a pixel's middle
    assert (columns.min() + columns.max()) / 2 == pytest.approx(middle[0], abs=1)
    assert (rows.min() + rows.max()) / 2 == pytest.approx(middle[1], abs=1)
    assert (columns.max() - columns.min()) / 2 == pytest.approx(0.1 * WIDTH, abs=1.5)
    assert (rows.max() - rows.min()) / 2 == pytest.approx(0.25 * HEIGHT, abs=1.5)


def test_an_ellipse_may_leave_the_crop(scene):
    large, none = (coloured(scene._replace(sigmas=np.full((1, 1, 2), size, np.float32))) for size in (1e6, np.nan))
    np.testing.assert_array_equal(large, none)


def test_its_size_is_told_in_parts_of_the_crop(scene):
    assert sigma_note(scene, 0, 0) == ""
    assert sigma_note(scene._replace(sigmas=np.array([[[0.1, 0.254]]], np.float32)), 0, 0) == ", 10 x 25 %"


def test_a_head_that_draws_nothing_leaves_the_point_alone(scene):
    assert not scene.draws
    rows, columns = coloured(scene)
    assert (columns.mean(), rows.mean()) == pytest.approx((0.25 * WIDTH + 0.75, 0.5 * HEIGHT + 0.75), abs=0.6)
    picture = joint_picture(enlarged(CROP, HEIGHT), scene, 0, 0, "left_knee")
    np.testing.assert_array_equal(picture[:60], dimmed(enlarged(CROP, HEIGHT))[:60])
