"""A whole picture: one person to find, and a world around."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, UInt8
from numpy import ndarray

from distilpose.synthetic.body import Body, posed, sample_build, sample_pose
from distilpose.synthetic.paint import Canvas
from distilpose.synthetic.person import PARTS, Placement, joints_in_picture, paint_person, visibility
from distilpose.synthetic.scenery import background, clutter, occluder, photograph, shadow
from distilpose.synthetic.spec import Style
from distilpose.synthetic.studio import sample_studio_pose, sample_suit
from distilpose.synthetic.wardrobe import Wardrobe, sample_wardrobe

_CLUTTER, _OCCLUDER, _BYSTANDER, _PERSON = 250, 251, 100, 10
_MIN_LABELLED = 8


class Scene(NamedTuple):
    """A picture and its person."""

    image: UInt8[ndarray, "rows columns 3"]
    """RGB."""
    keypoints: Float64[ndarray, "17 3"]
    """x, y in image pixels and COCO's visibility; 0, 0, 0 where not labelled."""
    bbox: tuple[float, float, float, float]
    """x, y, width, height of the whole silhouette inside the picture, also where something hides it."""
    area: float
    """Its pixels."""
    bystanders: tuple[tuple[float, float, float, float], ...]
    """Boxes of the other people."""


def draw_scene(rng: np.random.Generator, size: tuple[int, int]) -> Scene:
    """A picture of (width, height) pixels with one labelled person of at least 8 labelled joints."""
    while True:
        scene = _attempt(rng, size)
        if (scene.keypoints[:, 2] > 0).sum() >= _MIN_LABELLED:
            return scene


def _attempt(rng: np.random.Generator, size: tuple[int, int]) -> Scene:
    width = size[0]
    light = np.array([rng.normal(0, 0.6), rng.normal(-0.5, 0.4), 1.0])
    canvas = Canvas(
        background(rng, size), (light / np.linalg.norm(light)).astype(np.float32), float(rng.uniform(0.4, 0.7))
    )
    clutter(canvas, rng, int(rng.integers(0, 5)), _CLUTTER)
    body = posed(sample_build(rng), sample_pose(rng))
    wear = sample_wardrobe(rng)
    place = _place(rng, body, size, rng.uniform(0.6, 0.96))
    bystanders: list[tuple[float, float, float, float]] = []

    def bystander() -> None:
        other = posed(sample_build(rng), sample_pose(rng))
        there = _place(rng, other, size, rng.uniform(0.4, 0.85))
        # kept to one side of the person, so that the person remains the subject of the picture
        aside = (0.5 + 0.35 * rng.random()) * (1 if rng.random() < 0.5 else -1)
        there = there._replace(x=place.x + aside * width * 0.7)
        before = canvas.top.copy()
        paint_person(canvas, other, sample_wardrobe(rng), there, _BYSTANDER)
        box = _extent((canvas.top != before) & (canvas.top > _BYSTANDER) & (canvas.top < _BYSTANDER + PARTS))
        if box is not None:
            bystanders.append(box)

    company = rng.random()
    if company < 0.22:
        bystander()
    feet = max(place.put(body.extra[f"{side}_heel"])[1] for side in ("left", "right"))
    if rng.random() < 0.7:
        shadow(canvas, (place.x, feet + 0.1 * place.scale), (1.6 * place.scale, 0.4 * place.scale))
    paint_person(canvas, body, wear, place, _PERSON)
    mask = (canvas.top > _PERSON) & (canvas.top < _PERSON + PARTS)
    box = _extent(mask) or (0.0, 0.0, 1.0, 1.0)
    if 0.22 <= company < 0.28:
        bystander()
    if rng.random() < 0.25:
        occluder(canvas, rng, (box[0], box[1], box[0] + box[2], box[1] + box[3]), _OCCLUDER)
    keypoints = _keypoints(body, wear, place, canvas)
    return Scene(photograph(canvas.rgb, rng), keypoints, box, float(mask.sum()), tuple(bystanders))


def draw_studio(rng: np.random.Generator, size: tuple[int, int]) -> Scene:
    """A picture of (width, height) pixels with one whole person in a suit, before a plain wall, and nothing else."""
    wall = np.full((size[1], size[0], 3), rng.uniform(40, 160), np.float32)
    canvas = Canvas(wall, np.array([0, 0, 1], np.float32), 0.7)
    body, wear = posed(sample_build(rng), sample_studio_pose(rng)), sample_suit(rng)
    place = _place(rng, body, size, rng.uniform(0.8, 0.96), cut=0)
    paint_person(canvas, body, wear, place, _PERSON)
    mask = canvas.top > 0
    box = _extent(mask)
    assert box is not None
    image = canvas.rgb.clip(0, 255).astype(np.uint8)
    return Scene(image, _keypoints(body, wear, place, canvas), box, float(mask.sum()), ())


STYLES: Mapping[Style, Callable[[np.random.Generator, tuple[int, int]], Scene]] = {
    "everyday": draw_scene,
    "studio": draw_studio,
}


def _keypoints(body: Body, wear: Wardrobe, place: Placement, canvas: Canvas) -> Float64[ndarray, "17 3"]:
    joints = joints_in_picture(body, place)
    flags = visibility(body, wear, joints, canvas, _PERSON)
    keypoints: Float64[ndarray, "17 3"] = np.concatenate([joints, np.array(flags)[:, None]], axis=1)
    keypoints[keypoints[:, 2] == 0] = 0
    return keypoints


def _place(rng: np.random.Generator, body: Body, size: tuple[int, int], fill: float, cut: float = 0.1) -> Placement:
    """A placement in which the body spans `fill` of the picture; a share of `cut` is partly cut off."""
    crown = body.head_center + body.head_frame[:, 1] * 0.5 * body.build.head
    points = np.array([*body.joints.values(), *body.extra.values(), crown])
    low, high = points.min(0), points.max(0)
    span = high - low + 0.5
    scale = fill * min(size[0] / span[0], size[1] / span[1])
    if rng.random() < cut:
        scale *= rng.uniform(1.1, 1.5)
    room = np.array(size) - scale * span[:2]
    corner = room * rng.random(2)
    x = corner[0] + scale * (0.25 - low[0])
    y = corner[1] + scale * (high[1] + 0.25)
    return Placement(float(x), float(y), float(scale))


def _extent(mask: ndarray) -> tuple[float, float, float, float] | None:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not rows.size:
        return None
    return (
        float(columns[0]),
        float(rows[0]),
        float(columns[-1] - columns[0] + 1),
        float(rows[-1] - rows[0] + 1),
    )
