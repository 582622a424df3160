"""The token encoder: features cut into visual tokens, keypoint tokens beside them, pre-norm transformer layers.

TokenPose (Li et al., ICCV 2021), as DistilPose and SDPose use it: no norm after the last layer, so what is distilled
is the residual stream.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.nn import functional as F

from distilpose.models.positions import sine_table
from distilpose.models.precision import without_autocast

MLP_RATIO = 3


def attend(
    q: Float[Tensor, "batch heads tokens head"],
    k: Float[Tensor, "batch heads tokens head"],
    v: Float[Tensor, "batch heads tokens head"],
) -> Float[Tensor, "batch heads tokens head"]:
    """Return the values mixed by the softmax of q k' / head^0.5.

    In bf16 on a CPU the products are written out: torch's fused attention has no bf16 arithmetic for its backward pass
    there and takes two to seven times as long. `distilpose bench step` shows it. A tensor without numbers is taken the
    way of a GPU, whose memory it stands for.
    """
    if q.device.type != "cpu" or q.dtype != torch.bfloat16 or isinstance(q, FakeTensor):
        return F.scaled_dot_product_attention(q, k, v)
    with without_autocast("cpu"):  # which would make the softmax fp32
        scores: Tensor = (q * q.shape[-1] ** -0.5) @ k.transpose(-2, -1)
        return scores.softmax(dim=-1) @ v


class SelfAttention(nn.Module):
    """Multi-head attention of every token to every token, scaled by head_dim^-0.5; q, k, v from one bias-free map."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.out = nn.Linear(dim, dim)

    def forward(
        self, x: Float[Tensor, "batch tokens dim"], map_rows: int = 0
    ) -> tuple[Float[Tensor, "batch tokens dim"], Float[Tensor, "batch heads rows tokens"] | None]:
        """Return the attended tokens, and the attention of the first `map_rows` tokens where that is not 0."""
        batch, tokens, dim = x.shape
        qkv = self.qkv(x).view(batch, tokens, 3, self.heads, dim // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        mixed = attend(q, k, v)  # the maps apart, so that to ask for them changes no number
        maps = None
        if map_rows:
            maps = (q[:, :, :map_rows] @ k.transpose(-2, -1) * (dim // self.heads) ** -0.5).softmax(dim=-1)
        return self.out(mixed.transpose(1, 2).reshape(batch, tokens, dim)), maps


class EncoderLayer(nn.Module):
    """One pre-norm layer: attention, then an exact-GELU MLP of `MLP_RATIO` times the width."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(dim)
        self.attention = SelfAttention(dim, heads)
        self.mlp_norm = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, MLP_RATIO * dim), nn.GELU(), nn.Linear(MLP_RATIO * dim, dim))

    def forward(
        self, x: Float[Tensor, "batch tokens dim"], map_rows: int = 0
    ) -> tuple[Float[Tensor, "batch tokens dim"], Float[Tensor, "batch heads rows tokens"] | None]:
        """Return the tokens after this layer, and the attention of the first `map_rows` where that is not 0."""
        attended, maps = self.attention(self.attention_norm(x), map_rows)
        x = x + attended
        return x + self.mlp(self.mlp_norm(x)), maps


class TokenEncoder(nn.Module):
    """Features to `joints` keypoint tokens and `rows * columns` visual tokens, all of `dim` numbers.

    `features_size` is the (width, height) of the features, `patch` the (rows, columns) of them one token stands for:
    it must divide the features exactly.
    """

    positions: Tensor

    def __init__(
        self,
        *,
        channels: int,
        features_size: tuple[int, int],
        patch: tuple[int, int],
        joints: int,
        dim: int,
        depth: int,
        heads: int,
    ) -> None:
        super().__init__()
        width, height = features_size
        assert height % patch[0] == 0, (features_size, patch)
        assert width % patch[1] == 0, (features_size, patch)
        self.features_size = features_size
        self.patch = patch
        self.joints = joints
        self.grid = (height // patch[0], width // patch[1])
        self.keypoint_token = nn.Parameter(torch.zeros(1, joints, dim))
        self.patch_embedding = nn.Linear(channels * patch[0] * patch[1], dim)
        self.layers = nn.ModuleList(EncoderLayer(dim, heads) for _ in range(depth))
        # Zero for the keypoint tokens, so that adding the positions is one operation. Not saved: it follows from
        # the sizes. On the CPU, for on the meta device torch would load sympy.
        with torch.device("cpu"):
            table = F.pad(sine_table(*self.grid, dim), (0, 0, joints, 0))
        self.register_buffer("positions", table, persistent=False)

    def embed(self, features: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch tokens dim"]:
        """Return [keypoint tokens, visual tokens] before the first layer; a patch is (row, column, channel fastest)."""
        batch, channels, height, width = features.shape
        if (width, height) != self.features_size:
            wanted = self.features_size
            raise ValueError(
                f"images: features must be {wanted[0]}x{wanted[1]} (width x height), got {width}x{height}; "
                "build the model with input_size= the size of these images"
            )
        (rows, columns), (patch_rows, patch_columns) = self.grid, self.patch
        patches = features.view(batch, channels, rows, patch_rows, columns, patch_columns).permute(0, 2, 4, 3, 5, 1)
        visual = self.patch_embedding(patches.reshape(batch, rows * columns, -1))
        keypoints = self.keypoint_token.to(visual.dtype).expand(batch, -1, -1)
        return torch.cat((keypoints, visual), dim=1) + self.positions

    def encode(
        self, tokens: Float[Tensor, "batch tokens dim"], *, attention: bool = False
    ) -> tuple[Float[Tensor, "batch tokens dim"], Float[Tensor, "batch layers heads joints tokens"] | None]:
        """Return the tokens after every layer, and the keypoint tokens' attention in every layer where asked for.

        Positions are added before every layer but the first.
        """
        maps: list[Tensor] = []
        for index, layer in enumerate(self.layers):
            if index:
                tokens = tokens + self.positions
            tokens, layer_maps = layer(tokens, self.joints if attention else 0)
            if layer_maps is not None:
                maps.append(layer_maps)
        return tokens, torch.stack(maps, dim=1) if maps else None

    def split(
        self, tokens: Float[Tensor, "batch tokens dim"]
    ) -> tuple[Float[Tensor, "batch joints dim"], Float[Tensor, "batch visual dim"]]:
        """Return the keypoint tokens and the visual tokens."""
        return tokens[:, : self.joints], tokens[:, self.joints :]
