"""The heatmap head: a heatmap a joint at a quarter of the crop, whose maximum is the joint."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from distilpose.evaluation.decode import Points, Refinement, decode_heatmaps
from distilpose.evaluation.flip import FlipTest, merge_heatmaps
from distilpose.heads.output import Drawing, as_tokens

DECONVOLUTION_CHANNELS = 256
STRIDE = 4


class HeatmapOutput(NamedTuple):
    """One heatmap a joint at a quarter of the crop's size, with the tokens they were read from."""

    heatmaps: Float[Tensor, "batch joints height width"]
    """No activation; trained towards Gaussians of peak 1."""
    visual_tokens: Float[Tensor, "batch visual dim"] | None = None
    keypoint_tokens: Float[Tensor, "batch joints dim"] | None = None
    attention: Float[Tensor, "batch layers heads joints joints+visual"] | None = None
    learn: Callable[[Any], Tensor] | None = None
    """The loss of a model that has its own, called with the batch."""

    @property
    def teaches(self) -> bool:
        """Yes."""
        return True

    def merged(self, mirrored: "HeatmapOutput", partners: Sequence[int], width: int, how: FlipTest) -> "HeatmapOutput":
        """Return the mean with the mirrored crop's heatmaps; `how` chooses nothing here."""
        return HeatmapOutput(merge_heatmaps(self.heatmaps.float(), mirrored.heatmaps.float(), partners))

    def points(self, refinement: Refinement = "dark") -> Points:
        """Return the heatmaps' maxima and their values."""
        return decode_heatmaps(self.heatmaps, refinement)

    def drawn(self, size: tuple[int, int]) -> Drawing:
        """Return the heatmaps in the size they have."""
        return Drawing("heatmap", "as the model predicts it", self.heatmaps)

    def exported(self) -> dict[str, Tensor]:
        """Return the points found by DARK, the values of the maxima and the heatmaps."""
        points = self.points()
        return {"keypoints": points.keypoints, "scores": points.scores, "heatmaps": self.heatmaps}


class HeatmapHead(nn.Module):
    """LayerNorm, linear, LayerNorm, linear: each keypoint token to its whole heatmap, no activation."""

    def __init__(self, dim: int, *, hidden: int, heatmap_size: tuple[int, int]) -> None:
        super().__init__()
        self.heatmap_size = heatmap_size
        width, height = heatmap_size
        self.layers = nn.Sequential(
            nn.LayerNorm(dim), nn.Linear(dim, hidden), nn.LayerNorm(hidden), nn.Linear(hidden, width * height)
        )

    def forward(self, tokens: Float[Tensor, "batch joints dim"]) -> HeatmapOutput:
        """Return the heatmaps."""
        width, height = self.heatmap_size
        return HeatmapOutput(self.layers(tokens).unflatten(-1, (height, width)))


def heatmap_head(dim: int, heatmap_size: tuple[int, int]) -> HeatmapHead:
    """Return the head that reads keypoint tokens (TokenPose); its middle layer is twice as wide (published: 384)."""
    return HeatmapHead(dim, hidden=2 * dim, heatmap_size=heatmap_size)


class SimpleBaseline(nn.Module):
    """Heatmaps by deconvolutions up to 1/4 (Xiao et al., ECCV 2018), none of them after HRNet: no tokens."""

    def __init__(self, backbone: nn.Module, channels: int, joints: int) -> None:
        super().__init__()
        self.backbone = backbone
        stride: int = backbone.stride  # type: ignore[assignment]
        # As many channels as published, at the published width; a narrower ResNet has narrower deconvolutions.
        out = channels if stride <= STRIDE else max(1, channels * DECONVOLUTION_CHANNELS // 2048)
        self.deconvolutions = deconvolutions(stride, channels, out)
        self.final = nn.Conv2d(out, joints, 1)

    def forward(self, images: Float[Tensor, "batch 3 height width"], *, attention: bool = False) -> HeatmapOutput:
        """Return heatmaps without tokens, and so without attention."""
        features = self.backbone(images)
        return HeatmapOutput(self.final(self.deconvolutions(features)), visual_tokens=as_tokens(features))


def deconvolutions(stride: int, channels: int, out: int) -> nn.Sequential:
    """Return the deconvolutions, each with batch normalisation and ReLU, from features of this stride to 1/4."""
    layers: list[nn.Module] = []
    while stride > STRIDE:
        deconvolution = nn.ConvTranspose2d(channels, out, 4, stride=2, padding=1, bias=False)
        layers += [deconvolution, nn.BatchNorm2d(out), nn.ReLU(inplace=True)]
        channels, stride = out, stride // 2
    return nn.Sequential(*layers)
