"""ResNet: the backbone of DeepPose, RLE and PRTR, of SimpleBaseline and, cut short, of TransPose-R."""

from jaxtyping import Float
from torch import Tensor, nn

BLOCKS = {"resnet50": (3, 4, 6, 3), "resnet101": (3, 4, 23, 3), "resnet152": (3, 8, 36, 3)}
"""How many bottlenecks each layer has."""


class ResNet(nn.Module):
    """Backbone of stride 32 and `32 * width` channels, of torchvision's blocks under torchvision's names.

    At the published width 64 it is torchvision's network `name` without its classifier; torchvision's own has that one
    width. With fewer than 4 `layers` it stops there: after 2, stride 8 and `8 * width` channels.
    """

    def __init__(self, name: str, width: int, layers: int = 4) -> None:
        super().__init__()
        # torchvision takes seconds to import, and only these models want it.
        from torchvision.models.resnet import Bottleneck

        self.name = name
        self.channels = width * 2 ** (layers - 1) * Bottleneck.expansion
        self.stride = 2 ** (layers + 1)
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        channels = width
        self.layers = range(1, layers + 1)
        for index, count in enumerate(BLOCKS[name][:layers]):
            planes, stride = width * 2**index, 1 if index == 0 else 2
            out = planes * Bottleneck.expansion
            shortcut = nn.Sequential(nn.Conv2d(channels, out, 1, stride=stride, bias=False), nn.BatchNorm2d(out))
            blocks = [Bottleneck(channels, planes, stride, shortcut)]
            blocks += [Bottleneck(out, planes) for _ in range(count - 1)]
            self.add_module(f"layer{index + 1}", nn.Sequential(*blocks))
            channels = out

    def forward(
        self, images: Float[Tensor, "batch 3 height width"]
    ) -> Float[Tensor, "batch channels height/stride width/stride"]:
        """Return the last layer's features."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        for layer in self.layers:
            x = self.get_submodule(f"layer{layer}")(x)
        return x  # type: ignore[no-any-return]
