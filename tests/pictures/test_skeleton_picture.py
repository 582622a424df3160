import numpy as np
import pytest

from distilpose.data.skeleton import COCO
from distilpose.pictures.palette import SIDES, TRUTH
from distilpose.pictures.skeleton import confidence_chart, skeleton_picture

GREY = np.full((256, 192, 3), 128, np.uint8)


@pytest.fixture
def points():
    return np.random.default_rng(1).uniform(30, 160, (17, 2))


def colour_at(picture, point):
    x, y = np.round(point).astype(int)
    return picture[y, x].astype(int)


def test_a_joint_that_counts_is_a_dot_of_its_sides_colour(points):
    points[9] = (100, 240)  # left wrist, away from the rest
    picture = skeleton_picture(GREY, points, np.full(17, 0.9), COCO)
    assert np.abs(colour_at(picture, points[9]) - SIDES["left"]).max() < 12


def test_a_joint_that_does_not_count_is_a_ring(points):
    points[9] = (100, 240)
    picture = skeleton_picture(GREY, points, np.full(17, 0.2), COCO)
    assert colour_at(picture, points[9]).max() < 40


def test_limbs_of_less_confidence_are_fainter(points):
    points[[7, 9]] = (20, 200), (170, 200)  # left elbow and wrist: a long level line
    middle = np.array([95, 200])
    strong, weak = (colour_at(skeleton_picture(GREY, points, np.full(17, score), COCO), middle) for score in (1.0, 0.1))
    sure = np.array(SIDES["left"])
    assert np.abs(strong - sure).sum() < np.abs(weak - sure).sum()


def test_no_scores_draw_as_wholly_sure(points):
    np.testing.assert_array_equal(
        skeleton_picture(GREY, points, None, COCO), skeleton_picture(GREY, points, np.ones(17), COCO)
    )


def test_the_truth_is_drawn_in_white_where_it_is_annotated(points):
    truth = np.full((17, 2), np.nan)
    truth[[5, 7]] = (10, 250), (180, 250)
    picture = skeleton_picture(GREY, points, None, COCO, truth)
    assert np.abs(colour_at(picture, (95, 250)) - TRUTH).max() < 40
    without = skeleton_picture(GREY, points, None, COCO, np.full((17, 2), np.nan))
    np.testing.assert_array_equal(without, skeleton_picture(GREY, points, None, COCO))


def test_points_that_are_no_numbers_or_far_away_are_survived(points):
    points[3] = np.nan
    points[4] = 1e9
    assert skeleton_picture(GREY, points, None, COCO).shape == GREY.shape


def test_the_picture_given_stays_as_it_was(points):
    before = GREY.copy()
    skeleton_picture(GREY, points, None, COCO)
    np.testing.assert_array_equal(GREY, before)


def test_bars_are_as_long_as_the_confidence():
    def coloured(score):
        chart = confidence_chart(np.full(17, score), COCO, 272)
        return (np.abs(chart.astype(int) - SIDES["middle"]).max(-1) < 3).sum()

    assert coloured(0.0) == 0
    assert coloured(0.8) == pytest.approx(2 * coloured(0.4), rel=0.1)
    assert coloured(1.0) == coloured(3.0)


def test_signs_are_as_thick_as_asked(points):
    def changed(unit):
        return (skeleton_picture(GREY, points, None, COCO, unit=unit) != GREY).any(-1).sum()

    assert changed(0.3) < changed(1.0) < changed(3.0)
