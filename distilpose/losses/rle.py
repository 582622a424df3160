"""RLE: the likelihood of a joint's error, whose distribution a flow learns beside the model (Li et al., ICCV 2021)."""

import math
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from distilpose.models.precision import without_autocast


class RealNVP(nn.Module):
    """A flow of six coupling layers over the plane, each moving one coordinate by what the other says."""

    mask: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mask", torch.tensor([[0.0, 1.0], [1.0, 0.0]] * 3))
        self.s = nn.ModuleList(_net(nn.Tanh()) for _ in self.mask)
        self.t = nn.ModuleList(_net() for _ in self.mask)

    def log_prob(self, errors: Float[Tensor, "*people 2"]) -> Float[Tensor, "*people"]:
        """Return the logarithm of the density of errors."""
        z, log_determinant = errors, torch.zeros_like(errors[..., 0])
        for mask, scale, shift in zip(self.mask.flip(0), reversed(self.s), reversed(self.t), strict=True):
            kept = mask * z
            s, t = scale(kept) * (1 - mask), shift(kept) * (1 - mask)
            z = (1 - mask) * (z - t) * torch.exp(-s) + kept
            log_determinant = log_determinant - s.sum(-1)
        return log_determinant - 0.5 * z.square().sum(-1) - math.log(2 * math.pi)


def _net(*last: nn.Module) -> nn.Sequential:
    layers = (nn.Linear(2, 64), nn.LeakyReLU(), nn.Linear(64, 64), nn.LeakyReLU(), nn.Linear(64, 2))
    for layer in layers[::2]:
        nn.init.xavier_uniform_(layer.weight, gain=0.01)
    return nn.Sequential(*layers, *last)


class RLE(nn.Module):
    """The negative log-likelihood of the errors in units of their sigmas (equation 8).

    Its density is that of the flow times Q, a Laplace distribution: in `mmpose` form 1 / (2 sigma) exp(-|e|); in
    `official` form, as in the authors' code, 1 / (sigma sqrt(2 pi)) exp(-|e| / sqrt(2)), the factor of a Gaussian.
    The forms have other values and nearly train alike.
    """

    def __init__(self, *, form: Literal["mmpose", "official"] = "mmpose") -> None:
        super().__init__()
        self.form = form
        self.flow = RealNVP()

    def forward(
        self,
        keypoints: Float[Tensor, "batch joints 2"],
        sigmas: Float[Tensor, "batch joints 2"],
        true_keypoints: Float[Tensor, "batch joints 2"],
        visible: Float[Tensor, "batch joints"],
    ) -> Float[Tensor, ""]:
        """Return the sum over joints and both coordinates as a mean over people; invisible joints count as 0.

        A joint's flow term counts for each of its coordinates, as published. Always in fp32 or better.
        """
        dtype = self.flow.mask.dtype
        with without_autocast(keypoints.device.type):
            sigma, error = sigmas.to(dtype), (keypoints - true_keypoints).to(dtype)
            relative = error / (sigma + (1e-9 if self.form == "mmpose" else 0.0))
            loss = sigma.log() - self.flow.log_prob(relative)[..., None]
            if self.form == "mmpose":
                loss = loss + (2 * sigma).log() + relative.abs()
            else:
                loss = loss + (sigma * math.sqrt(2 * math.pi)).log() + error.abs() / (math.sqrt(2) * sigma + 1e-9)
            return (loss * visible[..., None]).sum() / len(loss)
