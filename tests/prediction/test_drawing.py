"""Everybody in a picture: signs as large as their boxes, poses over boxes."""

import numpy as np

from distilpose.data.skeleton import COCO
from distilpose.prediction.drawing import people_picture
from distilpose.prediction.predictor import People

GREY = np.full((400, 400, 3), 128, np.uint8)


def _drawn(box: tuple[float, ...]) -> np.ndarray:
    x, y, width, height = box
    spread = np.random.default_rng(0).uniform(0, 1, (17, 2)) * (width, height) + (x, y)
    keypoints = np.concatenate([spread, np.ones((17, 1))], -1)[None]
    people = People(np.array([box]), keypoints, np.ones(1), has_scores=True)
    return (people_picture(GREY, people, COCO, threshold=0) != GREY).any(-1)


def test_a_small_person_is_drawn_finer_than_a_large_one() -> None:
    small, large = _drawn((200, 200, 30, 40)), _drawn((20, 40, 270, 360))
    assert small.sum() < large.sum() / 10


def test_the_number_stands_above_the_box() -> None:
    drawn = _drawn((200, 200, 30, 40))
    assert drawn[186:197, 204:230].any()
