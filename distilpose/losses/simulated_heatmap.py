"""SH: the student's coordinates and sigmas drawn as a heatmap and compared with its teacher's (equations 3 and 4).

A simulated heatmap is the outer product of a row and a column, so its distance to the teacher's follows from the two
alone, |g - t|^2 = |row|^2 |column|^2 - 2 column' t row + |t|^2: nothing of a heatmap's size is made or kept for the
gradient, and the cost is linear in the batch, also that of the official form.
"""

from typing import Literal, get_args

from jaxtyping import Float
from torch import Tensor

from distilpose.heads.regression import axis_profiles
from distilpose.models.precision import without_autocast

SimulatedHeatmapForm = Literal["per_sample", "official"]
FORMS: tuple[str, ...] = get_args(SimulatedHeatmapForm)


def simulated_heatmap_loss(
    keypoints: Float[Tensor, "batch joints 2"],
    heatmap_sigmas: Float[Tensor, "batch joints 2"],
    teacher_heatmaps: Float[Tensor, "batch joints height width"],
    visible: Float[Tensor, "batch joints"],
    form: SimulatedHeatmapForm = "per_sample",
) -> Float[Tensor, ""]:
    """Return the mean squared error of the simulated heatmaps to the teacher's; the gradient reaches both inputs.

    `per_sample` masks each joint of each person: the mean over people and joints of visible^2 times that joint's
    error, invisible ones counting as 0. `official` is what the authors' code does, in which the mask of one person
    meets the error of all: mean over joints of (mean over people of visible^2) (mean over people of the error), so
    that invisible joints get a gradient too. An all-masked batch gives 0 in both.

    Raises:
        ValueError: `form` is neither.

    """
    if form not in FORMS:
        raise ValueError(f"form: must be one of {', '.join(FORMS)}, got {form!r}")
    height, width = teacher_heatmaps.shape[-2:]
    # The terms below nearly cancel for a good student: they need more digits than bf16 has.
    with without_autocast(keypoints.device.type):
        teacher = (
            teacher_heatmaps.detach().float() if teacher_heatmaps.dtype.itemsize < 4 else teacher_heatmaps.detach()
        )
        dtype = teacher.dtype
        along_x, along_y = axis_profiles(keypoints.to(dtype), heatmap_sigmas.to(dtype), (width, height))
        shared = (along_y * (teacher @ along_x[..., None]).squeeze(-1)).sum(-1)
        own = along_x.square().sum(-1) * along_y.square().sum(-1)
        errors = (own - 2 * shared + teacher.square().sum((-2, -1))) / (height * width)
        masks = visible.to(dtype).square()
        if form == "per_sample":
            return (masks * errors).mean()
        return (masks.mean(0) * errors.mean(0)).mean()
