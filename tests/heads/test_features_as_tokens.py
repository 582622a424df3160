"""Heads on a backbone give its features as visual tokens, which the losses of feature maps compare."""

import pytest
import torch

from distilpose.losses.features import (
    FitNet,
    attention_transfer_loss,
    channel_distillation_loss,
    pearson_distillation_loss,
)
from distilpose.models import build_model

SIZE = {"input_size": (64, 64), "joints": 5}
NAMES = ("simplebaseline_r50", "deeppose_r50", "rle_r50", "transpose_r_a3", "prtr_r50")


def built(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    sizes = {"transpose_r_a3": {"d_model": 16, "layers": 1, "nhead": 2, "dim_feedforward": 16}}
    sizes["prtr_r50"] = {**sizes["transpose_r_a3"], "queries": 8, "frozen": False}
    return build_model(name, width=8, **SIZE, **sizes.get(name, {}))


@pytest.mark.parametrize("name", NAMES)
def test_a_place_is_a_token(name: str) -> None:
    model, images = built(name).eval(), torch.randn(2, 3, 64, 64)
    features = model.backbone(images)
    tokens = model(images).visual_tokens
    assert tokens.shape[:2] == (2, features.shape[2] * features.shape[3])
    if name != "transpose_r_a3":  # its tokens have passed an encoder
        assert torch.equal(tokens[:, 1], features[:, :, 0, 1])


@pytest.mark.parametrize("head", ["simcc", "ipr"])
def test_heads_that_read_heatmaps_give_them_too(head: str) -> None:
    model = build_model("simplebaseline_r50", head=head, width=8, **SIZE)
    assert model(torch.randn(2, 3, 64, 64)).visual_tokens.shape == (2, 4, 8 * 32)


@pytest.mark.parametrize(
    "loss", [FitNet(), attention_transfer_loss, channel_distillation_loss, pearson_distillation_loss]
)
def test_a_student_without_tokens_learns_features(loss) -> None:
    teacher, student = built("simplebaseline_r50").eval(), built("deeppose_r50")
    images = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        taught = teacher(images).visual_tokens
    loss(student(images).visual_tokens, taught).backward()
    assert any(parameter.grad is not None for parameter in student.backbone.parameters())
    assert all(parameter.grad is None for parameter in student.linear.parameters())
