"""The authors' checkpoints, under the authors' names, read into our models."""

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from distilpose.data.foreign import shown
from distilpose.heads.heatmap import HeatmapHead, SimpleBaseline
from distilpose.heads.prtr import PRTR
from distilpose.heads.regression import DeepPose, RegressionHead
from distilpose.heads.rle import RLERegression
from distilpose.heads.transpose import TransPose
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
# Of the others, what the authors' names begin with and what ours begin with: the first that fits. SimpleBaseline and
# HRNet are known under mmpose's names too.
_RENAMED: dict[type, tuple[tuple[str, str], ...]] = {
    SimpleBaseline: (
        ("backbone.", "backbone."),
        ("head.deconv_layers.", "deconvolutions."),
        ("head.final_layer.", "final."),
        ("deconv_layers.", "deconvolutions."),
        ("final_layer.", "final."),
        ("", "backbone."),
    ),
    DeepPose: (("backbone.", "backbone."), ("head.fc.", "linear."), ("", "")),
    PRTR: (
        ("backbone.0.body.", "backbone."),
        ("backbone.0.", "backbone."),
        ("transformer.encoder.layers.", "detr.encoder."),
        ("transformer.decoder.layers.", "detr.decoder."),
        ("transformer.decoder.norm.", "detr.norm."),
        ("query_embed.weight", "detr.queries"),
        ("kpt_embed.layers.", "detr.kpt_embed."),
        ("", "detr."),
    ),
    RLERegression: (
        ("preact.", "backbone."),
        ("fc_coord.linear.", "coordinates."),
        ("fc_sigma.linear.", "sigmas."),
        ("", ""),
    ),
    TransPose: (
        ("reduce.", "reduce."),
        ("global_encoder.", "encoder."),
        ("deconv_layers.", "deconvolutions."),
        ("final_layer.", "final."),
        ("", "backbone."),
    ),
}
_POSITIONS = "pos_embedding"
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
    if not _is_known(model):
        raise ValueError(f"model: must be one whose authors' names are known, got a {type(model).__name__}")
    wanted = model.state_dict()
    found: dict[str, str] = {}
    problems = []
    for key, value in state_dict.items():
        if key.rpartition(".")[2] == _POSITIONS and (ours := positions_of(model)) is not None:
            problems += _compare_positions(ours, key, value)
            continue
        if isinstance(model, RLERegression) and key.startswith("flow."):
            continue  # the loss's
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


def _is_known(model: nn.Module) -> bool:
    return type(model) in _RENAMED or (isinstance(model, TokenModel) and type(model.head) in _HEADS)


def positions_of(model: nn.Module) -> Tensor | None:
    """Return the sine table of a model's visual tokens, in the shape that the authors' has; None where it has none."""
    if isinstance(model, TokenModel):
        return model.encoder.positions[:, model.encoder.joints :]
    return model.encoder.positions.transpose(0, 1) if isinstance(model, TransPose) else None


def official_name(model: nn.Module, key: str) -> str | None:
    """Return our name of the official `key`, None where it is no part of such a model."""
    if type(model) in _RENAMED:
        theirs, ours = next(pair for pair in _RENAMED[type(model)] if key.startswith(pair[0]))
        return ours + key.removeprefix(theirs)
    assert isinstance(model, TokenModel)
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


def _compare_positions(ours: Tensor, key: str, table: Tensor) -> list[str]:
    if table.shape != ours.shape:
        return [f"shape: {key} is {tuple(table.shape)}, the model's is {tuple(ours.shape)}"]
    difference = float((table.to(ours) - ours).abs().max())
    if not difference <= _POSITIONS_TOLERANCE:
        return [f"sine table: {key} differs from ours by up to {difference:.2g}"]
    return []
