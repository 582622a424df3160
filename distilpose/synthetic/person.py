"""A person painted into a picture, and which of the joints can be seen."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from distilpose.data.skeleton import COCO
from distilpose.synthetic.body import FACE, Body, Point
from distilpose.synthetic.paint import Canvas, Colour, Rod, Surface, paint_ball, paint_rod
from distilpose.synthetic.wardrobe import Wardrobe, head_colours, torso_colours

Radii = tuple[float, float, float]

TORSO, SKIRT, NECK, HEAD, BAG = 1, 2, 3, 4, 15
PARTS = 16
"""Numbers that a person uses on the canvas, from its first one on."""
_UPPER = {"left": 5, "right": 6}
_LOWER = {"left": 7, "right": 8}
_THIGH = {"left": 9, "right": 10}
_SHANK = {"left": 11, "right": 12}
_FOOT = {"left": 13, "right": 14}
_PERSPECTIVE = 16.0
"""Distance of the camera in heads."""


class Placement(NamedTuple):
    """Where the pelvis is in the picture (pixels), and the height of a head in pixels."""

    x: float
    y: float
    scale: float

    def put(self, point: Point) -> tuple[float, float]:
        """The picture point of a body point, nearer ones larger."""
        k = self.scale / (1 - point[2] / _PERSPECTIVE)
        return self.x + k * float(point[0]), self.y - k * float(point[1])


def joints_in_picture(body: Body, place: Placement) -> Float64[ndarray, "17 2"]:
    """The 17 joints as (x, y) image pixels, in COCO's order."""
    return np.array([place.put(body.joints[name]) for name in COCO.names])


def paint_person(canvas: Canvas, body: Body, wear: Wardrobe, place: Placement, first: int) -> None:
    """Draw the body, far parts first; its parts get the canvas numbers `first` + 1 to `first` + 15."""
    painter = _Painter(canvas, body, wear, place, first, [])
    painter.limbs()
    painter.torso()
    painter.head()
    for _, paint in sorted(painter.work, key=lambda item: item[0]):
        paint()


@dataclass(frozen=True, slots=True)
class _Painter:
    """The parts of a person, with the depth of each, to be painted from the farthest to the nearest."""

    canvas: Canvas
    body: Body
    wear: Wardrobe
    place: Placement
    first: int
    work: list[tuple[float, Callable[[], None]]]

    def add(self, depth: float, shape: Rod, surface: Surface, number: int) -> None:
        self.work.append((depth, partial(paint_rod, self.canvas, shape, surface, self.first + number)))

    def rod(self, a: Point, b: Point, radius: Radii, surface: Surface, number: int, nearer: float = 0) -> None:
        """A rod between two points of the body, its radii in heads."""
        self.add((a[2] + b[2]) / 2 + nearer, self.shape(a, b, radius, self.place.scale), surface, number)

    def shape(self, a: Point, b: Point, radius: Radii, scale: float, size: float = 1.0) -> Rod:
        r0, rm, r1 = (each * scale * size for each in radius)
        return Rod(start=self.place.put(a), end=self.place.put(b), radius=(r0, rm, r1), caps=(r0, r1))

    def limbs(self) -> None:
        """Arms, legs and the neck."""
        body, wear, girth, rod = self.body, self.wear, self.body.build.girth, self.rod

        def suited(part: str, otherwise: Surface) -> Surface:
            return _flat(wear.suit[part]) if part in wear.suit else otherwise

        skin, shoes = _flat(wear.skin), _flat(wear.shoes)
        upper = _covered(wear.top, skin, min(wear.sleeve, 1.0))
        lower = _covered(wear.top, skin, 0.93 if wear.sleeve > 1 else 0.0)
        thick = 1.12 if wear.sleeve > 1 else 1.0
        loose = 1.1 if wear.leg_cloth > 1 else 1.0
        thigh = _covered(wear.bottom, skin, min(wear.leg_cloth, 1.0))
        calf = _sock(skin, wear) if wear.leg_cloth <= 1 else _covered(wear.bottom, _flat(wear.socks), 0.92)
        for side in ("left", "right"):
            shoulder, elbow, wrist = (body.joints[f"{side}_{part}"] for part in ("shoulder", "elbow", "wrist"))
            hip, knee, ankle = (body.joints[f"{side}_{part}"] for part in ("hip", "knee", "ankle"))
            radii = (0.21 * girth, 0.2 * girth, 0.165 * girth * thick)
            rod(shoulder, elbow, radii, suited(f"{side}_upper", upper), _UPPER[side], 0.05)
            radii = (0.16 * girth * thick, 0.15 * girth * thick, 0.11 * thick)
            rod(elbow, wrist, radii, suited(f"{side}_lower", lower), _LOWER[side], 0.1)
            rod(wrist, body.extra[f"{side}_hand"], (0.11, 0.16, 0.1), skin, _LOWER[side], 0.1)
            radii = (0.32 * girth * loose, 0.29 * girth * loose, 0.2 * girth * loose)
            rod(hip, knee, radii, suited(f"{side}_thigh", thigh), _THIGH[side])
            radii = (0.2 * girth * loose, 0.2 * girth * loose, 0.13 * loose)
            rod(knee, ankle, radii, suited(f"{side}_shank", calf), _SHANK[side])
            rod(body.extra[f"{side}_heel"], body.extra[f"{side}_toe"], (0.15, 0.17, 0.11), shoes, _FOOT[side])

    def torso(self) -> None:
        """The torso, what is worn on its back, and a skirt."""
        body, wear, put, s = self.body, self.wear, self.place.put, self.place.scale
        build, frame, girth = body.build, body.torso_frame, body.build.girth
        hips = (body.joints["left_hip"] + body.joints["right_hip"]) / 2
        low, high = hips + frame[:, 1] * 0.0, body.extra["neck"] - frame[:, 1] * 0.12
        start, end = put(low), put(high)
        length = math.hypot(end[0] - start[0], end[1] - start[1])
        ax, ay = ((end[0] - start[0]) / length, (end[1] - start[1]) / length) if length > 1e-3 else (0.0, 1.0)

        def sideways(axis: Point) -> float:
            """How far a body axis points to the side of the torso in the picture (the side of positive `around`)."""
            return float(axis[0] * -ay - axis[1] * ax)

        def half(width: float, depth: float) -> float:
            return s * math.hypot(width * sideways(frame[:, 0]), depth * sideways(frame[:, 2])) + 0.12 * s

        front = math.atan2(sideways(frame[:, 2]), float(frame[2, 2]))
        radius = (
            half(build.hips + 0.06, 0.24 * girth),
            half(build.shoulders * 0.62 * math.sqrt(girth), 0.24 * girth),
            half(build.shoulders * 0.9, 0.2 * girth),
        )
        shape = Rod(start=start, end=end, radius=radius, caps=(0.3 * s, 0.24 * s))
        self.add(
            float((low[2] + high[2]) / 2) + 0.08, shape, lambda t, around: torso_colours(wear, t, around - front), TORSO
        )
        if wear.back == "bag":
            back = -frame[:, 2] * (0.42 + 0.1 * girth)
            a, b = low + 0.25 * (high - low) + back, low + 0.85 * (high - low) + back
            wide = 0.3 * s + 0.22 * s * abs(sideways(frame[:, 0]))
            bag = Rod(start=put(a), end=put(b), radius=(wide, wide, wide * 0.9), caps=(0.2 * s, 0.2 * s))
            self.add(float((a[2] + b[2]) / 2), bag, _flat(wear.trim), BAG)
        if wear.skirt:
            left, right = body.joints["left_knee"], body.joints["right_knee"]
            hem = hips + ((left + right) / 2 - hips) * wear.skirt
            spread = s * (0.3 + 0.5 * float(np.linalg.norm((left - right)[:2])) * wear.skirt)
            cloth = Rod(
                start=put(hips + frame[:, 1] * 0.2),
                end=put(hem),
                radius=(radius[0] * 0.95, (radius[0] + spread) / 2, min(max(spread, radius[0]), 1.3 * s)),
                caps=(0.1 * s, 0.1 * s),
            )
            self.add(float(max(hips[2], hem[2])) + 0.12, cloth, wear.bottom, SKIRT)

    def head(self) -> None:
        """Neck and head with ears, nose and hair; parts of it that stick out are drawn by their own depth."""
        body, wear = self.body, self.wear
        frame, size, center = body.head_frame, body.build.head, body.head_center
        s = self.place.scale / (1 - center[2] / _PERSPECTIVE)
        depth = float(center[2]) + 0.15
        neck = body.extra["neck"] - body.torso_frame[:, 1] * 0.15
        self.rod(neck, center, (0.22 * body.build.girth, 0.2, 0.2), _flat(wear.skin * 0.85), NECK, -0.02)

        def part(where: float, a: Point, b: Point, radius: Radii, colour: Colour) -> None:
            self.add(where, self.shape(a, b, radius, s, size), _flat(colour), HEAD)

        up, back = frame[:, 1], frame[:, 2]
        flat = math.hypot(up[0], up[1])
        tall = math.hypot(0.56 * flat, 0.48 * float(up[2]))
        direction = (float(up[0]), -float(up[1])) if flat > 1e-3 else (0.0, -1.0)
        turn = frame.astype(np.float32)
        axes = (0.45 * size * s, tall * size * s)
        skull = partial(paint_ball, self.canvas, self.place.put(center), axes, direction)
        self.work.append((depth, lambda: skull(lambda normal: head_colours(wear, normal @ turn), self.first + HEAD)))
        for name in ("left_ear", "right_ear") if wear.hair_style != "long" else ():
            # behind the head where it is turned away, over it where it is turned to the camera
            where = depth + (0.01 if (frame @ FACE[name])[2] > 0 else -0.01)
            ear = body.joints[name]
            part(where, ear + up * 0.04, ear - up * 0.06, (0.1, 0.1, 0.08), wear.skin * 0.9)
        nose, toward = body.joints["nose"], float(frame[2, 2])
        where = depth + (0.02 if toward > -0.1 else -0.02)
        part(where, nose + up * 0.08, nose - up * 0.02, (0.05, 0.07, 0.1), wear.skin * 0.88)
        if wear.hair_style == "long":
            root = center - back * 0.28 * size
            part(float(root[2]) + 0.1, root, root - up * 0.95 * size, (0.45, 0.45, 0.3), wear.hair)
        elif wear.hair_style == "tail":
            root = center - back * 0.5 * size + up * 0.2 * size
            part(float(root[2]) + 0.15, root, root - up * 0.75 * size - back * 0.2, (0.12, 0.17, 0.06), wear.hair * 0.9)
        elif wear.hair_style == "cap":
            brim = center + back * 0.4 * size + up * 0.2 * size
            where = depth + 0.03 * (1 if toward > 0 else -1)
            part(where, brim, brim + back * 0.45 * size, (0.28, 0.3, 0.2), wear.hair * 0.75)


def visibility(body: Body, wear: Wardrobe, joints: Float64[ndarray, "17 2"], canvas: Canvas, first: int) -> list[int]:
    """COCO's visibility of each joint: 2 seen, 1 hidden behind something, 0 not labelled.

    Not labelled are joints outside the picture, and those of the face that the head itself turns away.
    """
    height, width = canvas.top.shape
    flags = []
    for name, (x, y) in zip(COCO.names, joints, strict=True):
        if not (0 <= x <= width - 1 and 0 <= y <= height - 1):
            flags.append(0)
            continue
        top = int(canvas.top[round(y), round(x)]) - first
        if name in FACE:
            toward = float((body.head_frame @ FACE[name])[2])
            if toward < (-0.3 if "ear" in name else 0.0):
                flags.append(0)
            else:
                flags.append(2 if top == HEAD and not ("ear" in name and wear.hair_style == "long") else 1)
            continue
        side, part = name.split("_")
        own = {
            "shoulder": (TORSO, _UPPER[side]),
            "elbow": (_UPPER[side], _LOWER[side]),
            "wrist": (_LOWER[side],),
            "hip": (TORSO, SKIRT, _THIGH[side]),
            "knee": (SKIRT, _THIGH[side], _SHANK[side]),
            "ankle": (_SHANK[side], _FOOT[side]),
        }[part]
        flags.append(2 if top in own else 1)
    return flags


def _flat(colour: Colour) -> Surface:
    return lambda along, around: np.broadcast_to(colour, (*np.broadcast_shapes(along.shape, around.shape), 3))


def _covered(cloth: Surface, bare: Surface, until: float) -> Surface:
    """Cloth down to a fraction of the limb, then bare."""
    if until <= 0:
        return bare
    return lambda along, around: np.where((along <= until)[..., None], cloth(along, around), bare(along, around))


def _sock(bare: Surface, wear: Wardrobe) -> Surface:
    return lambda along, around: np.where(
        (along > 1 - wear.sock_height)[..., None], wear.socks, bare(along, around)
    ).astype(np.float32)
