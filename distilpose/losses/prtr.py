"""PRTR's loss over every decoder layer: each joint is matched with one query, the others learn to be none."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from distilpose.heads.prtr import match, take

COORDINATES = 5.0
NONE = 0.1


def prtr_loss(
    logits: Float[Tensor, "batch queries joints+1"],
    coords: Float[Tensor, "batch queries 2"],
    output: object,
    true_keypoints: Float[Tensor, "batch joints 2"],
    visible: Float[Tensor, "batch joints"],
) -> Float[Tensor, ""]:
    """Return the sum over the decoder's layers (Li et al., CVPR 2021).

    Of a layer, joints are matched with queries at the least cost of 5 L1 distance - p(joint). Its loss is the cross
    entropy, "none" weighing 0.1, plus 5 x joints x the mean over both coordinates of the matched queries' visible
    |difference|. Invisible joints are matched too, as published: their queries learn the class alone.
    """
    value = _of_layer(logits, coords, true_keypoints, visible)
    earlier: Tensor | None = getattr(output, "earlier", None)
    if earlier is not None:
        for said in earlier.unbind(1):
            value = value + _of_layer(said[..., :-2], said[..., -2:], true_keypoints, visible)
    return value


def _of_layer(logits: Tensor, coords: Tensor, true: Tensor, visible: Tensor) -> Tensor:
    logits, coords = logits.float() if logits.dtype == torch.bfloat16 else logits, coords.to(true.dtype)
    joints = true.shape[1]
    distance = (coords[:, :, None] - true[:, None]).abs().sum(-1)
    queries = match(COORDINATES * distance - logits.softmax(-1)[..., :joints])
    classes = torch.full(logits.shape[:2], joints, device=logits.device)
    classes.scatter_(1, queries, torch.arange(joints, device=logits.device).expand_as(queries))
    weights = logits.new_ones(joints + 1)
    weights[-1] = NONE
    difference = (take(coords, queries) - true).abs() * visible[..., None]
    entropy = F.cross_entropy(logits.transpose(1, 2), classes, weights)
    return entropy + COORDINATES * joints * difference.mean()
