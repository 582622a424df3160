"""ResNet-50: the backbone of DeepPose, a student, and of SimpleBaseline, a teacher."""

from jaxtyping import Float
from torch import Tensor, nn

BLOCKS = (3, 4, 6, 3)


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
