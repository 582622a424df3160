"""RKD: distances and angles among the people of a batch, as the teacher has them (Park et al., CVPR 2019)."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def relation_loss(
    keypoint_tokens: Float[Tensor, "batch joints dim"],
    teacher_keypoint_tokens: Float[Tensor, "batch joints teacher_dim"],
    *,
    angle: float = 2.0,
) -> Float[Tensor, ""]:
    """Return the smooth-L1 error of people's distances (over their mean) plus `angle` times that of their angles.

    A person is all keypoint tokens together; the dims may differ. It mixes the people of a batch; one person gives 0.
    """
    ours, theirs = keypoint_tokens.flatten(1), teacher_keypoint_tokens.flatten(1)
    if len(ours) < 2:
        return ours.sum() * 0
    distance = F.smooth_l1_loss(_distances(ours), _distances(theirs))
    return distance + angle * F.smooth_l1_loss(_angles(ours), _angles(theirs))


def _distances(people: Tensor) -> Tensor:
    squared = (people[:, None] - people[None]).square().sum(-1)
    apart = ~torch.eye(len(people), dtype=torch.bool, device=people.device)
    lengths = squared[apart].clamp_min(1e-12).sqrt()
    return lengths / lengths.mean()


def _angles(people: Tensor) -> Tensor:
    """The cosine at each person of the directions to every two others."""
    directions = F.normalize(people[None] - people[:, None], dim=-1)
    return directions @ directions.transpose(1, 2)
