"""What there is to draw of some people: asked of the models once, for all sheets."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from distilpose.data.codecs import gaussian_heatmaps
from distilpose.data.stream import Batch
from distilpose.heads.output import Output
from distilpose.models.spec import STRIDE
from distilpose.pictures.crops import denormalised
from distilpose.pictures.maps import token_grid
from distilpose.pictures.palette import Image

Curves = tuple[Float[NDArray[np.float32], "people joints columns"], Float[NDArray[np.float32], "people joints rows"]]


class Scene(NamedTuple):
    """Everything that is drawn of some people: crops, what the model and its teacher say, what is annotated.

    Points are (x, y) in [0, 1] of the crop; `truth` is NaN where the joint is not visible in the crop. `heatmaps`,
    `curves` and `sigmas` are what its head draws (see `Drawing`), each None where there is none; `name` and `words` say
    what that is. `reference` are the teacher's heatmaps, or for a heatmap model without one the targets; None where
    there is neither. `maps` is the attention of the keypoint
    tokens to all tokens, keypoints first; None for a model without tokens.
    """

    crops: Sequence[Image]
    points: Float[NDArray[np.float32], "people joints 2"]
    scores: Float[NDArray[np.float32], "people joints"] | None
    truth: Float[NDArray[np.float32], "people joints 2"]
    name: str
    words: str
    heatmaps: Float[NDArray[np.float32], "people joints height width"] | None
    curves: Curves | None
    sigmas: Float[NDArray[np.float32], "people joints 2"] | None
    reference: Float[NDArray[np.float32], "people joints height width"] | None
    reference_is: Literal["teacher", "target"]
    maps: Float[NDArray[np.float32], "people layers heads joints joints+tokens"] | None
    grid: tuple[int, int]
    is_teacher: bool

    @property
    def attention(self) -> Float[NDArray[np.float32], "people joints tokens"] | None:
        """The last layer's attention to the visual tokens, averaged over heads."""
        return None if self.maps is None else self.maps[:, -1].mean(1)[..., self.points.shape[1] :]

    def of(self, person: int) -> Scene:
        """The scene with one of its people alone."""
        some = slice(person, person + 1)
        return self._replace(
            crops=self.crops[some],
            points=self.points[some],
            scores=None if self.scores is None else self.scores[some],
            truth=self.truth[some],
            heatmaps=None if self.heatmaps is None else self.heatmaps[some],
            curves=None if self.curves is None else (self.curves[0][some], self.curves[1][some]),
            sigmas=None if self.sigmas is None else self.sigmas[some],
            reference=None if self.reference is None else self.reference[some],
            maps=None if self.maps is None else self.maps[some],
        )

    @property
    def draws(self) -> bool:
        """Whether the head draws more than points."""
        return any(part is not None for part in (self.heatmaps, self.curves, self.sigmas))

    @property
    def annotated(self) -> bool:
        """Whether any joint is annotated."""
        return bool(np.isfinite(self.truth).any())


def observe(student: nn.Module, teacher: nn.Module | None, batch: Batch) -> Scene:
    """Return what a model, and its teacher where there is one, say of a batch, ready to be drawn."""
    output = _ask(student, batch.images, attention=True)
    height, width = batch.images.shape[-2:]
    size = (width // STRIDE, height // STRIDE)
    told = None if teacher is None else _ask(teacher, batch.images, attention=False)
    reference = told.drawn(size).heatmaps if told is not None and told.teaches else None
    reference_is: Literal["teacher", "target"] = "teacher"
    drawing = output.drawn(size if reference is None else _size(reference))
    if output.teaches and drawing.heatmaps is not None and reference is None and bool(batch.visible.any()):
        reference, reference_is = gaussian_heatmaps(batch.keypoints, batch.visible, _size(drawing.heatmaps)), "target"
    points = output.points()
    grid = (0, 0)
    if output.attention is not None:
        known = getattr(getattr(student, "encoder", None), "grid", None)
        tokens = output.attention.shape[-1] - points.keypoints.shape[1]
        grid = known if isinstance(known, tuple) else token_grid(tokens, (width, height))
    truth = torch.where(batch.visible[..., None] > 0, batch.keypoints, torch.nan)
    return Scene(
        crops=list(denormalised(batch.images)),
        points=_array(points.keypoints),
        scores=_array(points.scores) if points.has_scores else None,
        truth=_array(truth),
        name=drawing.name,
        words=drawing.words,
        heatmaps=None if drawing.heatmaps is None else _array(drawing.heatmaps),
        curves=None if drawing.curves is None else (_array(drawing.curves[0]), _array(drawing.curves[1])),
        sigmas=None if drawing.sigmas is None else _array(drawing.sigmas),
        reference=None if reference is None else _array(reference),
        reference_is=reference_is,
        maps=None if output.attention is None else _array(output.attention),
        grid=grid,
        is_teacher=output.teaches,
    )


def in_pixels(enlarged_crop: Image, points: NDArray[np.float32], scene: Scene) -> NDArray[np.float32]:
    """Return points of [0, 1] of the crop as pixels of the enlarged one, so that pixel middles stay middles."""
    size = np.array(enlarged_crop.shape[1::-1], np.float32)
    half_pixel = 0.5 * size / np.array(scene.crops[0].shape[1::-1], np.float32)
    pixels: NDArray[np.float32] = (points * size + half_pixel - 0.5).astype(np.float32)
    return pixels


@torch.no_grad()
def _ask(model: nn.Module, images: Tensor, *, attention: bool) -> Output:
    """Return what a model says in evaluation mode, leaving it in the mode it was in; attention where it has any."""
    training = model.training
    model.eval()
    try:
        shows = attention and "attention" in inspect.signature(model.forward).parameters
        output = model(images, attention=True) if shows else model(images)
    finally:
        model.train(training)
    if not isinstance(output, Output):
        raise ValueError(f"model: must return a head's output, as RegressionOutput is, got {type(output).__name__}")
    return output


def _size(heatmaps: Tensor) -> tuple[int, int]:
    """Return (width, height)."""
    return heatmaps.shape[-1], heatmaps.shape[-2]


def _array(values: Tensor) -> NDArray[np.float32]:
    array: NDArray[np.float32] = values.detach().float().cpu().numpy()
    return array
