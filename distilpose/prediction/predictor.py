"""The poses of one picture's people, as evaluation computes them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from distilpose.data.normalise import normalise
from distilpose.data.skeleton import Skeleton
from distilpose.data.stream import Batch
from distilpose.data.transforms import crop_matrices, padded_boxes, warp
from distilpose.evaluation.decode import crop_to_image
from distilpose.evaluation.evaluate import read_points
from distilpose.evaluation.flip import FlipTest
from distilpose.evaluation.oks import rescore, suppress
from distilpose.pictures.palette import Image
from distilpose.prediction.boxes import Boxes, Frame

_AT_ONCE = 64


class People(NamedTuple):
    """The people of a picture, the surest first."""

    boxes: Float[NDArray[np.float64], "people 4"]
    """x, y, width, height in image pixels, as they were given."""
    keypoints: Float[NDArray[np.float32], "people joints 3"]
    """x, y in image pixels, and each joint's score."""
    scores: Float[NDArray[np.floating], " people"]
    """The box's times the mean of the joints' above 0.2, as published."""
    has_scores: bool
    """Whether the model told joints' scores; otherwise each is 1."""


class Predictor(NamedTuple):
    """A model with all that is needed to ask it: its joints, the crops it takes, the device it is on."""

    model: nn.Module
    skeleton: Skeleton
    input_size: tuple[int, int]
    device: torch.device
    flip_test: bool = False

    @torch.inference_mode()
    def predict(self, image: Image, found: Boxes) -> People:
        """Return the poses in the boxes of an RGB picture; of poses more than 0.9 alike (OKS) the best alone.

        Raises ValueError where the boxes are not four finite numbers each, or not as many as their scores.
        """
        found = Boxes(np.asarray(found.boxes, np.float64).reshape(-1, 4), np.asarray(found.scores, np.float64))
        if found.scores.shape != found.boxes.shape[:1] or not all(np.isfinite(numbers).all() for numbers in found):
            raise ValueError(
                f"boxes: four finite numbers and a score for each person are needed, got {len(found.boxes)} boxes and "
                f"{found.scores.size} scores"
            )
        batch = crop_people(image, found.boxes, input_size=self.input_size, joints=self.skeleton.num_joints)
        keypoints = np.zeros((len(found.boxes), self.skeleton.num_joints, 3), np.float32)
        has_scores = True
        for start in range(0, len(keypoints), _AT_ONCE):
            rows = slice(start, start + _AT_ONCE)
            crops = batch.images[rows].to(self.device)
            output = self.model(crops)
            mirrored = self.model(crops.flip(-1)) if self.flip_test else None
            points = read_points(
                output, mirrored, self.skeleton.flip_permutation, self.input_size[0], FlipTest() if mirrored else None
            )
            has_scores = points.has_scores
            places = crop_to_image(points.keypoints.cpu(), batch.center[rows], batch.scale[rows])
            keypoints[rows] = torch.cat([places, points.scores.cpu()[..., None]], -1).numpy()
        keypoints[~np.isfinite(keypoints).all(-1)] = (-1e5, -1e5, 0)  # as evaluation counts a joint that is no number
        scores = rescore(found.scores, keypoints[..., 2])
        areas = batch.scale.double().prod(-1).numpy()
        kept = np.flatnonzero(suppress(keypoints[..., :2], areas, scores, self.skeleton.sigmas))
        kept = kept[np.argsort(-scores[kept], kind="stable")]
        return People(found.boxes[kept], keypoints[kept], scores[kept], has_scores)


def crop_people(
    image: Image, boxes: Float[NDArray[np.float64], "people 4"], *, input_size: tuple[int, int], joints: int
) -> Batch:
    """Return the crops of boxes (x, y, width, height in pixels of an RGB image), of which no joint is labelled."""
    padded = padded_boxes(boxes, input_size)
    matrices = crop_matrices(padded, np.full(len(boxes), image.shape[1]), input_size)
    images = np.empty((len(boxes), 3, input_size[1], input_size[0]), np.float32)
    for crop, matrix in zip(images, matrices, strict=True):
        normalise(warp(image, matrix, input_size), crop)
    nothing = torch.zeros(len(boxes), joints)
    return Batch(
        images=torch.from_numpy(images),
        keypoints=torch.zeros(len(boxes), joints, 2),
        visible=nothing,
        index=torch.arange(len(boxes)),
        center=_float(padded.center),
        scale=_float(padded.size),
        labelled=nothing,
    )


def result_rows(frame: Frame, people: People, category_id: int = 1) -> list[dict[str, object]]:
    """Return the people in COCO's results format; the file's name and the box that was looked into come on top."""
    return [
        {
            "image_id": frame.image_id,
            "file_name": frame.file_name,
            "category_id": category_id,
            "keypoints": [round(v, 3) for v in people.keypoints[n].ravel().tolist()],
            "score": float(people.scores[n]),
            "person_box": [round(v, 3) for v in people.boxes[n].tolist()],
        }
        for n in range(len(people.scores))
    ]


def _float(values: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
