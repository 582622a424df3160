"""ResNet-50 and the two models the papers put on it: DeepPose, a student, and SimpleBaseline, a teacher."""

from jaxtyping import Float
from torch import Tensor, nn

from distilpose.models.heads import output_names, read_joints
from distilpose.models.outputs import HeatmapOutput, RegressionOutput
from distilpose.models.precision import without_autocast

BLOCKS = (3, 4, 6, 3)
DECONVOLUTION_CHANNELS = 256


class ResNet50(nn.Module):
    """Backbone of stride 32 and `32 * width` channels, of torchvision's blocks under torchvision's names.

    At the published width 64 it is torchvision's resnet50 without its classifier; torchvision's own has that one width.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        # torchvision takes seconds to import, and only these models want it.
        from torchvision.models.resnet import Bottleneck

        self.channels = 8 * width * Bottleneck.expansion
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        channels = width
        for index, count in enumerate(BLOCKS):
            planes, stride = width * 2**index, 1 if index == 0 else 2
            out = planes * Bottleneck.expansion
            shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, stride=stride, bias=False), nn.BatchNorm2d(out))
            blocks = [Bottleneck(channels, planes, stride, shortcut)]
            blocks += [Bottleneck(out, planes) for _ in range(count - 1)]
            self.add_module(f"layer{index + 1}", nn.Sequential(*blocks))
            channels = out

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch channels height/32 width/32"]:
        """Return the last layer's features."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for index in range(len(BLOCKS)):
            x = self.get_submodule(f"layer{index + 1}")(x)
        return x  # type: ignore[no-any-return]


class DeepPose(nn.Module):
    """Coordinates straight from the mean feature (Toshev and Szegedy, CVPR 2014, as mmpose builds it): no tokens.

    Coordinates are not squeezed through a sigmoid, so they may leave [0, 1]. `score` and `sigma` give the head these
    outputs beside (x, y), for distillation through simulated heatmaps.
    """

    def __init__(self, backbone: ResNet50, *, joints: int, score: bool, sigma: bool) -> None:
        super().__init__()
        self.joints = joints
        self.score = score
        self.sigma = sigma
        self.row_names = output_names(score=score, sigma=sigma)
        self.backbone = backbone
        self.linear = nn.Linear(backbone.channels, joints * len(self.row_names))

    def forward(self, images: Float[Tensor, "batch 3 height width"], *, attention: bool = False) -> RegressionOutput:
        """Return coordinates without tokens.

        Raises:
            ValueError: attention is asked for.

        """
        _refuse_attention(attention)
        features = self.backbone(images).mean((2, 3))
        with without_autocast(features.device.type):
            numbers = self.linear(features.to(self.linear.weight.dtype))
        numbers = numbers.unflatten(-1, (self.joints, len(self.row_names)))
        readings = read_joints(numbers, score=self.score, sigma=self.sigma, bounded=False)
        return RegressionOutput(readings.keypoints, readings.scores, readings.sigmas, None, None, None)


class SimpleBaseline(nn.Module):
    """Heatmaps by three deconvolutions (Xiao et al., ECCV 2018): no tokens."""

    def __init__(self, backbone: ResNet50, *, joints: int) -> None:
        super().__init__()
        self.backbone = backbone
        layers: list[nn.Module] = []
        channels = backbone.channels
        # As many channels as published, at the published width; a narrower ResNet has narrower deconvolutions.
        out = channels * DECONVOLUTION_CHANNELS // 2048
        for _ in range(3):
            deconvolution = nn.ConvTranspose2d(channels, out, 4, stride=2, padding=1, bias=False)
            layers += [deconvolution, nn.BatchNorm2d(out), nn.ReLU(inplace=True)]
            channels = out
        self.deconvolutions = nn.Sequential(*layers)
        self.final = nn.Conv2d(channels, joints, 1)

    def forward(self, images: Float[Tensor, "batch 3 height width"], *, attention: bool = False) -> HeatmapOutput:
        """Return heatmaps without tokens.

        Raises:
            ValueError: attention is asked for.

        """
        _refuse_attention(attention)
        return HeatmapOutput(self.final(self.deconvolutions(self.backbone(images))), None, None, None)


def _refuse_attention(asked: bool) -> None:
    if asked:
        raise ValueError("attention: this model has no tokens and so no attention; ask a token model for it")
