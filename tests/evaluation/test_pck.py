from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from distilpose.data.skeleton import COCO
from distilpose.evaluation.pck import pck, torso, torso_lengths


def of_box(predicted: Any, labelled: Any, sizes: Any, threshold: float = 0.2) -> float:
    """The share of joints near the origin, of people in square boxes of these sizes."""
    boxes = np.array([[0.0, 0.0, size / 2, size] for size in sizes])
    return pck(predicted, np.zeros_like(predicted), labelled, boxes, None, threshold=threshold)


def test_the_size_of_the_person_is_the_unit():
    predicted = np.array([[[0.0, 0.0], [15.0, 0.0], [0.0, 21.0], [50.0, 0.0]]])
    labelled = np.array([[2, 1, 2, 0]])
    assert of_box(predicted, labelled, [100.0]) == pytest.approx(2 / 3)
    assert of_box(predicted, labelled, [100.0], 0.1) == pytest.approx(1 / 3)


def test_without_labelled_joints_there_is_no_pck():
    assert np.isnan(of_box(np.zeros((2, 3, 2)), np.zeros((2, 3)), [1, 1]))


def test_a_prediction_that_is_no_number_is_a_miss():
    predicted = np.array([[[np.nan, 0.0], [0.0, 0.0]]])
    assert of_box(predicted, np.ones((1, 2)), [1], 0.5) == 0.5


def test_a_torso_goes_from_the_left_shoulder_to_the_right_hip():
    assert torso(COCO) == (5, 12)
    assert torso(replace(COCO, names=tuple(f"joint {place}" for place in range(17)))) is None
    truth = np.array([[[0.0, 0.0], [9.0, 9.0], [30.0, 40.0]]] * 3)
    labelled = np.array([[2, 0, 1], [2, 2, 0], [0, 2, 2]])
    assert torso_lengths(truth, labelled, (2, 0)).tolist() == [50.0, 0.0, 0.0]
    assert torso_lengths(truth, labelled, None).tolist() == [0.0, 0.0, 0.0]


def test_a_torso_is_a_size_and_a_person_without_one_does_not_count():
    truth = np.zeros((2, 17, 2))
    truth[1, 5], truth[1, 12] = (0, 0), (0, 50)  # the first person's torso has no length
    visible, boxes = np.zeros((2, 17)), np.ones((2, 4))
    visible[:, (5, 12)] = 1
    found = truth + np.array([6.0, 0.0])
    by_torso = {
        threshold: pck(found, truth, visible, boxes, COCO, threshold=threshold, by="torso") for threshold in (0.2, 0.1)
    }
    assert by_torso == {0.2: 1.0, 0.1: 0.0}
    assert np.isnan(pck(found[:1], truth[:1], visible[:1], boxes[:1], COCO, by="torso"))
