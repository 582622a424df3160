"""reg, KT and VT, CS, and the teacher's loss: by hand, by gradient, by property."""

import pytest
import torch

from distilpose.data.codecs import gaussian_heatmaps
from distilpose.losses.confidence import confidence_loss
from distilpose.losses.heatmap import heatmap_loss
from distilpose.losses.regression import regression_loss
from distilpose.losses.tokens import token_loss


def test_regression_is_smooth_l1_over_all_numbers_with_masked_joints_counted() -> None:
    pred = torch.tensor([[[0.5, 0.0], [9.0, 9.0]]])
    target = torch.tensor([[[0.1, 2.0], [0.0, 0.0]]])
    loss = regression_loss(pred, target, torch.tensor([[1.0, 0.0]]))
    assert float(loss) == pytest.approx((0.5 * 0.4**2 + (2.0 - 0.5)) / 4)


def test_masked_joints_get_zero_gradient_from_regression() -> None:
    pred = torch.rand(2, 3, 2, dtype=torch.float64, requires_grad=True)
    weight = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
    target = torch.rand(2, 3, 2, dtype=torch.float64)
    regression_loss(pred, target, weight).backward()
    assert pred.grad.abs().sum(-1).ne(0).equal(weight.bool())
    assert torch.autograd.gradcheck(lambda p: regression_loss(p, target, weight), (pred,))


def test_tokens_are_compared_by_mean_square_of_all_numbers() -> None:
    student = torch.tensor([[[1.0, 2.0], [0.0, 0.0]]], requires_grad=True)
    loss = token_loss(student, torch.tensor([[[0.0, 0.0], [0.0, 3.0]]]))
    assert float(loss.detach()) == (1 + 4 + 9) / 4
    loss.backward()
    assert torch.equal(student.grad, torch.tensor([[[0.5, 1.0], [0.0, -1.5]]]))


def test_tokens_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"got \(1, 2, 3\) and \(1, 2, 4\); give both models the same dim"):
        token_loss(torch.zeros(1, 2, 3), torch.zeros(1, 2, 4))


@pytest.mark.parametrize(
    ("cell", "row", "column"),
    [("nearest", 3, 2), ("official", 2, 1)],  # of 4 rows and 3 columns: round(2.8), round(1.8); round(2.1), round(1.2)
)
def test_the_score_learns_the_heatmap_at_the_rounded_place(cell: str, row: int, column: int) -> None:
    heatmaps = torch.zeros(1, 2, 4, 3)
    heatmaps[0, 0, row, column] = 0.8
    keypoints = torch.tensor([[[0.6, 0.7], [0.0, 0.0]]])
    scores = torch.tensor([[0.5, 0.25]], requires_grad=True)
    loss = confidence_loss(scores, keypoints.requires_grad_(), heatmaps.requires_grad_(), torch.ones(1, 2), cell)
    assert float(loss.detach()) == pytest.approx((0.3 + 0.25) / 2)
    loss.backward()
    assert scores.grad.tolist() == [[-0.5, 0.5]]
    assert keypoints.grad is None
    assert heatmaps.grad is None


def test_masked_scores_get_zero_gradient_and_count_in_the_mean() -> None:
    scores = torch.tensor([[0.5, 0.25]], requires_grad=True)
    loss = confidence_loss(scores, torch.zeros(1, 2, 2), torch.zeros(1, 2, 4, 3), torch.tensor([[0.0, 1.0]]))
    assert float(loss.detach()) == 0.125
    loss.backward()
    assert scores.grad.tolist() == [[0.0, 0.5]]


def test_a_place_outside_the_heatmap_is_read_at_its_edge() -> None:
    heatmaps = torch.arange(12.0).view(1, 1, 4, 3)
    for place, value in (((5.0, 5.0), 11), ((-1.0, -1.0), 0), ((5.0, -1.0), 2)):
        for cell in ("nearest", "official"):
            loss = confidence_loss(torch.zeros(1, 1), torch.tensor([[place]]), heatmaps, torch.ones(1, 1), cell)
            assert float(loss) == value


def test_the_nearest_cell_is_where_a_teachers_gaussian_peaks() -> None:
    place = torch.tensor([[[45 / 48, 60 / 64]]])
    heatmaps = gaussian_heatmaps(place, torch.ones(1, 1), (48, 64))
    losses = [confidence_loss(torch.ones(1, 1), place, heatmaps, torch.ones(1, 1), c) for c in ("nearest", "official")]
    assert losses[0] == 0
    assert losses[1] > 0.2


def test_heatmaps_are_compared_by_mean_square_without_a_half() -> None:
    pred, target = torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 2, 2)
    pred[0, 0, 0, 0], target[0, 0, 1, 1], pred[0, 1] = 1, 2, 7
    assert float(heatmap_loss(pred, target, torch.tensor([[1.0, 0.0]]))) == (1 + 4) / 8


def test_masked_heatmaps_get_zero_gradient() -> None:
    pred = torch.rand(1, 2, 3, 2, dtype=torch.float64, requires_grad=True)
    target, visible = torch.rand(1, 2, 3, 2, dtype=torch.float64), torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    heatmap_loss(pred, target, visible).backward()
    assert pred.grad[0, 0].all()
    assert not pred.grad[0, 1].any()
    assert torch.autograd.gradcheck(lambda p: heatmap_loss(p, target, visible), (pred,))


def test_an_all_masked_batch_gives_zero() -> None:
    nobody = torch.zeros(2, 3)
    assert regression_loss(torch.rand(2, 3, 2), torch.rand(2, 3, 2), nobody) == 0
    assert confidence_loss(torch.rand(2, 3), torch.rand(2, 3, 2), torch.rand(2, 3, 4, 4), nobody) == 0
    assert heatmap_loss(torch.rand(2, 3, 4, 4), torch.rand(2, 3, 4, 4), nobody) == 0
