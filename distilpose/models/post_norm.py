"""Transformer layers that normalise after each step and add positions to queries and keys alone (DETR, TransPose).

Their parts have the authors' and PyTorch's names.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn


class EncoderLayer(nn.Module):
    """Self-attention, then a ReLU MLP, a LayerNorm after each; positions are added to q and k, not to v."""

    def __init__(self, d_model: int, nhead: int, dim_feedforward: int) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(d_model, nhead, batch_first=True)
        self.linear1 = nn.Linear(d_model, dim_feedforward)
        self.linear2 = nn.Linear(dim_feedforward, d_model)
        self.norm1 = nn.LayerNorm(d_model)
        self.norm2 = nn.LayerNorm(d_model)

    def forward(
        self, x: Float[Tensor, "batch tokens dim"], positions: Float[Tensor, "1 tokens dim"]
    ) -> Float[Tensor, "batch tokens dim"]:
        """Return the tokens after this layer."""
        placed = x + positions
        x = self.norm1(x + self.self_attn(placed, placed, x, need_weights=False)[0])
        return self.norm2(x + self.linear2(self.linear1(x).relu()))  # type: ignore[no-any-return]


class DecoderLayer(nn.Module):
    """An encoder layer over queries, with attention to the encoder's tokens before its MLP."""

    def __init__(self, d_model: int, nhead: int, dim_feedforward: int) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(d_model, nhead, batch_first=True)
        self.multihead_attn = nn.MultiheadAttention(d_model, nhead, batch_first=True)
        self.linear1 = nn.Linear(d_model, dim_feedforward)
        self.linear2 = nn.Linear(dim_feedforward, d_model)
        self.norm1 = nn.LayerNorm(d_model)
        self.norm2 = nn.LayerNorm(d_model)
        self.norm3 = nn.LayerNorm(d_model)

    def forward(
        self,
        x: Float[Tensor, "batch queries dim"],
        queries: Float[Tensor, "queries dim"],
        memory: Float[Tensor, "batch tokens dim"],
        placed: Float[Tensor, "batch tokens dim"],
    ) -> Float[Tensor, "batch queries dim"]:
        """Return the queries' answers after this layer; `placed` is the memory with its positions."""
        asking = x + queries
        x = self.norm1(x + self.self_attn(asking, asking, x, need_weights=False)[0])
        x = self.norm2(x + self.multihead_attn(x + queries, placed, memory, need_weights=False)[0])
        return self.norm3(x + self.linear2(self.linear1(x).relu()))  # type: ignore[no-any-return]


@torch.no_grad()
def start_xavier(module: nn.Module, seed: int) -> None:
    """Start a transformer as DETR does, from `seed`: matrices Xavier uniform, biases 0, norms 1 and 0."""
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in module.named_parameters():
        if parameter.ndim > 1:
            fan_out, fan_in = parameter.shape[0], parameter[0].numel()
            bound = (6 / (fan_in + fan_out)) ** 0.5
            parameter.copy_((2 * torch.rand(parameter.shape, generator=generator) - 1) * bound)
        else:
            parameter.fill_(float(name.endswith("weight")))
