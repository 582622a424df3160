"""From a person's box to a crop: centre and size, the official augmentation, and the affine matrix.

Everything works on many people at once, in float64, and is a pure function of numbers drawn beforehand; only `warp`
touches pixels. Frames: image pixels (x, y) as the annotations have them; crop pixels (x, y); [0, 1] is crop pixels over
the crop's width and height. Sizes are (width, height).

Source: the top-down transforms of mmpose 0.x, which the published recipes use; `method.md`'s recipe is the default.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8
from numpy import ndarray

from distilpose.data.augmentation import Augmentation
from distilpose.data.errors import DataError
from distilpose.data.skeleton import Skeleton

PADDING = 1.25
HALF_BODY_PADDING = 1.5


class Draws(NamedTuple):
    """The random decisions for n people, independent of what the people look like."""

    shift: Float[ndarray, "n 2"]
    """Fraction of the padded box that the centre moves; 0 where that was drawn once (`moved_once`)."""
    flip: Bool[ndarray, " n"]
    half_body: Bool[ndarray, " n"]
    upper: Bool[ndarray, " n"]
    """Whether the upper half is preferred."""
    scale: Float[ndarray, " n"]
    rotation: Float[ndarray, " n"]
    """Degrees; a positive one turns what the crop shows counter-clockwise on the screen."""

    def of(self, rows: ndarray) -> Draws:
        """The decisions of some of the people."""
        return Draws(*(field[rows] for field in self))


def draw(augmentation: Augmentation, count: int, rng: np.random.Generator) -> Draws:
    """The decisions for `count` people. Row i depends on the generator's state, i and `count`, on nothing else."""
    uniform = rng.random((count, 6))
    normal = rng.standard_normal((count, 3))
    shifted = (uniform[:, 0] < augmentation.shift_p) & (augmentation.shift_draw == "sample")
    turned = uniform[:, 5] < augmentation.rotation_p
    s, r = augmentation.scale, augmentation.rotation
    return Draws(
        shift=(2 * uniform[:, 1:3] - 1) * augmentation.shift * shifted[:, None],
        flip=uniform[:, 3] < augmentation.flip,
        half_body=uniform[:, 4] < augmentation.half_body,
        upper=normal[:, 0] < 0.5,
        scale=np.clip(1 + s * normal[:, 1], 1 - s, 1 + s),
        rotation=np.clip(r * normal[:, 2], -2 * r, 2 * r) * turned,
    )


def moved_once(
    bboxes: Float[ndarray, "n 4"], augmentation: Augmentation, rng: np.random.Generator
) -> Float[ndarray, "n 4"]:
    """The people's boxes (x, y, w, h), some of them moved for good, where `shift_draw` is "once"; else as they are."""
    uniform = rng.random((len(bboxes), 3))
    moved = (uniform[:, 0] < augmentation.shift_p) & (augmentation.shift_draw == "once")
    offset = (2 * uniform[:, 1:] - 1) * augmentation.shift * moved[:, None]
    return np.concatenate([bboxes[:, :2] + offset * bboxes[:, 2:], bboxes[:, 2:]], 1)


class Boxes(NamedTuple):
    """Where n crops look: centre and (width, height), image pixels, of the picture mirrored where `flip`."""

    center: Float[ndarray, "n 2"]
    size: Float[ndarray, "n 2"]
    rotation: Float[ndarray, " n"]
    flip: Bool[ndarray, " n"]


def padded_boxes(bboxes: Float[ndarray, "n 4"], input_size: tuple[int, int]) -> Boxes:
    """The unaugmented crops: boxes (x, y, w, h) grown to the crop's aspect ratio, then by 1.25."""
    bboxes = np.asarray(bboxes, np.float64)
    size = _to_aspect(bboxes[:, 2:], input_size) * PADDING
    count = len(bboxes)
    return Boxes(bboxes[:, :2] + bboxes[:, 2:] / 2, size, np.zeros(count), np.zeros(count, bool))


def augmented_boxes(
    bboxes: Float[ndarray, "n 4"],
    keypoints: Float[ndarray, "n joints 3"],
    image_widths: ndarray,
    draws: Draws,
    *,
    skeleton: Skeleton,
    input_size: tuple[int, int],
    half_body_joints: int,
) -> Boxes:
    """The crops after shift, flip, half-body, scale and rotation, in that order.

    keypoints: image pixels with COCO's visibility, not mirrored.
    image_widths: pixels; mirroring maps x to width - 1 - x.
    """
    plain = padded_boxes(bboxes, input_size)
    center = plain.center + draws.shift * plain.size
    size = plain.size
    half = draws.half_body & ((keypoints[..., 2] > 0).sum(1) > half_body_joints)
    rows = np.flatnonzero(half)
    if rows.size:
        found, half_center, half_size = half_body_boxes(keypoints[rows], draws.upper[rows], skeleton, input_size)
        center[rows[found]], size[rows[found]] = half_center[found], half_size[found]
    width = np.asarray(image_widths, np.float64)
    center[:, 0] = np.where(draws.flip, width - 1 - center[:, 0], center[:, 0])
    return Boxes(center, size * draws.scale[:, None], draws.rotation, draws.flip)


def half_body_boxes(
    keypoints: Float[ndarray, "n joints 3"], upper: Bool[ndarray, " n"], skeleton: Skeleton, input_size: tuple[int, int]
) -> tuple[Bool[ndarray, " n"], Float[ndarray, "n 2"], Float[ndarray, "n 2"]]:
    """Whether there is a half to crop to, its centre (the mean joint) and its size (the joints' extent, padded 1.5).

    The half preferred by `upper` is taken where more than 2 of its joints are labelled; the lower one is next, then the
    upper one whatever it has. Fewer than 2 joints, or joints in one place, make no half.
    """
    labelled = keypoints[..., 2] > 0
    is_upper = np.zeros(skeleton.num_joints, bool)
    is_upper[list(skeleton.upper_body)] = True
    uppers, lowers = labelled & is_upper, labelled & ~is_upper
    take_lower = ~(upper & (uppers.sum(1) > 2)) & (lowers.sum(1) > 2)
    chosen = np.where(take_lower[:, None], lowers, uppers)
    count = chosen.sum(1)
    xy = keypoints[..., :2].astype(np.float64)
    center = (xy * chosen[..., None]).sum(1) / np.maximum(count, 1)[:, None]
    low = np.where(chosen[..., None], xy, np.inf).min(1)
    high = np.where(chosen[..., None], xy, -np.inf).max(1)
    with np.errstate(invalid="ignore"):
        extent = high - low
    found = (count >= 2) & (extent.max(1) > 0)
    size = _to_aspect(np.where(found[:, None], extent, 1.0), input_size) * HALF_BODY_PADDING
    return found, center, size


def _to_aspect(sizes: Float[ndarray, "n 2"], input_size: tuple[int, int]) -> Float[ndarray, "n 2"]:
    """The sizes with the shorter side grown to the aspect ratio of the crop."""
    aspect = input_size[0] / input_size[1]
    w, h = sizes[:, 0], sizes[:, 1]
    return np.stack([np.maximum(w, h * aspect), np.maximum(h, w / aspect)], axis=1)


def crop_matrices(boxes: Boxes, image_widths: ndarray, input_size: tuple[int, int]) -> Float[ndarray, "n 2 3"]:
    """The affine matrices from image pixels to crop pixels, mirroring included.

    A box's centre lands on (W / 2, H / 2); the scale is set by the width alone, as officially.
    """
    k = input_size[0] / boxes.size[:, 0]
    angle = boxes.rotation * (math.pi / 180)
    cos, sin = k * np.cos(angle), k * np.sin(angle)
    matrix = np.empty((len(k), 2, 3))
    matrix[:, 0, 0], matrix[:, 0, 1] = cos, sin
    matrix[:, 1, 0], matrix[:, 1, 1] = -sin, cos
    middle = np.array([input_size[0] / 2, input_size[1] / 2])
    matrix[:, :, 2] = middle - np.einsum("nij,nj->ni", matrix[:, :, :2], boxes.center)
    # x of the mirrored picture is width - 1 - x: folded in here, so that no picture is ever copied to mirror it
    mirrored = boxes.flip
    matrix[:, :, 2] += matrix[:, :, 0] * ((np.asarray(image_widths) - 1) * mirrored)[:, None]
    matrix[:, :, 0] *= np.where(mirrored, -1.0, 1.0)[:, None]
    return matrix


class CropJoints(NamedTuple):
    """Joints in crops. Unlabelled joints are at 0, 0 and have neither flag."""

    keypoints: Float32[ndarray, "n joints 2"]
    """In [0, 1] of the crop; outside of it for joints outside the crop."""
    labelled: Float32[ndarray, "n joints"]
    """1 where the joint is labelled, min(1, visibility)."""
    visible: Float32[ndarray, "n joints"]
    """1 where it is labelled and inside [0, W - 1] x [0, H - 1] of the crop."""


def crop_joints(
    keypoints: Float[ndarray, "n joints 3"],
    matrices: Float[ndarray, "n 2 3"],
    flip: Bool[ndarray, " n"],
    *,
    skeleton: Skeleton,
    input_size: tuple[int, int],
) -> CropJoints:
    """The joints of image-pixel `keypoints` in the crops, left and right exchanged where mirrored."""
    swapped = np.where(flip[:, None, None], keypoints[:, list(skeleton.flip_permutation)], keypoints)
    xy = np.einsum("nij,nkj->nki", matrices[:, :, :2], swapped[..., :2].astype(np.float64)) + matrices[:, None, :, 2]
    size = np.array(input_size, np.float64)
    # the official pipeline rounds crop pixels to float32 before it asks whether they are inside
    xy = xy.astype(np.float32)
    labelled = swapped[..., 2] > 0
    visible = labelled & (xy >= 0).all(-1) & (xy <= size - 1).all(-1)
    unit = np.where(labelled[..., None], xy / size, 0.0)
    return CropJoints(unit.astype(np.float32), labelled.astype(np.float32), visible.astype(np.float32))


def warp(
    image: UInt8[ndarray, "rows columns 3"],
    matrix: Float[ndarray, "2 3"],
    input_size: tuple[int, int],
    out: UInt8[ndarray, "height width 3"] | None = None,
) -> UInt8[ndarray, "height width 3"]:
    """The crop, bilinear with a zero border; written into `out` where given."""
    return cv2.warpAffine(image, matrix, input_size, dst=out, flags=cv2.INTER_LINEAR)  # type: ignore[no-any-return]


def read_rgb(path: str) -> UInt8[ndarray, "rows columns 3"]:
    """The picture as RGB, turned as its EXIF orientation says.

    Raises:
        DataError: when it is missing or cannot be decoded.
    """
    image = cv2.imread(path, cv2.IMREAD_COLOR)
    if image is None:
        raise DataError(f"{path}: must be a readable picture; `distilpose data check` lists every problem")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB)  # type: ignore[no-any-return]
