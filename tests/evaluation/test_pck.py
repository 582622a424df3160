import numpy as np
import pytest

from distilpose.evaluation.pck import pck


def test_the_longer_side_of_the_box_is_the_unit():
    predicted = np.array([[[0.0, 0.0], [15.0, 0.0], [0.0, 21.0], [50.0, 0.0]]])
    labelled = np.array([[2, 1, 2, 0]])
    metrics = pck(predicted, np.zeros((1, 4, 2)), labelled, np.array([[40.0, 100.0]]))
    assert metrics == {"PCK@0.2": pytest.approx(2 / 3), "PCK@0.1": pytest.approx(1 / 3)}


def test_without_labelled_joints_there_is_no_pck():
    assert pck(np.zeros((2, 3, 2)), np.zeros((2, 3, 2)), np.zeros((2, 3)), np.ones((2, 2))) == {}


def test_a_prediction_that_is_no_number_is_a_miss():
    predicted = np.array([[[np.nan, 0.0], [0.0, 0.0]]])
    assert pck(predicted, np.zeros((1, 2, 2)), np.ones((1, 2)), np.ones((1, 2)), [0.5]) == {"PCK@0.5": 0.5}
