"""SDPose: a model that runs its encoder in cycles teaches its own earlier cycles (Chen et al., CVPR 2024)."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor

from distilpose.heads.output import Output
from distilpose.losses.tokens import token_loss


@dataclass(frozen=True, slots=True, kw_only=True)
class CirculationWeights:
    """How much each term counts: KT and VT between neighbouring cycles, and the heatmap loss of every cycle.

    KT and VT of 0 are off. `heatmap` counts where a cycle learns by nothing else.

    The official form stops no gradient: neighbouring cycles pull at each other. With `stop_gradient` the later one is
    the teacher and stays where it is.
    """

    heatmap: float = 1.0
    KT: float = 5e-6
    VT: float = 5e-6
    stop_gradient: bool = False

    def __post_init__(self) -> None:
        for name in ("heatmap", "KT", "VT"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name}: must be a finite weight of at least 0, got {value!r}")


def circulation_loss(cycles: Sequence[Output], weights: CirculationWeights) -> dict[str, Float[Tensor, ""]]:
    """Return the weighted terms that are switched on, 'KT' and 'VT'.

    They are the mean squared differences of the keypoint and of the visual tokens of each cycle and the next, summed
    over these pairs (none where there is one cycle only).

    Raises:
        ValueError: there is no cycle, or a term compares tokens of a model that has none.

    """
    if not cycles:
        raise ValueError("cycles: must be at least one output, got none; run the model with all_cycles=True")
    terms: dict[str, Tensor] = {}
    if len(cycles) == 1:
        return terms
    if weights.KT:
        terms["KT"] = weights.KT * _between([cycle.keypoint_tokens for cycle in cycles], weights.stop_gradient)
    if weights.VT:
        terms["VT"] = weights.VT * _between([cycle.visual_tokens for cycle in cycles], weights.stop_gradient)
    return terms


def _between(tokens: Sequence[Tensor | None], stop_gradient: bool) -> Tensor:
    pairs = []
    for earlier, later in pairwise(tokens):
        if earlier is None or later is None:
            raise ValueError("KT and VT compare tokens, got a model that has none; set both to 0")
        pairs.append(token_loss(earlier, later.detach() if stop_gradient else later))
    return sum(pairs[1:], start=pairs[0])
