"""The frozen two-dimensional sine table ("sine-full") that tells visual tokens where they are."""

import math

import torch
from jaxtyping import Float
from torch import Tensor


def sine_table(rows: int, columns: int, dim: int) -> Float[Tensor, "1 rows*columns dim"]:
    """Return the position of every token of a grid, row-major: half the dims for y, then half for x.

    Positions 1..n are divided by (n + 1e-6) and multiplied by 2 pi; dim i of a half turns at frequency
    10000^-(2 floor(i/2) / half), even i sine, odd i cosine (TokenPose, after DETR). `dim` is a multiple of 4.
    """
    assert dim % 4 == 0, dim
    half = dim // 2
    exponents = 2 * torch.arange(half).div(2, rounding_mode="floor").double() / half
    frequencies = 10000.0**-exponents

    def axis(size: int) -> Tensor:
        angles = torch.arange(1, size + 1).double() / (size + 1e-6) * (2 * math.pi)
        angles = angles[:, None] * frequencies
        return torch.stack((angles[:, 0::2].sin(), angles[:, 1::2].cos()), dim=-1).flatten(1)

    y = axis(rows)[:, None, :].expand(rows, columns, half)
    x = axis(columns)[None, :, :].expand(rows, columns, half)
    return torch.cat((y, x), dim=-1).reshape(1, rows * columns, dim).float()
