"""Distillation of visual tokens known from classification: FitNet, AT, CWD and PKD. A token is a place in a picture."""

from typing import Literal

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

Reduction = Literal["mean", "sum"]


class FitNet(nn.Module):
    """The teacher's visual tokens from the student's, through a linear map (Romero et al., ICLR 2015).

    With `reduction="sum"`, weight 7e-5 and a linear decay it is DWPose's feature loss (Yang et al., 2023, equation 1):
    summed over everything, over the number of people.
    """

    def __init__(self, *, reduction: Reduction = "mean") -> None:
        super().__init__()
        self.reduction = reduction
        self.adapter = nn.LazyLinear(0)

    def forward(
        self,
        visual_tokens: Float[Tensor, "batch tokens dim"],
        teacher_visual_tokens: Float[Tensor, "batch tokens teacher_dim"],
    ) -> Float[Tensor, ""]:
        """Return the squared error of the adapted tokens."""
        _same_places(visual_tokens, teacher_visual_tokens)
        if self.adapter.out_features == 0:
            self.adapter.out_features = teacher_visual_tokens.shape[-1]
        error: Tensor = (self.adapter(visual_tokens) - teacher_visual_tokens).square()
        return error.sum() / len(error) if self.reduction == "sum" else error.mean()


def attention_transfer_loss(
    visual_tokens: Float[Tensor, "batch tokens dim"], teacher_visual_tokens: Float[Tensor, "batch tokens teacher_dim"]
) -> Float[Tensor, ""]:
    """Return AT: the mean squared error of the two maps of squared lengths, each normalised over its places.

    Zagoruyko and Komodakis, ICLR 2017, activation-based with p = 2; the dims may differ.
    """
    _same_places(visual_tokens, teacher_visual_tokens)
    ours, theirs = (F.normalize(one.square().mean(-1), dim=-1) for one in (visual_tokens, teacher_visual_tokens))
    return F.mse_loss(ours, theirs)


def channel_distillation_loss(
    visual_tokens: Float[Tensor, "batch tokens dim"],
    teacher_visual_tokens: Float[Tensor, "batch tokens dim"],
    *,
    temperature: float = 4.0,
) -> Float[Tensor, ""]:
    """Return CWD: the divergence of each channel's softmax over places from the teacher's, times temperature squared.

    Mean over people and channels (Shu et al., ICCV 2021, equation 4).
    """
    _same_places(visual_tokens, teacher_visual_tokens, dims=True)
    theirs = (teacher_visual_tokens / temperature).log_softmax(1)
    ours = (visual_tokens / temperature).log_softmax(1)
    return F.kl_div(ours, theirs, reduction="none", log_target=True).sum(1).mean() * temperature**2


def pearson_distillation_loss(
    visual_tokens: Float[Tensor, "batch tokens dim"], teacher_visual_tokens: Float[Tensor, "batch tokens dim"]
) -> Float[Tensor, ""]:
    """Return PKD: half the mean squared error of the two, each channel standardised over people and places.

    Cao et al., NeurIPS 2022, equation 3; it mixes the people of a batch.
    """
    _same_places(visual_tokens, teacher_visual_tokens, dims=True)
    ours, theirs = (
        (one - one.mean((0, 1))) / (one.std((0, 1)) + 1e-6) for one in (visual_tokens, teacher_visual_tokens)
    )
    return F.mse_loss(ours, theirs) / 2


def _same_places(student: Tensor, teacher: Tensor, *, dims: bool = False) -> None:
    last = 3 if dims else 2
    if student.shape[:last] != teacher.shape[:last]:
        raise ValueError(
            f"visual tokens: student and teacher must have the same {'number and dim' if dims else 'number'}, got "
            f"{tuple(student.shape[1:])} and {tuple(teacher.shape[1:])}; give both the same patch and input_size"
        )
