"""TransPose (Yang et al., ICCV 2021): a transformer over every place of the features, then heatmaps."""

from jaxtyping import Float
from torch import Tensor, nn

from distilpose.heads.heatmap import HeatmapOutput, deconvolutions
from distilpose.models.positions import sine_table
from distilpose.models.post_norm import EncoderLayer, start_xavier


class Encoder(nn.Module):
    """The transformer's layers over `rows * columns` places."""

    positions: Tensor

    def __init__(self, rows: int, columns: int, d_model: int, layers: int, nhead: int, dim_feedforward: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(d_model, nhead, dim_feedforward) for _ in range(layers))
        self.register_buffer("positions", sine_table(rows, columns, d_model), persistent=False)

    def start(self, seed: int) -> None:
        """Start as published."""
        start_xavier(self, seed)

    def forward(self, x: Float[Tensor, "batch tokens dim"]) -> Float[Tensor, "batch tokens dim"]:
        """Return the tokens after the last layer."""
        for layer in self.layers:
            x = layer(x, self.positions)
        return x


class TransPose(nn.Module):
    """A backbone, `layers` layers of `d_model` channels over its features, and as many deconvolutions as lead to 1/4.

    Published: ResNet-50 cut after layer 2 (R), or HRNet's first branch after stage 3 (H). The authors' dropout of 0.1
    is left out: no model here draws numbers while it trains.
    """

    def __init__(
        self,
        backbone: nn.Module,
        channels: int,
        joints: int,
        input_size: tuple[int, int],
        *,
        d_model: int = 256,
        layers: int = 3,
        nhead: int = 8,
        dim_feedforward: int = 1024,
    ) -> None:
        super().__init__()
        if d_model % 4 or d_model % nhead:
            raise ValueError(f"d_model: must be a multiple of 4 and of nhead ({nhead}), got {d_model}")
        self.backbone = backbone
        stride: int = backbone.stride  # type: ignore[assignment]
        self.reduce = nn.Conv2d(channels, d_model, 1, bias=False)
        columns, rows = (side // stride for side in input_size)
        self.encoder = Encoder(rows, columns, d_model, layers, nhead, dim_feedforward)
        self.deconvolutions = deconvolutions(stride, d_model, d_model)
        self.final = nn.Conv2d(d_model, joints, 1)

    def forward(self, images: Float[Tensor, "batch 3 height width"], *, attention: bool = False) -> HeatmapOutput:
        """Return heatmaps; it has no keypoint tokens whose attention could be shown."""
        features = self.reduce(self.backbone(images))
        tokens = self.encoder(features.flatten(2).transpose(1, 2))
        features = tokens.transpose(1, 2).unflatten(2, features.shape[-2:])
        return HeatmapOutput(self.final(self.deconvolutions(features)), visual_tokens=tokens)
