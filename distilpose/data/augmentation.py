"""How training crops vary. Imports neither torch nor numpy: a sweep's `augmentation` is this record."""

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Le, Lt

from distilpose.bounds import Chance, Natural, check_bounds


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """The random changes of a training crop. The defaults are DistilPose's.

    flip: probability of mirroring.
    half_body, half_body_joints: probability of cropping to the upper or lower body, for people with more than
        `half_body_joints` labelled joints. The half is drawn as officially: upper where a standard normal is below 0.5
        (69 %, not 50 %) and at least 3 of its joints are labelled.
    scale: the box is scaled by clip(N(1, scale), 1 - scale, 1 + scale).
    rotation, rotation_p: with probability `rotation_p` turned by clip(N(0, rotation), -2 rotation, 2 rotation) degrees.
    shift, shift_p, shift_draw: with probability `shift_p` the centre moves on either axis, before anything else.
        "once": by up to `shift` of the person's own box, drawn once, so that a person keeps the offset in every epoch
        (DistilPose: 0.2). "sample": by up to `shift` of the padded box, drawn anew for every crop (SDPose: 0.16).

    Source: the authors' configurations, and the data set class of mmpose 0.22 that DistilPose's read people with.
    """

    flip: Chance = 0.5
    half_body: Chance = 0.3
    half_body_joints: Natural = 8
    scale: Annotated[float, Ge(0), Lt(1)] = 0.35
    rotation: Annotated[float, Ge(0), Le(180)] = 45.0
    rotation_p: Chance = 0.6
    shift: Annotated[float, Ge(0), Lt(1)] = 0.2
    shift_p: Chance = 0.3
    shift_draw: Literal["once", "sample"] = "once"

    def __post_init__(self) -> None:
        check_bounds(self)
