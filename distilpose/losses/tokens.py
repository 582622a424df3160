"""KT and VT: a student's tokens pulled towards its teacher's, keypoint or visual (DistilPose, equations 1 and 2)."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def keypoint_token_loss(
    keypoint_tokens: Float[Tensor, "batch tokens dim"], teacher_keypoint_tokens: Float[Tensor, "batch tokens dim"]
) -> Float[Tensor, ""]:
    """Return KT: the mean squared error of the keypoint tokens; no joint is masked."""
    return token_loss(keypoint_tokens, teacher_keypoint_tokens)


def visual_token_loss(
    visual_tokens: Float[Tensor, "batch tokens dim"], teacher_visual_tokens: Float[Tensor, "batch tokens dim"]
) -> Float[Tensor, ""]:
    """Return VT: the mean squared error of the visual tokens."""
    return token_loss(visual_tokens, teacher_visual_tokens)


def token_loss(
    student: Float[Tensor, "batch tokens dim"], teacher: Float[Tensor, "batch tokens dim"]
) -> Float[Tensor, ""]:
    """Return the mean squared error over all numbers; no joint is masked.

    Raises:
        ValueError: the two do not have the same number of tokens or dims.

    """
    if student.shape != teacher.shape:
        raise ValueError(
            f"tokens: student and teacher must have the same (batch, tokens, dim), got {tuple(student.shape)} and "
            f"{tuple(teacher.shape)}; give both models the same dim, patch, joints and input_size"
        )
    return F.mse_loss(student, teacher)
