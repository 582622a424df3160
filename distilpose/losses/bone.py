"""bone: the lengths of limbs (Sun et al., Compositional Human Pose Regression, ICCV 2017)."""

from typing import Literal

from jaxtyping import Float
from torch import Tensor

from distilpose.data.skeleton import Skeleton

Form = Literal["per_person", "mmpose"]


def bone_loss(
    keypoints: Float[Tensor, "batch joints 2"],
    true_keypoints: Float[Tensor, "batch joints 2"],
    visible: Float[Tensor, "batch joints"],
    skeleton: Skeleton,
    *,
    form: Form = "per_person",
) -> Float[Tensor, ""]:
    """Return the mean absolute difference of predicted and true limb lengths, in [0, 1] of the crop.

    A limb counts where both its ends are visible; the others count as 0 in the mean. `mmpose` compares each limb's mean
    length over the batch, as mmpose's BoneLoss does. An all-masked batch gives 0.
    """
    starts, ends = map(list, zip(*skeleton.limbs, strict=True))
    seen = visible[:, starts] * visible[:, ends]
    ours, truth = (_lengths(points, starts, ends) * seen for points in (keypoints, true_keypoints))
    if form == "mmpose":
        return (ours.mean(0) - truth.mean(0)).abs().mean()
    return (ours - truth).abs().mean()


def _lengths(points: Tensor, starts: list[int], ends: list[int]) -> Tensor:
    # The root's gradient at 0 is not finite: two joints may be predicted at one place.
    lengths: Tensor = (points[:, starts] - points[:, ends]).square().sum(-1).clamp_min(1e-12).sqrt()
    return lengths
