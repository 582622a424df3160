"""StemNet: the light convolutional backbone of DistilPose-S, two strided convolutions and four bottlenecks."""

from jaxtyping import Float
from torch import Tensor, nn

EXPANSION = 4


class Bottleneck(nn.Module):
    """Residual 1x1, 3x3, 1x1 block: `channels` in, `EXPANSION * mid` out, a 1x1 shortcut where those differ."""

    def __init__(self, channels: int, mid: int) -> None:
        super().__init__()
        out = EXPANSION * mid
        self.conv1 = nn.Conv2d(channels, mid, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(mid)
        self.conv2 = nn.Conv2d(mid, mid, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(mid)
        self.conv3 = nn.Conv2d(mid, out, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = (
            None if channels == out else nn.Sequential(nn.Conv2d(channels, out, 1, bias=False), nn.BatchNorm2d(out))
        )

    def forward(self, x: Float[Tensor, "batch in height width"]) -> Float[Tensor, "batch out height width"]:
        """Return the block's features, same size."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        x = self.bn3(self.conv3(x))
        x += shortcut
        return self.relu(x)  # type: ignore[no-any-return]


class StemNet(nn.Module):
    """Backbone of stride 4 and `4 * width` channels (published: width 64, 256 channels)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.channels, self.stride = EXPANSION * width, 4
        self.conv1 = nn.Conv2d(3, width, 3, stride=2, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.layer1 = nn.Sequential(Bottleneck(width, width), *(Bottleneck(EXPANSION * width, width) for _ in range(3)))

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch channels height/4 width/4"]:
        """Return the features at a quarter of the images' size."""
        x = self.relu(self.bn1(self.conv1(images)))
        x = self.relu(self.bn2(self.conv2(x)))
        return self.layer1(x)  # type: ignore[no-any-return]
