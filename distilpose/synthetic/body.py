"""A posed body in three dimensions: 17 COCO joints, and the frames of head and torso.

Axes of a body that faces the camera: x to the right of the picture (the person's left), y up, z towards the camera. The
unit is the height of a head; the pelvis is the origin. Angles are degrees.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64
from numpy import ndarray

from distilpose.data.skeleton import COCO

Rotation = Float64[ndarray, "3 3"]
Point = Float64[ndarray, " 3"]


def about_x(angle: float) -> Rotation:
    """The rotation that turns y towards z."""
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def about_y(angle: float) -> Rotation:
    """The rotation that turns z towards x."""
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def about_z(angle: float) -> Rotation:
    """The rotation that turns x towards y."""
    c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


class Limb(NamedTuple):
    """How an arm or a leg is held, as seen from the body: at 0 it hangs straight down."""

    forward: float
    outward: float
    inward_twist: float
    bend: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pose:
    """How a body is held, and how the camera sees it."""

    left_arm: Limb
    right_arm: Limb
    left_leg: Limb
    right_leg: Limb
    lean: float
    side_lean: float
    twist: float
    head: tuple[float, float, float]
    yaw: float
    """0 faces the camera, 90 the right of the picture, 180 away."""
    camera_pitch: float
    roll: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """Lengths of a body in heads, and how stout it is (1 is usual)."""

    shoulders: float
    hips: float
    torso: float
    arm: float
    leg: float
    head: float
    girth: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """Points of a posed body before it is placed in a picture: x right, y up, z towards the camera."""

    joints: dict[str, Point]
    extra: dict[str, Point]
    """neck, pelvis, hands, toes, heels."""
    head_center: Point
    head_frame: Rotation
    torso_frame: Rotation
    build: Build

    def at(self, name: str) -> Point:
        """A joint or extra point."""
        return self.joints[name] if name in self.joints else self.extra[name]


def sample_build(rng: np.random.Generator) -> Build:
    """A body between slight and stout, child-like and tall."""
    return Build(
        shoulders=rng.uniform(0.72, 0.95),
        hips=rng.uniform(0.36, 0.46),
        torso=rng.uniform(2.05, 2.4),
        arm=rng.uniform(0.92, 1.08),
        leg=rng.uniform(0.85, 1.08),
        head=rng.uniform(1.0, 1.3),
        girth=float(np.clip(rng.normal(1.15, 0.16), 0.9, 1.6)),
    )


_KINDS = ("stand", "walk", "run", "wave", "raise", "cross", "squat", "sit", "kick", "bend", "akimbo", "star", "lunge")
_WEIGHTS = np.array([7, 8, 12, 9, 9, 8, 8, 7, 9, 8, 5, 9, 9], float)


def sample_pose(rng: np.random.Generator) -> Pose:
    """A pose from everyday and sports families, disturbed; seen from any side, most often from the front."""

    def n(mean: float, deviation: float) -> float:
        return float(rng.normal(mean, deviation))

    def u(low: float, high: float) -> float:
        return float(rng.uniform(low, high))

    kind = str(rng.choice(_KINDS, p=_WEIGHTS / _WEIGHTS.sum()))
    legs = [Limb(n(0, 7), abs(n(5, 4)), n(-8, 8), abs(n(4, 6))) for _ in range(2)]
    arms = [Limb(n(2, 16), abs(n(12, 9)), n(15, 20), abs(n(18, 16))) for _ in range(2)]
    lean, side, twist = n(3, 5), n(0, 4), n(0, 8)
    a, b = (0, 1) if rng.random() < 0.5 else (1, 0)
    if kind in ("walk", "run", "lunge"):
        stride, knees, elbow = {
            "walk": (u(15, 35), (u(2, 20), u(10, 45)), u(10, 45)),
            "run": (u(35, 65), (u(30, 90), u(40, 110)), u(70, 110)),
            "lunge": (u(50, 85), (u(55, 95), u(10, 50)), u(10, 100)),
        }[kind]
        legs[a] = Limb(stride, abs(n(3, 3)), n(-4, 5), knees[0])
        legs[b] = Limb(-0.6 * stride, abs(n(3, 3)), n(-4, 5), knees[1])
        arms[a] = Limb(-0.9 * stride + n(0, 8), abs(n(10, 6)), n(20, 12), elbow + n(0, 10))
        arms[b] = Limb(stride + n(0, 8), abs(n(10, 6)), n(20, 12), elbow + n(0, 10))
        lean = n(4, 4) if kind == "walk" else n(15, 7)
        twist = n(0, 6)
    elif kind == "wave":
        arms[a] = Limb(n(10, 20), u(95, 170), n(0, 25), u(0, 100))
    elif kind == "raise":
        for i in (0, 1):
            arms[i] = Limb(n(10, 20), u(120, 175), n(0, 25), abs(n(20, 25)))
    elif kind == "cross":
        for i in (0, 1):
            arms[i] = Limb(u(20, 95), u(0, 90), n(20, 30), u(0, 110))
    elif kind in ("squat", "sit"):
        knee = u(75, 125)
        for i in (0, 1):
            legs[i] = Limb(knee * u(0.75, 0.95), abs(n(16, 9)), n(-12, 8), knee + n(0, 6))
            arms[i] = Limb(u(10, 80), abs(n(15, 10)), n(15, 20), u(10, 90))
        lean = n(25, 9) if kind == "squat" else n(5, 8)
    elif kind == "kick":
        legs[a] = Limb(u(45, 105), u(0, 40), n(0, 10), u(0, 45))
        arms[a] = Limb(n(-10, 25), u(20, 90), n(10, 20), u(10, 80))
        arms[b] = Limb(n(20, 25), u(20, 90), n(10, 20), u(10, 80))
        lean = n(-8, 8)
    elif kind == "bend":
        lean = u(40, 90)
        for i in (0, 1):
            arms[i] = Limb(u(40, 110), abs(n(12, 10)), n(10, 20), abs(n(15, 15)))
    elif kind == "akimbo":
        for i in (0, 1) if rng.random() < 0.6 else (a,):
            arms[i] = Limb(n(-18, 6), n(42, 7), n(70, 10), n(98, 12))
    elif kind == "star":
        for i in (0, 1):
            legs[i] = Limb(n(0, 12), u(20, 50), n(-10, 8), abs(n(5, 12)))
            arms[i] = Limb(n(0, 20), u(70, 150), n(0, 25), abs(n(12, 18)))
    side_on = rng.random()
    yaw = n(0, 32) if side_on < 0.45 else n(180, 32) if side_on < 0.7 else u(0, 360)
    tilt = rng.random()
    return Pose(
        left_arm=arms[0],
        right_arm=arms[1],
        left_leg=legs[0],
        right_leg=legs[1],
        lean=lean,
        side_lean=side,
        twist=twist,
        head=(n(0, 22), n(5, 12), n(0, 7)),
        yaw=yaw,
        camera_pitch=float(np.clip(n(6, 8), -12, 30)),
        roll=n(0, 8) if tilt < 0.6 else n(0, 35) if tilt < 0.85 else u(-180, 180),
    )


def posed(build: Build, pose: Pose) -> Body:
    """The body in that pose, turned as the camera sees it, pelvis at the origin."""
    view = about_z(pose.roll) @ about_x(pose.camera_pitch) @ about_y(pose.yaw)
    # part of a lean comes from the hips, the rest from the back
    pelvis = view @ about_x(0.35 * pose.lean)
    torso = view @ about_x(pose.lean) @ about_z(pose.side_lean) @ about_y(pose.twist)
    yaw, pitch, tilt = pose.head
    head = torso @ about_x(-0.5 * pose.lean + pitch) @ about_y(yaw) @ about_z(tilt)
    girth = build.girth
    down = np.array([0.0, -1.0, 0.0])
    joints: dict[str, Point] = {}
    extra: dict[str, Point] = {"pelvis": np.zeros(3), "neck": torso @ np.array([0, build.torso + 0.1, 0])}
    for side, sign, arm, leg in (
        ("left", 1, pose.left_arm, pose.left_leg),
        ("right", -1, pose.right_arm, pose.right_leg),
    ):
        shoulder = torso @ np.array([sign * build.shoulders, build.torso, 0])
        upper = torso @ _limb(arm, sign)
        elbow = shoulder + upper @ down * 1.4 * build.arm
        lower = upper @ about_x(-max(arm.bend, 0.0))
        wrist = elbow + lower @ down * 1.2 * build.arm
        hip = pelvis @ np.array([sign * build.hips * math.sqrt(girth), -0.1, 0])
        thigh = pelvis @ _limb(leg, sign)
        knee = hip + thigh @ down * 1.9 * build.leg
        shank = thigh @ about_x(max(leg.bend, 0.0))
        ankle = knee + shank @ down * 1.8 * build.leg
        foot = shank @ about_x(-8.0)
        joints |= {
            f"{side}_shoulder": shoulder,
            f"{side}_elbow": elbow,
            f"{side}_wrist": wrist,
            f"{side}_hip": hip,
            f"{side}_knee": knee,
            f"{side}_ankle": ankle,
        }
        extra |= {
            f"{side}_hand": wrist + lower @ down * 0.38,
            f"{side}_heel": ankle + foot @ np.array([0, -0.2, -0.12]),
            f"{side}_toe": ankle + foot @ np.array([0, -0.25, 0.68]),
        }
    size = build.head
    center = extra["neck"] + 0.5 * (torso + head) @ np.array([0, 0.22 + 0.55 * size, 0.06])
    for name, direction in FACE.items():
        joints[name] = center + head @ (direction * FACE_REACH[name] * size)
    return Body(
        joints={name: joints[name] for name in COCO.names},
        extra=extra,
        head_center=center,
        head_frame=head,
        torso_frame=torso,
        build=build,
    )


def _limb(limb: Limb, sign: int) -> Rotation:
    """The rotation of an upper arm or thigh in its body part's frame; sign is 1 on the left, -1 on the right."""
    turned: Rotation = about_z(sign * limb.outward) @ about_x(-limb.forward) @ about_y(-sign * limb.inward_twist)
    return turned


def _unit(x: float, y: float, z: float) -> Point:
    return np.array([x, y, z]) / math.sqrt(x * x + y * y + z * z)


FACE: dict[str, Point] = {
    "nose": _unit(0, -0.12, 1),
    "left_eye": _unit(0.36, 0.12, 0.92),
    "right_eye": _unit(-0.36, 0.12, 0.92),
    "left_ear": _unit(1, -0.02, -0.05),
    "right_ear": _unit(-1, -0.02, -0.05),
}
"""Where a head carries its joints, as directions in the head's frame."""

FACE_REACH = {"nose": 0.56, "left_eye": 0.48, "right_eye": 0.48, "left_ear": 0.48, "right_ear": 0.48}
"""Their distances from the head's centre, in heads of size 1."""
