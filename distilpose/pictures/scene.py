"""What there is to draw of some people: asked of the models once, for all sheets."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from distilpose.data.codecs import gaussian_heatmaps
from distilpose.data.stream import Batch
from distilpose.evaluation.decode import decode_heatmaps
from distilpose.losses.simulated_heatmap import simulated_heatmaps
from distilpose.models.outputs import HeatmapOutput, RegressionOutput
from distilpose.models.resnet import DeepPose, SimpleBaseline
from distilpose.pictures.crops import denormalised
from distilpose.pictures.maps import token_grid
from distilpose.pictures.palette import Image


class Scene(NamedTuple):
    """Everything that is drawn of some people: crops, what the model and its teacher say, what is annotated.

    Points are (x, y) in [0, 1] of the crop; `truth` is NaN where the joint is not visible in the crop. `heatmaps` are
    the model's: simulated from its sigmas, or predicted; None where it has no sigma. `reference` are the teacher's, or
    for a heatmap model without one the targets; None where there is neither. `maps` is the attention of the keypoint
    tokens to all tokens, keypoints first; None for a model without tokens.
    """

    crops: Sequence[Image]
    points: Float[NDArray[np.float32], "people joints 2"]
    scores: Float[NDArray[np.float32], "people joints"] | None
    truth: Float[NDArray[np.float32], "people joints 2"]
    heatmaps: Float[NDArray[np.float32], "people joints height width"] | None
    reference: Float[NDArray[np.float32], "people joints height width"] | None
    reference_is: Literal["teacher", "target"]
    maps: Float[NDArray[np.float32], "people layers heads joints joints+tokens"] | None
    grid: tuple[int, int]
    is_teacher: bool

    @property
    def attention(self) -> Float[NDArray[np.float32], "people joints tokens"] | None:
        """The last layer's attention to the visual tokens, averaged over heads."""
        return None if self.maps is None else self.maps[:, -1].mean(1)[..., self.points.shape[1] :]

    def of(self, person: int) -> "Scene":
        """The scene with one of its people alone."""
        some = slice(person, person + 1)
        return self._replace(
            crops=self.crops[some],
            points=self.points[some],
            scores=None if self.scores is None else self.scores[some],
            truth=self.truth[some],
            heatmaps=None if self.heatmaps is None else self.heatmaps[some],
            reference=None if self.reference is None else self.reference[some],
            maps=None if self.maps is None else self.maps[some],
        )

    @property
    def annotated(self) -> bool:
        """Whether any joint is annotated."""
        return bool(np.isfinite(self.truth).any())


def observe(student: nn.Module, teacher: nn.Module | None, batch: Batch) -> Scene:
    """Return what a model, and its teacher where there is one, say of a batch, ready to be drawn."""
    output = _ask(student, batch.images, attention=True)
    is_teacher = isinstance(output, HeatmapOutput)
    height, width = batch.images.shape[-2:]
    told = None if teacher is None else _ask(teacher, batch.images, attention=False)
    reference: Tensor | None = told.heatmaps if isinstance(told, HeatmapOutput) else None
    reference_is: Literal["teacher", "target"] = "teacher"
    if isinstance(output, HeatmapOutput):
        decoded = decode_heatmaps(output.heatmaps)
        points: Tensor = decoded.keypoints
        scores: Tensor | None = decoded.scores
        heatmaps: Tensor | None = output.heatmaps
        if reference is None and bool(batch.visible.any()):
            size = (output.heatmaps.shape[-1], output.heatmaps.shape[-2])
            reference, reference_is = gaussian_heatmaps(batch.keypoints, batch.visible, size), "target"
    else:
        points, scores = output.keypoints.float(), output.scores
        size = (width // 4, height // 4) if reference is None else (reference.shape[-1], reference.shape[-2])
        heatmaps = None if output.sigmas is None else simulated_heatmaps(points, output.sigmas.float(), size)
    grid = (0, 0)
    if output.attention is not None:
        known = getattr(getattr(student, "encoder", None), "grid", None)
        tokens = output.attention.shape[-1] - points.shape[1]
        grid = known if isinstance(known, tuple) else token_grid(tokens, (width, height))
    truth = torch.where(batch.visible[..., None] > 0, batch.keypoints, torch.nan)
    return Scene(
        crops=list(denormalised(batch.images)),
        points=_array(points),
        scores=None if scores is None else _array(scores),
        truth=_array(truth),
        heatmaps=None if heatmaps is None else _array(heatmaps),
        reference=None if reference is None else _array(reference),
        reference_is=reference_is,
        maps=None if output.attention is None else _array(output.attention),
        grid=grid,
        is_teacher=is_teacher,
    )


@torch.no_grad()
def _ask(model: nn.Module, images: Tensor, *, attention: bool) -> RegressionOutput | HeatmapOutput:
    """Return what a model says in evaluation mode, leaving it in the mode it was in; attention where it has any."""
    training = model.training
    model.eval()
    try:
        output = model(images, attention=attention and not isinstance(model, DeepPose | SimpleBaseline))
    finally:
        model.train(training)
    if not isinstance(output, RegressionOutput | HeatmapOutput):
        raise ValueError(f"model: must return a RegressionOutput or HeatmapOutput, got {type(output).__name__}")
    return output


def _array(values: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = values.detach().float().cpu().numpy()
    return array
