import numpy as np
import pytest

from distilpose.evaluation.oks import pairwise_oks, rescore, suppress

SIGMAS = (0.05, 0.1)


def test_equal_poses_are_wholly_similar():
    pose = np.array([[[3.0, 4.0], [5.0, 6.0]]] * 2)
    assert pairwise_oks(pose, np.array([100.0, 400.0]), SIGMAS).tolist() == [[1, 1], [1, 1]]


def test_similarity_of_a_shifted_pose_by_hand():
    poses = np.array([[[0.0, 0.0], [0.0, 0.0]], [[3.0, 4.0], [0.0, 0.0]]])
    similarity = pairwise_oks(poses, np.array([1000.0, 3000.0]), SIGMAS)
    by_hand = (np.exp(-25 / (2 * (2 * 0.05) ** 2 * 2000)) + 1) / 2  # d = 5, mean area 2000
    assert similarity[0, 1] == pytest.approx(by_hand)
    assert similarity[1, 0] == pytest.approx(by_hand)


def test_a_sigma_per_joint_is_demanded():
    with pytest.raises(ValueError, match="got 3 for 2 joints"):
        pairwise_oks(np.zeros((1, 2, 2)), np.ones(1), (0.1, 0.1, 0.1))


def test_the_best_of_alike_poses_stays():
    near = np.array([[[10.0, 10], [20, 20]], [[10.1, 10], [20, 20]], [[90.0, 90], [80, 80]]])
    keep = suppress(near, np.full(3, 1000.0), np.array([0.3, 0.9, 0.1]), SIGMAS)
    assert keep.tolist() == [False, True, True]


def test_a_dropped_pose_drops_no_other():
    chain = np.array([[[0.0, 0.0]] * 2, [[0.9, 0.0]] * 2, [[1.8, 0.0]] * 2])
    scores = np.array([0.9, 0.8, 0.7])
    similarity = pairwise_oks(chain, np.full(3, 1000.0), SIGMAS)
    above = (similarity[0, 1] + similarity[0, 2]) / 2  # neighbours are alike, the ends are not
    assert suppress(chain, np.full(3, 1000.0), scores, SIGMAS, above).tolist() == [True, False, True]


def test_only_keypoint_scores_above_the_threshold_count_in_the_score_of_a_person():
    scores = rescore(np.array([0.5, 1.0]), np.array([[0.2, 0.6, 0.8], [0.1, -3.0, 0.2]]))
    assert scores.tolist() == pytest.approx([0.5 * 0.7, 0.0])
