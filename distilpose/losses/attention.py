"""What a keypoint token looks at, learned from a teacher."""

from typing import Literal

from jaxtyping import Float
from torch import Tensor


def attention_maps_loss(
    attention: Float[Tensor, "batch layers heads joints tokens"],
    teacher_attention: Float[Tensor, "batch teacher_layers heads joints tokens"],
    *,
    layers: Literal["last", "all"] = "last",
) -> Float[Tensor, ""]:
    """Return AM: the divergence of the keypoint tokens' attention from the teacher's, mean over people, heads, joints.

    Of the last layers, as in MiniLM (Wang et al., NeurIPS 2020, equation 2), or of all the student's, each with the
    teacher's at the same share of its depth.

    Raises:
        ValueError: they have other numbers of heads or tokens.

    """
    if attention.shape[2:] != teacher_attention.shape[2:]:
        got = ["{} heads and {} tokens".format(*one.shape[2::2]) for one in (attention, teacher_attention)]
        raise ValueError(f"AM: student and teacher must have as many heads and tokens, got {got[0]}, and {got[1]}")
    depth, teacher_depth = attention.shape[1], teacher_attention.shape[1]
    picked = [depth - 1] if layers == "last" else list(range(depth))
    ours = attention[:, picked].clamp_min(1e-9).log()
    theirs = teacher_attention[:, [(layer + 1) * teacher_depth // depth - 1 for layer in picked]]
    divergence: Tensor = (theirs * (theirs.clamp_min(1e-9).log() - ours)).sum(-1)
    return divergence.mean()
