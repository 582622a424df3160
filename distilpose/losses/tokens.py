"""KT and VT: a student's tokens pulled towards its teacher's, keypoint or visual (DistilPose, equations 1 and 2)."""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


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


class TokenLoss(nn.Module):
    """`token_loss` times a coefficient."""

    def __init__(self, coefficient: float = 5e-4) -> None:
        super().__init__()
        self.coefficient = coefficient

    def forward(self, student: Tensor, teacher: Tensor) -> Tensor:
        """Return the weighted loss."""
        return self.coefficient * token_loss(student, teacher)
