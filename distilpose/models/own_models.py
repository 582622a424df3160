"""A user's own modules: made, and held to what they say that they give."""

from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from distilpose.heads import SWITCHES
from distilpose.heads.output import Output
from distilpose.models.spec import ModelSpec
from distilpose.parts.signature import PartError


def made(found: Any, title: str, asked: Mapping[str, Any], options: Mapping[str, Any]) -> nn.Module:
    """Return the module of a user's class or function. Raises PartError where it fails or makes none."""
    try:
        module = found(**asked, **options)
    except Exception as error:  # a user's own code may raise anything
        raise PartError(f"{title}: failed as it was made: {type(error).__name__}: {error}") from error
    if not isinstance(module, nn.Module):
        raise PartError(f"{title}: must be or return an nn.Module, got {type(module).__name__}")
    return module


class OwnBackbone(nn.Module):
    """A user's own backbone; its `channels` and `stride` are seen on an empty crop of `input_size`, (width, height).

    Raises:
        PartError: it returns no features.

    """

    def __init__(self, net: nn.Module, title: str, input_size: tuple[int, int]) -> None:
        super().__init__()
        self.net = net
        found = asked_once(self, title, input_size)
        if not isinstance(found, Tensor) or found.ndim != 4:
            got = list(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise PartError(
                f"{title}: must return features [batch, channels, rows, columns], got {got}; a whole model "
                'says what it gives, such as gives = ("keypoints",)'
            )
        self.channels: int = found.shape[1]
        self.stride = round(input_size[1] / found.shape[2])

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch channels rows columns"]:
        """Return the last features."""
        features = self.net(images)
        last: Tensor = features[-1] if type(features) in (list, tuple) else features
        return last


class WithHead(nn.Module):
    """A backbone without tokens, and a user's own head that reads its features."""

    def __init__(self, backbone: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head

    def forward(self, images: Float[Tensor, "batch 3 height width"], *, attention: bool = False) -> Output:
        """Return what the head says of the last features, without attention."""
        output: Output = self.head(self.backbone(images))
        return output


@torch.no_grad()
def asked_once(model: nn.Module, title: str, input_size: tuple[int, int], people: int = 1) -> Any:
    """Return what a model says of empty crops in eval mode. Raises PartError where it fails."""
    width, height = input_size
    was_training = model.training
    try:
        return model.eval()(torch.zeros(people, 3, height, width))
    except Exception as error:  # a user's own code may raise anything
        raise PartError(f"{title}: failed on a crop of {width}x{height}: {type(error).__name__}: {error}") from error
    finally:
        model.train(was_training)


def check_output(model: nn.Module, spec: ModelSpec) -> None:
    """Hold a model to what it says that it gives, by two empty crops. Raises PartError naming the first fault."""
    output = asked_once(model, spec.name, spec.input_size, people=2)
    if not isinstance(output, Output):
        raise PartError(
            f"{spec.name}: must return a head's output, such as distilpose.models.RegressionOutput, got "
            f"{type(output).__name__}"
        )
    off = {field for option, fields in SWITCHES.items() if not spec.head_options.get(option) for field in fields}
    width, height = spec.heatmap_size
    shapes = {
        "keypoints": (2, spec.joints, 2),
        "scores": (2, spec.joints),
        "sigmas": (2, spec.joints, 2),
        "heatmap_sigmas": (2, spec.joints, 2),
        "heatmaps": (2, spec.joints, height, width),
    }
    for field in spec.gives:
        value = getattr(output, field, None)
        if value is None and field not in off:
            raise PartError(f"{spec.name}: says that it gives {field}, and its output has none")
        if isinstance(value, Tensor) and field in shapes and tuple(value.shape) != shapes[field]:
            raise PartError(
                f"{spec.name}: {field} of 2 crops of {'x'.join(map(str, spec.input_size))} must have the shape "
                f"{list(shapes[field])}, got {list(value.shape)}"
            )
