"""Costs against the published figures (papers' tables; attention by hand)."""

from typing import Any

import pytest
from torch import Tensor, nn

from distilpose.models import build_model, count_costs

# name: all parameters, trained ones, GFLOPs as published, multiply-adds with attention.
PUBLISHED = {
    "distilpose_s": (5_413_253, 5_364_101, 2.3826, 2.7048),
    "distilpose_l": (21_314_789, 21_265_637, 10.3252, 10.6120),
    "teacher_tokenpose_l": (69_460_512, 69_411_360, 17.0281, 17.2900),
    "teacher_stemnet": (6_669_888, 6_620_736, 2.4039, 2.7261),
    "sdpose_t": (4_447_680, 4_398_528, 1.7988, 1.9506),
    "sdpose_s_v1": (6_669_888, 6_620_736, 2.4039, 2.7261),
    "sdpose_s_v2": (6_374_976, 6_227_520, 4.6735, 7.4872),
    "sdpose_b": (13_195_136, 13_145_984, 5.1643, 5.4707),
}
ALL_CYCLES = {
    "sdpose_t": (3.0516, 3.5443),
    "sdpose_s_v1": (3.6354, 4.2985),
    "sdpose_s_v2": (8.1747, 13.8206),
    "sdpose_b": (6.3958, 7.0431),
}


def every_cycle(model: nn.Module, images: Tensor) -> Any:
    return model(images, all_cycles=True)


@pytest.mark.parametrize("name", PUBLISHED)
def test_costs_equal_the_published_ones_to_the_last_digit(name: str) -> None:
    model = build_model(name)
    costs = count_costs(model, (192, 256))
    assert (costs.parameters, costs.trainable, round(costs.gflops, 4), round(costs.gmacs, 4)) == PUBLISHED[name]
    if name in ALL_CYCLES:
        costs = count_costs(model, (192, 256), forward=every_cycle)
        assert (round(costs.gflops, 4), round(costs.gmacs, 4)) == ALL_CYCLES[name]


def test_counting_leaves_the_model_as_it_was() -> None:
    model = build_model("distilpose_s", input_size=(32, 32), width=4, dim=8, depth=1, heads=2, patch=(4, 4)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    count_costs(model, (32, 32))
    assert model.training
    assert not any(module._forward_hooks for module in model.modules())
    assert all(value.equal(before[name]) for name, value in model.state_dict().items())


def test_frozen_parameters_are_not_trainable_ones() -> None:
    model = build_model("distilpose_s", input_size=(32, 32), width=4, dim=8, depth=1, heads=2, patch=(4, 4))
    whole = count_costs(model, (32, 32))
    model.encoder.patch_embedding.requires_grad_(False)
    part = count_costs(model, (32, 32))
    assert part.parameters == whole.parameters
    assert whole.trainable - part.trainable == 16 * 16 * 8 + 8
    assert whole.parameters - whole.trainable == 4 * 8  # the sine table of 2 x 2 tokens
