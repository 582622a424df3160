"""The authors' checkpoints, under the authors' names, read into our models."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from distilpose.data.foreign import shown
from distilpose.heads.heatmap import HeatmapHead
from distilpose.heads.regression import RegressionHead
from distilpose.models.token_models import TokenModel

_POSITIONS_TOLERANCE = 1e-4
_LAYER_PARTS = {
    "0.fn.norm": "attention_norm",
    "0.fn.fn.to_qkv": "attention.qkv",
    "0.fn.fn.to_out.0": "attention.out",
    "1.fn.norm": "mlp_norm",
    "1.fn.fn.net.0": "mlp.0",
    "1.fn.fn.net.3": "mlp.2",
}
# Of each head that the authors' code has: its name there, and its parts.
_HEADS: dict[type, tuple[str, dict[str, str]]] = {
    RegressionHead: ("tokenhead", {"mlp_head.0": "head.norm", "mlp_head.1": "head.linear"}),
    HeatmapHead: ("tokenpose", {f"mlp_head.{index}": f"head.layers.{index}" for index in range(4)}),
}
_LAYER = re.compile(r"transformer(?:_layer1)?\.layers\.(\d+)\.(.+)\.(weight|bias)")


class OfficialWeightsError(ValueError):
    """The checkpoint is not one of this model; the message lists every key that does not fit."""


@torch.no_grad()
def load_official(model: nn.Module, state_dict: Mapping[str, Tensor]) -> None:
    """Copy a checkpoint of the authors' implementation into `model`; on an error nothing is copied.

    Every key must name a part of this model, each part exactly once. `pos_embedding`, the fixed sine table, may be
    left out; where it is there it must be ours.

    Raises:
        OfficialWeightsError: a key is unknown, missing or double, a shape differs, or the sine table is another.
        ValueError: there is no official form of this model.

    """
    if not isinstance(model, TokenModel) or type(model.head) not in _HEADS:
        raise ValueError(f"model: must be one of the token models, got a {type(model).__name__}")
    wanted = model.state_dict()
    found: dict[str, str] = {}
    problems = []
    for key, value in state_dict.items():
        if key == f"keypoint_head.{_HEADS[type(model.head)][0]}.pos_embedding":
            problems += _compare_positions(model, key, value)
            continue
        name = official_name(model, key)
        if name is None or name not in wanted:
            problems.append(f"unknown: {shown(key)} {tuple(value.shape)}")
        elif name in found:
            problems.append(f"double: {key} is the same part as {found[name]}")
        else:
            found[name] = key
            if wanted[name].shape != value.shape:
                problems.append(f"shape: {key} is {tuple(value.shape)}, the model's is {tuple(wanted[name].shape)}")
    problems += [f"missing: {name} {tuple(wanted[name].shape)}" for name in wanted if name not in found]
    if problems:
        raise OfficialWeightsError(
            f"checkpoint: is not one of this model, {len(problems)} keys do not fit; choose the model and the sizes "
            "it was trained with:\n  " + "\n  ".join(problems)
        )
    for name, key in found.items():
        wanted[name].copy_(state_dict[key])


def official_name(model: TokenModel, key: str) -> str | None:
    """Return our name of the official `key`, None where it is no part of such a model."""
    if key.startswith("backbone."):
        return key
    head, parts = _HEADS[type(model.head)]
    prefix = f"keypoint_head.{head}."
    if not key.startswith(prefix):
        return None
    rest = key.removeprefix(prefix)
    if rest == "keypoint_token":
        return "encoder.keypoint_token"
    part, _, leaf = rest.rpartition(".")
    if part == "patch_to_embedding":
        return f"encoder.patch_embedding.{leaf}"
    if layer := _LAYER.fullmatch(rest):
        index, inner, leaf = layer.groups()
        return f"encoder.layers.{index}.{_LAYER_PARTS[inner]}.{leaf}" if inner in _LAYER_PARTS else None
    return f"{parts[part]}.{leaf}" if part in parts else None


def _compare_positions(model: TokenModel, key: str, table: Tensor) -> list[str]:
    ours = model.encoder.positions[:, model.encoder.joints :]
    if table.shape != ours.shape:
        return [f"shape: {key} is {tuple(table.shape)}, the model's is {tuple(ours.shape)}"]
    difference = float((table.to(ours) - ours).abs().max())
    if not difference <= _POSITIONS_TOLERANCE:
        return [f"sine table: {key} differs from ours by up to {difference:.2g}"]
    return []
