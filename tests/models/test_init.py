"""Starting values: as published, and each parameter by itself."""

import torch
from torch import nn

from distilpose.models import build_model, initialise

SMALL = {"input_size": (32, 32), "width": 8, "dim": 32, "depth": 2, "heads": 2, "patch": (2, 2)}


def test_values_are_those_of_the_method() -> None:
    model = build_model("teacher_stemnet", **SMALL)
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear):
            assert abs(float(module.weight.detach().std()) - 0.02) < 0.004, name
            assert module.bias is None or not module.bias.any()
        elif isinstance(module, nn.Conv2d):
            assert abs(float(module.weight.detach().std()) - 0.001) < 0.0003, name
        elif isinstance(module, nn.LayerNorm | nn.BatchNorm2d):
            assert module.weight.eq(1).all()
            assert not module.bias.any()
    assert abs(float(model.encoder.keypoint_token.detach().std()) - 0.02) < 0.004


def test_rows_of_an_ablation_start_equal_whatever_their_heads_put_out() -> None:
    full = build_model("distilpose_s", score=True, sigma=True, **SMALL).state_dict()
    for score, sigma, rows in [(False, False, [0, 1]), (True, False, [0, 1, 2]), (False, True, [0, 1, 3, 4])]:
        other = build_model("distilpose_s", score=score, sigma=sigma, **SMALL).state_dict()
        for name, value in other.items():
            expected = full[name][rows] if name.startswith("head.linear.") else full[name]
            assert torch.equal(value, expected), name


def test_another_depth_or_joint_count_leaves_the_shared_parts_equal() -> None:
    one = build_model("distilpose_s", **SMALL).state_dict()
    other = build_model("distilpose_s", joints=5, **(SMALL | {"depth": 3})).state_dict()
    shared = [name for name in one if name != "encoder.keypoint_token"]
    assert all(torch.equal(one[name], other[name]) for name in shared)


def test_seeds_differ_and_repeat() -> None:
    model = build_model("base_stemnet", **SMALL)
    initialise(model, 5)
    first = {name: value.clone() for name, value in model.state_dict().items()}
    initialise(model, 6)
    assert not torch.equal(first["encoder.patch_embedding.weight"], model.encoder.patch_embedding.weight)
    model(torch.randn(4, 3, 32, 32))  # moves the running statistics
    initialise(model, 5)
    assert all(torch.equal(first[name], value) for name, value in model.state_dict().items())


def test_no_two_parameters_share_their_numbers() -> None:
    layers = build_model("base_stemnet", **SMALL).encoder.layers
    assert not torch.equal(layers[0].attention.qkv.weight, layers[1].attention.qkv.weight)
