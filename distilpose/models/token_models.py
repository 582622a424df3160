"""The two whole token models: a backbone, the token encoder and a head, wired for students and for teachers."""

from typing import Literal, overload

from jaxtyping import Float
from torch import Tensor, nn

from distilpose.models.encoder import TokenEncoder
from distilpose.models.heads import HeatmapHead, RegressionHead
from distilpose.models.outputs import HeatmapOutput, RegressionOutput


class TokenRegressor(nn.Module):
    """A regression student: one coordinate pair per keypoint token (DistilPose, section 3.1)."""

    def __init__(self, backbone: nn.Module, encoder: TokenEncoder, head: RegressionHead) -> None:
        super().__init__()
        self.backbone = backbone
        self.encoder = encoder
        self.head = head

    def forward(self, images: Float[Tensor, "batch 3 height width"], *, attention: bool = False) -> RegressionOutput:
        """Return coordinates and tokens; with `attention`, also the keypoint tokens' attention of every layer."""
        tokens, maps = self.encoder.encode(self.encoder.embed(self.backbone(images)), attention=attention)
        keypoint_tokens, visual_tokens = self.encoder.split(tokens)
        readings = self.head(keypoint_tokens)
        return RegressionOutput(
            readings.keypoints, readings.scores, readings.sigmas, visual_tokens, keypoint_tokens, maps
        )


class TokenHeatmapper(nn.Module):
    """A heatmap model (TokenPose), whose encoder may also run in `cycles` over its own output tokens (SDPose).

    Training SDPose asks for all cycles; in use the first alone is run.
    """

    def __init__(self, backbone: nn.Module, encoder: TokenEncoder, head: HeatmapHead, *, cycles: int = 1) -> None:
        super().__init__()
        self.backbone = backbone
        self.encoder = encoder
        self.head = head
        self.cycles = cycles

    @overload
    def forward(self, images: Tensor, *, attention: bool = ..., all_cycles: Literal[False] = ...) -> HeatmapOutput: ...

    @overload
    def forward(self, images: Tensor, *, attention: bool = ..., all_cycles: Literal[True]) -> list[HeatmapOutput]: ...

    def forward(
        self, images: Float[Tensor, "batch 3 height width"], *, attention: bool = False, all_cycles: bool = False
    ) -> HeatmapOutput | list[HeatmapOutput]:
        """Return the first cycle's heatmaps and tokens, or with `all_cycles` a list of every cycle's.

        With `attention`, each comes with the keypoint tokens' attention of every layer.
        """
        tokens = self.encoder.embed(self.backbone(images))
        outputs = []
        for _ in range(self.cycles if all_cycles else 1):
            tokens, maps = self.encoder.encode(tokens, attention=attention)
            keypoint_tokens, visual_tokens = self.encoder.split(tokens)
            outputs.append(HeatmapOutput(self.head(keypoint_tokens), visual_tokens, keypoint_tokens, maps))
        return outputs if all_cycles else outputs[0]
