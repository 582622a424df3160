"""How a model is measured: every choice of the published protocol, each of which can be made otherwise."""

from dataclasses import dataclass
from typing import Literal, get_args

from distilpose.evaluation.decode import Refinement
from distilpose.evaluation.flip import FlipTest
from distilpose.evaluation.oks import RESCORE_ABOVE, SUPPRESS_ABOVE

Evaluator = Literal["pycocotools", "faster"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Protocol:
    """The way from a model's outputs to results and their average precision; the defaults are the published one.

    flip_test: how the mirror image is used; None for not at all.
    refinement: what is done to the maximum of a heatmap: "dark", "quarter" or "none" (without the papers' "Ex-post.").
    rescore_above: the person's score is its box's times the mean of the keypoint scores above this; None keeps the
        box's score.
    suppress_above: of poses in one image more alike than this (OKS) only the best is kept; None keeps all.
    evaluator: what counts the average precision: "pycocotools", the reference, or "faster", which is faster-coco-eval.

    Raises ValueError for a name not listed here.
    """

    flip_test: FlipTest | None = FlipTest()  # noqa: RUF009 (frozen)
    refinement: Refinement = "dark"
    rescore_above: float | None = RESCORE_ABOVE
    suppress_above: float | None = SUPPRESS_ABOVE
    evaluator: Evaluator = "pycocotools"

    def __post_init__(self) -> None:
        for field, got, known in (
            ("refinement", self.refinement, get_args(Refinement)),
            ("evaluator", self.evaluator, get_args(Evaluator)),
        ):
            if got not in known:
                raise ValueError(f"protocol: {field}: must be one of {', '.join(known)}, got {got!r}")


PUBLISHED = Protocol()
