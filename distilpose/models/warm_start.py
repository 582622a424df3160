"""Backbones that do not start fresh: from ImageNet, or from a trained teacher's."""

import logging
from collections.abc import Mapping
from urllib.error import URLError

import torch
from torch import Tensor, nn

from distilpose.models.hrnet import HRNet
from distilpose.models.resnet import ResNet

_log = logging.getLogger(__name__)

# The files mmpose's configurations start from; the hexadecimal part of each name begins its SHA-256.
_IMAGENET = {
    ("hrnet", 32): "https://download.openmmlab.com/mmpose/pretrain_models/hrnet_w32-36af842e.pth",
    ("hrnet", 48): "https://download.openmmlab.com/mmpose/pretrain_models/hrnet_w48-8ef0771d.pth",
    ("resnet50", 64): "https://download.pytorch.org/models/resnet50-0676ba61.pth",
    ("resnet101", 64): "https://download.pytorch.org/models/resnet101-63fe2227.pth",
    ("resnet152", 64): "https://download.pytorch.org/models/resnet152-394f9c45.pth",
}
_MAY_BE_FRESH = ("layer1.", "transition1.", "incre_modules.", "downsamp_modules.", "final_layer.")


class WarmStartError(ValueError):
    """The backbone cannot start from there."""


def load_imagenet(model: nn.Module, *, directory: str | None = None) -> tuple[str, ...]:
    """Start the model's backbone from ImageNet; return the names of the parts that keep their fresh start.

    The file is downloaded once into torch hub's cache, or into `directory`, and its checksum compared; it is read with
    `weights_only=True`. Parts may stay fresh where the model's first layer is not the standard one (HRNet-W32 with 32
    middle channels), or the file lacks HRNet's merged branches: everything else must be there.

    Raises:
        WarmStartError: there are no such weights for this backbone, or they cannot be had.

    """
    backbone = model.get_submodule("backbone")
    if isinstance(backbone, HRNet):
        kind = ("hrnet", backbone.width)
    elif isinstance(backbone, ResNet):
        kind = (backbone.name, backbone.conv1.out_channels)
    else:
        kind = (type(backbone).__name__, 0)
    if kind not in _IMAGENET:
        known = ", ".join(f"{name} of width {width}" for name, width in _IMAGENET)
        raise WarmStartError(
            f"init: ImageNet weights exist for {known}, got {kind[0]} of width {kind[1]}; start it fresh"
        )
    url = _IMAGENET[kind]
    try:
        state = torch.hub.load_state_dict_from_url(
            url, model_dir=directory, map_location="cpu", check_hash=True, weights_only=True, progress=False
        )
    except (OSError, URLError) as error:
        where = directory or f"{torch.hub.get_dir()}/checkpoints"
        raise WarmStartError(
            f"init: the ImageNet weights could not be downloaded from {url} ({error}); go online once, or put the file "
            f"into {where}"
        ) from error
    except RuntimeError as error:
        raise WarmStartError(f"init: the file from {url} is not the published one: {error}") from error
    state = state.get("state_dict", state)
    fresh = tuple(
        name
        for name, value in backbone.state_dict().items()
        if not name.endswith("num_batches_tracked")  # older files do not count batches
        and (name not in state or state[name].shape != value.shape)
    )
    bad = [name for name in fresh if not name.startswith(_MAY_BE_FRESH)]
    if bad:
        raise WarmStartError(f"init: {url} lacks {len(bad)} parts of this backbone, such as {bad[0]}; start it fresh")
    _copy(backbone, {name: value for name, value in state.items() if name not in fresh})
    if fresh:
        _log.warning(
            "%d parts of the backbone are not those of ImageNet's and start fresh: %s ...", len(fresh), fresh[0]
        )
    return fresh


def load_part(model: nn.Module, source: Mapping[str, Tensor], part: str) -> None:
    """Copy the `backbone`, or the `trunk`, all but the head, out of a trained model's `state_dict` into `model`.

    A teacher's backbone may go on further than its student's (HRNet of four stages and of three): what the student does
    not have is left.

    Raises:
        WarmStartError: a part of the model is not there, or has another shape; nothing is copied then.

    """
    if not isinstance(getattr(model, "head" if part == "trunk" else part, None), nn.Module):
        raise WarmStartError(f"init: {type(model).__name__} has no {part} to start; use fresh")
    found = {}
    for name, value in model.state_dict().items():
        if name.startswith("head.") if part == "trunk" else not name.startswith("backbone."):
            continue
        if name not in source:
            raise WarmStartError(f"init: the other model has no {name}; give both the same {part}")
        if source[name].shape != value.shape:
            raise WarmStartError(
                f"init: {name} is {tuple(source[name].shape)} in the other model and {tuple(value.shape)} in this one; "
                f"give both the same {part}"
            )
        found[name] = source[name]
    _copy(model, found)


@torch.no_grad()
def _copy(backbone: nn.Module, state: Mapping[str, Tensor]) -> None:
    for name, value in backbone.state_dict().items():
        if name in state:
            value.copy_(state[name])
