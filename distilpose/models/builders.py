"""From a model's name and sizes to the model: the published numbers are pinned in `specs`, the parts wired here."""

from typing import Any

import torch
from torch import nn

from distilpose.heads import HEADS, load
from distilpose.models.encoder import TokenEncoder
from distilpose.models.hrnet import HRNet
from distilpose.models.init import initialise
from distilpose.models.resnet import ResNet50
from distilpose.models.specs import TIMM, ModelSpec, resolve_spec
from distilpose.models.stemnet import StemNet
from distilpose.models.token_models import TokenModel


def build_model(name: str, *, generator: torch.Generator | None = None, **options: Any) -> nn.Module:
    """Return the model of this name, freshly initialised, with the options of `resolve_spec`; None: as published.

    The start is drawn from `generator`, or is that of seed 0.

    Raises:
        ValueError: the name is unknown, a size cannot be built, or an option means nothing to this model.

    """
    spec = resolve_spec(name, **options)
    seed = 0
    if generator is not None:
        seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
    return build_from_spec(spec, seed=seed)


def build_from_spec(spec: ModelSpec, *, seed: int = 0) -> nn.Module:
    """Return the model these numbers describe, initialised from `seed`."""
    # Modules draw their defaults from the global generator on being made; what is drawn is thrown away.
    with torch.random.fork_rng(devices=[]):
        model = _wire(spec)
    initialise(model, seed)
    # Convolutions on a CPU take less time with the channels last: `distilpose bench step`.
    return model.to(memory_format=torch.channels_last)


def weight_shapes(spec: ModelSpec) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the model's weights by name, without making the model: it may be one of any size."""
    with torch.device("meta"):
        return {name: tuple(value.shape) for name, value in _wire(spec).state_dict().items()}


def _wire(spec: ModelSpec) -> nn.Module:
    head = HEADS[spec.head]
    backbone, channels = _backbone(spec)
    if not spec.has_tokens:
        model: nn.Module = load(head.on_features)(backbone, channels, spec.joints, **spec.head_options)
        return model
    encoder = TokenEncoder(
        channels=channels,
        features_size=spec.features_size,
        patch=spec.patch,
        joints=spec.joints,
        dim=spec.dim,
        depth=spec.depth,
        heads=spec.heads,
    )
    reader = load(head.on_tokens)(spec.dim, spec.heatmap_size, **spec.head_options)
    return TokenModel(backbone, encoder, reader, cycles=spec.cycles)


def _backbone(spec: ModelSpec) -> tuple[nn.Module, int]:
    if spec.backbone == "resnet50":
        resnet = ResNet50(spec.width)
        return resnet, resnet.channels
    if spec.backbone == "stemnet":
        stemnet = StemNet(spec.width)
        return stemnet, stemnet.channels
    if spec.backbone == "image":
        return nn.Identity(), 3
    if spec.backbone == "timm":
        from distilpose.models.timm_backbone import TimmBackbone

        features = TimmBackbone(spec.name.removeprefix(TIMM))
        if HEADS[spec.head].teaches and features.stride != spec.multiple:
            raise ValueError(
                f"model: a heatmap head needs features of stride {spec.multiple}, {spec.name} gives {features.stride}"
            )
        return features, features.channels
    hrnet = HRNet(width=spec.width, stages=spec.stages, stem=spec.stem, mid=spec.mid)
    return hrnet, hrnet.channels
