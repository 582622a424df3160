"""Losses of SimCC's bins: the truth's, and DWPose's, which a teacher's bins or heatmaps give."""

from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from distilpose.models.precision import without_autocast


def simcc_loss(
    bins_x: Float[Tensor, "batch joints columns"],
    bins_y: Float[Tensor, "batch joints rows"],
    true_keypoints: Float[Tensor, "batch joints 2"],
    visible: Float[Tensor, "batch joints"],
    *,
    sigma_x: float = 6.0,
    sigma_y: float = 6.0,
    label_beta: float = 0.0,
    beta: float = 1.0,
    form: Literal["mean", "mmpose"] = "mean",
) -> Float[Tensor, ""]:
    """Return the divergence of the softmax of `beta` times the logits from a Gaussian at the joint's bin.

    The Gaussians, of `sigma_x` and `sigma_y` bins, have the area 1; with a `label_beta` they have the peak 1 and a
    softmax of so many times them is the target, as in RTMPose (sigmas 4.9 and 5.66, both betas 10). As published: the
    mean over bins, summed over x and y, the mean over joints. Then the mean over people; mmpose's form sums them.
    Invisible joints count as 0. (Li et al., ECCV 2022; mmpose's SimCCLabel and KLDiscretLoss.)
    """
    total = bins_x.new_zeros(())
    for axis, (bins, sigma) in enumerate(((bins_x, sigma_x), (bins_y, sigma_y))):
        count = bins.shape[-1]
        places = torch.arange(count, device=bins.device, dtype=true_keypoints.dtype)
        centre = (true_keypoints[..., axis, None] * count).round()
        labels = torch.exp((places - centre).square() * (-0.5 / sigma**2))
        labels = (labels * label_beta).softmax(-1) if label_beta else labels / (sigma * (2 * torch.pi) ** 0.5)
        total = total + (_divergence(labels, bins, beta).mean(-1) * visible).mean(-1).sum()
    return total if form == "mmpose" else total / len(bins_x)


def dwpose_loss(
    bins_x: Float[Tensor, "batch joints columns"],
    bins_y: Float[Tensor, "batch joints rows"],
    teacher: Any,
    *,
    beta: float = 1.0,
    heatmap_beta: float = 10.0,
) -> Float[Tensor, ""]:
    """Return the divergence of the student's bins from its teacher's (Yang et al., 2023, equation 2; mmpose's KDLoss).

    Both are the softmax of `beta` times the logits. Of a heatmap teacher it is the softmax of `heatmap_beta` times its
    heatmaps, summed over rows and over columns, drawn out to as many bins. Summed over bins, x and y; the mean over
    joints, whether annotated or not, and over people.
    """
    if hasattr(teacher, "bins_x"):
        targets = [(bins.detach() * beta).softmax(-1) for bins in (teacher.bins_x, teacher.bins_y)]
    elif hasattr(teacher, "heatmaps"):
        heatmaps = teacher.heatmaps.detach()
        places = (heatmaps.flatten(2) * heatmap_beta).softmax(-1).reshape(heatmaps.shape)
        targets = [_drawn_out(places.sum(-2), bins_x.shape[-1]), _drawn_out(places.sum(-1), bins_y.shape[-1])]
    else:
        raise ValueError("DWPose: asks for a teacher of SimCC or heatmaps; give another or set the loss to 0")
    for bins, target in zip((bins_x, bins_y), targets, strict=True):
        if bins.shape != target.shape:
            raise ValueError(
                f"DWPose: student and teacher must have as many bins, got {tuple(bins.shape)} and {tuple(target.shape)}"
            )
    both = zip(targets, (bins_x, bins_y), strict=True)
    return torch.stack([_divergence(target, bins, beta).sum(-1).mean() for target, bins in both]).sum()


def _divergence(target: Tensor, bins: Tensor, beta: float) -> Tensor:
    """Return by bin what adds up to the divergence of the logits' softmax from a target."""
    with without_autocast(bins.device.type):
        bins = bins.to(torch.promote_types(bins.dtype, torch.float32))
        return F.kl_div((bins * beta).log_softmax(-1), target.to(bins.dtype), reduction="none")


def _drawn_out(marginal: Float[Tensor, "batch joints n"], bins: int) -> Float[Tensor, "batch joints bins"]:
    """Return a distribution over n places as one over more: between places along a line, place j of n at j / n."""
    count = marginal.shape[-1]
    at = torch.arange(bins, device=marginal.device, dtype=marginal.dtype) * (count / bins)
    lower = at.floor().long()
    upper, share = (lower + 1).clamp(max=count - 1), at - lower
    drawn = marginal[..., lower] * (1 - share) + marginal[..., upper] * share
    return drawn / drawn.sum(-1, keepdim=True)
