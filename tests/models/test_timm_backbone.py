"""A backbone of timm with one of our heads."""

import pytest
import torch

from distilpose.losses.criteria import LossCriterion
from distilpose.losses.use import Losses
from distilpose.models import build_model, initialise

SIZE = (64, 96)


def test_it_gives_coordinates_or_heatmaps() -> None:
    images = torch.randn(2, 3, 96, 64)
    student = build_model("timm:mobilenetv3_small_100", input_size=SIZE, joints=4, score=True, sigma=True)
    output = student.eval()(images)
    assert (output.keypoints.shape, output.scores.shape, output.sigmas.shape) == ((2, 4, 2), (2, 4), (2, 4, 2))
    teacher = build_model("timm:resnet18", head="heatmap", input_size=SIZE, joints=4)
    assert teacher.eval()(images).heatmaps.shape == (2, 4, 24, 16)


def test_its_start_is_timms_own_drawn_from_the_seed() -> None:
    model = build_model("timm:mobilenetv3_small_100", input_size=SIZE)
    starts = []
    for seed in (3, 3, 4):
        initialise(model, seed)
        starts.append({name: value.detach().clone() for name, value in model.named_parameters()})
    assert all(torch.equal(starts[0][name], starts[1][name]) for name in starts[0])
    first = "backbone.net.conv_stem.weight"
    assert not torch.equal(starts[0][first], starts[2][first])
    assert float(starts[0][first].std()) > 0.01  # ours would be 0.001


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("timm:mobilenetv3_smal_100", {}, "model: must be a model of timm, got .*; did you mean mobilenetv3_small_100"),
        ("timm:mobilenetv3_small_100", {"head": "simc"}, "head: must be one of regression, heatmap, .* got 'simc'"),
        ("timm:mobilenetv3_small_100", {"width": 8}, "width: means nothing to timm:mobilenetv3_small_100"),
        ("timm:mobilenetv3_small_100", {"input_size": (48, 64)}, "input_size: .* multiples of 32"),
    ],
)
def test_what_cannot_be_built_is_refused(name: str, options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_model(name, **{"input_size": SIZE, **options} if name.startswith("timm") else options)


def test_it_learns_by_the_losses_that_its_head_allows() -> None:
    losses = Losses.of({"reg": 1})
    student = build_model("timm:mobilenetv3_small_100", input_size=SIZE, **losses.head_options("regression"))
    assert student(torch.randn(2, 3, 96, 64)).scores is None
    assert LossCriterion(losses).needs_teacher is False
