"""Wing losses: small errors count for more than their square, large ones no more than themselves."""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def wing_loss(
    keypoints: Float[Tensor, "batch joints 2"],
    true_keypoints: Float[Tensor, "batch joints 2"],
    visible: Float[Tensor, "batch joints"],
    *,
    omega: float = 10.0,
    epsilon: float = 2.0,
) -> Float[Tensor, ""]:
    """Return omega ln(1 + d / epsilon) below omega and d minus a constant above, of every coordinate's error d.

    Errors are in [0, 1] of the crop, times `visible`; summed over a person, mean over people (Feng et al., CVPR 2018).
    An all-masked batch gives 0.
    """
    error = _errors(keypoints, true_keypoints, visible)
    constant = omega * (1 - math.log1p(omega / epsilon))
    return torch.where(error < omega, omega * torch.log1p(error / epsilon), error - constant).sum((1, 2)).mean()


def soft_wing_loss(
    keypoints: Float[Tensor, "batch joints 2"],
    true_keypoints: Float[Tensor, "batch joints 2"],
    visible: Float[Tensor, "batch joints"],
    *,
    omega1: float = 2.0,
    omega2: float = 20.0,
    epsilon: float = 0.5,
) -> Float[Tensor, ""]:
    """Return d below omega1 and omega2 ln(1 + d / epsilon) plus a constant above, of every coordinate's error d.

    As `wing_loss` otherwise (Lin et al., TIP 2021).
    """
    error = _errors(keypoints, true_keypoints, visible)
    constant = omega1 - omega2 * math.log1p(omega1 / epsilon)
    return torch.where(error < omega1, error, omega2 * torch.log1p(error / epsilon) + constant).sum((1, 2)).mean()


def adaptive_wing_loss(
    heatmaps: Float[Tensor, "batch joints height width"],
    true_heatmaps: Float[Tensor, "batch joints height width"],
    heatmap_visible: Float[Tensor, "batch joints"],
    *,
    alpha: float = 2.1,
    omega: float = 14.0,
    epsilon: float = 1.0,
    theta: float = 0.5,
) -> Float[Tensor, ""]:
    """Return the adaptive wing of every pixel of heatmaps, as a mean (Wang et al., ICCV 2019, equation 3).

    Both heatmaps are taken times `heatmap_visible`; an all-masked batch gives 0.
    """
    seen = heatmap_visible[..., None, None]
    truth = true_heatmaps * seen
    error = (truth - heatmaps * seen).abs()
    power = alpha - truth
    edge = (theta / epsilon) ** power
    slope = omega / (1 + edge) * power * (theta / epsilon) ** (power - 1) / epsilon
    inside = error < theta
    # The power's gradient at 0 is not finite, so what is not chosen must not be computed there.
    safe = torch.where(inside & (error > 0), error, torch.full_like(error, theta / 2))
    near = torch.where(error > 0, omega * torch.log1p((safe / epsilon) ** power), torch.zeros_like(error))
    return torch.where(inside, near, slope * error - (theta * slope - omega * torch.log1p(edge))).mean()


def _errors(keypoints: Tensor, true_keypoints: Tensor, visible: Tensor) -> Tensor:
    return ((true_keypoints - keypoints) * visible[..., None]).abs()
