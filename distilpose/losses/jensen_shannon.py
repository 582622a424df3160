"""JS: how a model's probabilities of places differ from a Gaussian at the joint, DSNT's regulariser."""

from jaxtyping import Float
from torch import Tensor

from distilpose.data.codecs import gaussian_heatmaps


def jensen_shannon_loss(
    probabilities: Float[Tensor, "batch joints height width"],
    true_keypoints: Float[Tensor, "batch joints 2"],
    visible: Float[Tensor, "batch joints"],
    *,
    sigma: float = 2.0,
) -> Float[Tensor, ""]:
    """Return the Jensen-Shannon divergence from Gaussians of sum 1, summed over joints, as a mean over people.

    `sigma` in heatmap pixels; invisible joints count as 0 (Nibali et al., 2018, section 4.3; mmpose's JSDiscretLoss).
    """
    height, width = probabilities.shape[-2:]
    truth = gaussian_heatmaps(true_keypoints.to(probabilities.dtype), visible, (width, height), sigma)
    truth = truth / (truth.sum((-2, -1), keepdim=True) + 1e-24)
    middle = (probabilities + truth) / 2
    divergence = (_divergence(probabilities, middle) + _divergence(truth, middle)) / 2
    return (divergence * visible).sum() / len(visible)


def _divergence(p: Tensor, q: Tensor) -> Tensor:
    """Return the sum of p log(p / q); a probability of 0 has a finite gradient, too."""
    return (p * ((p + 1e-24).log() - (q + 1e-24).log())).sum((-2, -1))
