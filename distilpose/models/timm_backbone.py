"""Any backbone of timm, by its name there, as the trunk of a model: its last features."""

import timm
import torch
from jaxtyping import Float
from torch import Tensor, nn

from distilpose.parts.naming import nearest


class TimmBackbone(nn.Module):
    """The features of timm's model `name`, without its pooling and classifier; `channels` and `stride` are theirs.

    Raises:
        ValueError: timm has no such model, or it gives no map of features.

    """

    def __init__(self, name: str) -> None:
        super().__init__()
        if fault := timm_fault(name):
            raise ValueError(f"model: {fault}")
        self.name = name
        try:
            self.net = timm.create_model(name, features_only=True, out_indices=(-1,))
        except (RuntimeError, AttributeError, AssertionError, NotImplementedError) as error:
            raise ValueError(f"model: timm's {name} gives no map of features: {error}") from error
        self.channels: int = self.net.feature_info.channels()[-1]
        self.stride: int = self.net.feature_info.reduction()[-1]

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> Float[Tensor, "batch channels rows columns"]:
        """Return the last features."""
        features: Tensor = self.net(images)[-1]
        return features

    def start(self, seed: int) -> None:
        """Set every parameter as timm starts them, drawn from `seed`."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            fresh = timm.create_model(self.name, features_only=True, out_indices=(-1,))
        self.net.load_state_dict(fresh.state_dict())


def timm_fault(name: str) -> str | None:
    """Why timm has no model of this name, or None where it has."""
    names = timm.list_models()
    return None if name in names else f"must be a model of timm, got {name!r}; {nearest(name, names)}"
