"""Heatmap targets are unbiased Gaussians."""

import math

import pytest
import torch

from distilpose.data.codecs import gaussian_heatmaps, heatmap_weights


def test_a_gaussian_worked_by_hand():
    keypoints = torch.tensor([[[0.5, 0.25], [0.5, 0.25]]])
    maps = gaussian_heatmaps(keypoints, torch.tensor([[1.0, 0.0]]), (8, 16), sigma=1.5)
    assert maps.shape == (1, 2, 16, 8)
    assert maps[0, 0, 4, 4] == 1
    assert maps[0, 0, 6, 3].item() == pytest.approx(math.exp(-(1 + 4) / (2 * 1.5**2)))
    assert maps[0, 1].abs().max() == 0


def test_the_centre_is_not_rounded():
    maps = gaussian_heatmaps(torch.tensor([[[4.3 / 8, 9.8 / 16]]]), torch.ones(1, 1), (8, 16), sigma=1.0)[0, 0]
    logs = maps.log()
    # the peak of the parabola through three logarithms is the joint
    x = 4 + (logs[10, 5] - logs[10, 3]) / (2 * (2 * logs[10, 4] - logs[10, 5] - logs[10, 3]))
    y = 10 + (logs[11, 4] - logs[9, 4]) / (2 * (2 * logs[10, 4] - logs[11, 4] - logs[9, 4]))
    assert (x.item(), y.item()) == (pytest.approx(4.3, abs=1e-4), pytest.approx(9.8, abs=1e-4))


def test_joints_within_three_sigma_of_the_map_count_officially_though_outside():
    keypoints = torch.tensor([[[-5.0 / 48, 0.5], [-8.0 / 48, 0.5], [53.0 / 48, 0.5], [54.5 / 48, 0.5], [0.5, 0.5]]])
    labelled = torch.tensor([[1.0, 1.0, 1.0, 1.0, 0.0]])
    assert heatmap_weights(keypoints, labelled, (48, 64)).tolist() == [[1, 0, 1, 0, 0]]


def test_a_sigma_that_is_not_positive_is_refused():
    with pytest.raises(ValueError, match="sigma"):
        gaussian_heatmaps(torch.zeros(1, 1, 2), torch.ones(1, 1), (8, 8), sigma=0)
