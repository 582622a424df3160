"""A whole token model: a backbone, the token encoder, and a head that reads the keypoint tokens."""

from jaxtyping import Float
from torch import Tensor, nn

from distilpose.heads.output import Output
from distilpose.models.encoder import TokenEncoder


class TokenModel(nn.Module):
    """DistilPose's students (section 3.1) and TokenPose, whose encoder may also run in `cycles` over its own output
    tokens (SDPose).

    Training SDPose asks for all cycles; in use the first alone is run.
    """

    def __init__(self, backbone: nn.Module, encoder: TokenEncoder, head: nn.Module, *, cycles: int = 1) -> None:
        super().__init__()
        self.backbone = backbone
        self.encoder = encoder
        self.head = head
        self.cycles = cycles

    def forward(
        self, images: Float[Tensor, "batch 3 height width"], *, attention: bool = False, all_cycles: bool = False
    ) -> Output | list[Output]:
        """Return the head's output and the tokens of the first cycle, or with `all_cycles` a list of every cycle's.

        With `attention`, each comes with the keypoint tokens' attention of every layer.
        """
        tokens = self.encoder.embed(self.backbone(images))
        outputs: list[Output] = []
        for _ in range(self.cycles if all_cycles else 1):
            tokens, maps = self.encoder.encode(tokens, attention=attention)
            keypoint_tokens, visual_tokens = self.encoder.split(tokens)
            output: Output = self.head(keypoint_tokens)
            outputs.append(
                output._replace(visual_tokens=visual_tokens, keypoint_tokens=keypoint_tokens, attention=maps)
            )
        return outputs if all_cycles else outputs[0]
