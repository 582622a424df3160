"""A student's whole loss: the terms a row has switched on, weighted, by name; their plain sum is what is minimised."""

import math
from dataclasses import dataclass, fields

from jaxtyping import Float
from torch import Tensor

from distilpose.heads.heatmap import HeatmapOutput
from distilpose.heads.regression import RegressionOutput
from distilpose.losses.confidence import CELLS, ConfidenceCell, confidence_loss
from distilpose.losses.regression import regression_loss
from distilpose.losses.simulated_heatmap import FORMS, SimulatedHeatmapForm, simulated_heatmap_loss
from distilpose.losses.tokens import token_loss


@dataclass(frozen=True, slots=True, kw_only=True)
class LossWeights:
    """How much each term counts; 0 switches it off, together with the output only it would train.

    The published weights of a full DistilPose are reg 1, KT 5e-4, VT 5e-4, SH 1, CS 1e-2.
    """

    reg: float = 1.0
    KT: float = 0.0
    VT: float = 0.0
    SH: float = 0.0
    CS: float = 0.0
    SH_form: SimulatedHeatmapForm = "per_sample"
    CS_cell: ConfidenceCell = "nearest"

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            known = {"SH_form": FORMS, "CS_cell": CELLS}.get(field.name)
            if known is not None:
                if value not in known:
                    raise ValueError(f"{field.name}: must be one of {', '.join(known)}, got {value!r}")
            elif not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{field.name}: must be a finite weight of at least 0, got {value!r}")

    @property
    def needs_teacher(self) -> bool:
        """Whether any term compares with a teacher."""
        return any((self.KT, self.VT, self.SH, self.CS))

    @property
    def needs_tokens(self) -> bool:
        """Whether any term compares tokens, which both models must then have, in equal shapes."""
        return any((self.KT, self.VT))

    @property
    def needs_score(self) -> bool:
        """Whether the head must have a score output."""
        return self.CS != 0

    @property
    def needs_sigma(self) -> bool:
        """Whether the head must have a sigma output."""
        return self.SH != 0


def student_loss(
    output: RegressionOutput,
    keypoints: Float[Tensor, "batch joints 2"],
    visible: Float[Tensor, "batch joints"],
    teacher: HeatmapOutput | None,
    weights: LossWeights,
) -> dict[str, Float[Tensor, ""]]:
    """Return the weighted terms that are switched on, of 'reg', 'KT', 'VT', 'SH', 'CS'; the loss is their sum.

    `keypoints` are the true ones in [0, 1] of the crop. Nothing sends a gradient to the teacher.

    Raises:
        ValueError: a term is switched on whose teacher, tokens or head output is not there.

    """
    terms = {}
    if weights.reg:
        terms["reg"] = weights.reg * regression_loss(output.keypoints, keypoints, visible)
    if not weights.needs_teacher:
        return terms
    if teacher is None:
        raise ValueError("teacher: KT, VT, SH and CS compare with a teacher, got none; name one or set them to 0")
    if weights.KT:
        student_tokens, teacher_tokens = _both("KT", output.keypoint_tokens, teacher.keypoint_tokens)
        terms["KT"] = weights.KT * token_loss(student_tokens, teacher_tokens)
    if weights.VT:
        student_tokens, teacher_tokens = _both("VT", output.visual_tokens, teacher.visual_tokens)
        terms["VT"] = weights.VT * token_loss(student_tokens, teacher_tokens)
    if weights.SH:
        if output.sigmas is None:
            raise ValueError("SH: needs a head with sigma outputs, got a student without; build it with sigma=True")
        terms["SH"] = weights.SH * simulated_heatmap_loss(
            output.keypoints, output.sigmas, teacher.heatmaps, visible, weights.SH_form
        )
    if weights.CS:
        if output.scores is None:
            raise ValueError("CS: needs a head with a score output, got a student without; build it with score=True")
        terms["CS"] = weights.CS * confidence_loss(
            output.scores, output.keypoints, teacher.heatmaps, visible, weights.CS_cell
        )
    return terms


def _both(term: str, student: Tensor | None, teacher: Tensor | None) -> tuple[Tensor, Tensor]:
    if student is None or teacher is None:
        which = "student" if student is None else "teacher"
        raise ValueError(f"{term}: compares tokens, got a {which} that has none; set {term} to 0 or choose another")
    return student, teacher.detach()
