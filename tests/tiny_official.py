"""A small DistilPose-S, and random weights for it, or for any other student, under the official names."""

import torch
from torch import Tensor, nn

from distilpose.models import build_model

TINY = {"input_size": (32, 32), "width": 4, "dim": 8, "depth": 2, "heads": 2, "patch": (4, 4), "joints": 3}


def tiny_official() -> dict[str, Tensor]:
    """Return the small model's."""
    return official_weights_of(build_model("distilpose_s", **TINY))


def official_weights_of(model: nn.Module) -> dict[str, Tensor]:
    """Return random weights of a student's shapes."""
    parts = {
        "encoder.keypoint_token": "keypoint_token",
        "encoder.patch_embedding.": "patch_to_embedding.",
        ".attention_norm.": ".0.fn.norm.",
        ".attention.qkv.": ".0.fn.fn.to_qkv.",
        ".attention.out.": ".0.fn.fn.to_out.0.",
        ".mlp_norm.": ".1.fn.norm.",
        ".mlp.0.": ".1.fn.fn.net.0.",
        ".mlp.2.": ".1.fn.fn.net.3.",
        "encoder.layers.": "transformer.layers.",
        "head.norm.": "mlp_head.0.",
        "head.linear.": "mlp_head.1.",
    }
    state = {}
    for name, value in model.state_dict().items():
        key = name
        for ours, theirs in parts.items():
            key = key.replace(ours, theirs)
        prefix = "" if key.startswith("backbone.") else "keypoint_head.tokenhead."
        state[prefix + key] = torch.full(value.shape, 7) if value.dtype == torch.int64 else torch.randn(value.shape)
    return state
