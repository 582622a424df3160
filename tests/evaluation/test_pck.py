from dataclasses import replace

import numpy as np
import pytest

from distilpose.data.skeleton import COCO
from distilpose.evaluation.pck import pck, torso, torso_lengths


def test_the_size_of_the_person_is_the_unit():
    predicted = np.array([[[0.0, 0.0], [15.0, 0.0], [0.0, 21.0], [50.0, 0.0]]])
    labelled = np.array([[2, 1, 2, 0]])
    metrics = pck(predicted, np.zeros((1, 4, 2)), labelled, np.array([100.0]))
    assert metrics == {"PCK@0.2": pytest.approx(2 / 3), "PCK@0.1": pytest.approx(1 / 3)}


def test_without_labelled_joints_there_is_no_pck():
    assert pck(np.zeros((2, 3, 2)), np.zeros((2, 3, 2)), np.zeros((2, 3)), np.ones(2)) == {}


def test_a_prediction_that_is_no_number_is_a_miss():
    predicted = np.array([[[np.nan, 0.0], [0.0, 0.0]]])
    assert pck(predicted, np.zeros((1, 2, 2)), np.ones((1, 2)), np.ones(1), [0.5]) == {"PCK@0.5": 0.5}


def test_a_torso_goes_from_the_left_shoulder_to_the_right_hip():
    assert torso(COCO) == (5, 12)
    assert torso(replace(COCO, names=tuple(f"joint {place}" for place in range(17)))) is None
    truth = np.array([[[0.0, 0.0], [9.0, 9.0], [30.0, 40.0]]] * 3)
    labelled = np.array([[2, 0, 1], [2, 2, 0], [0, 2, 2]])
    assert torso_lengths(truth, labelled, (2, 0)).tolist() == [50.0, 0.0, 0.0]
    assert torso_lengths(truth, labelled, None).tolist() == [0.0, 0.0, 0.0]


def test_a_person_without_a_size_does_not_count():
    predicted = np.array([[[10.0, 0.0]], [[10.0, 0.0]]])
    found = pck(predicted, np.zeros((2, 1, 2)), np.ones((2, 1)), np.array([0.0, 50.0]), suffix="-torso")
    assert found == {"PCK@0.2-torso": 1.0, "PCK@0.1-torso": 0.0}
    assert pck(predicted, np.zeros((2, 1, 2)), np.ones((2, 1)), np.zeros(2)) == {}
