"""From a model's name and sizes to the model: the published numbers are pinned in `specs`, the parts wired here."""

import torch
from torch import nn

from distilpose.models.encoder import TokenEncoder
from distilpose.models.heads import HeatmapHead, RegressionHead
from distilpose.models.hrnet import HRNet
from distilpose.models.init import initialise
from distilpose.models.resnet import DeepPose, ResNet50, SimpleBaseline
from distilpose.models.specs import MODELS, ModelShape, ModelSpec, model_shape, resolve_spec
from distilpose.models.stemnet import StemNet
from distilpose.models.token_models import TokenHeatmapper, TokenRegressor

__all__ = ["MODELS", "ModelShape", "ModelSpec", "build_from_spec", "build_model", "model_shape"]


def build_model(
    name: str,
    *,
    joints: int | None = None,
    input_size: tuple[int, int] | None = None,
    width: int | None = None,
    stem: int | None = None,
    dim: int | None = None,
    depth: int | None = None,
    heads: int | None = None,
    patch: tuple[int, int] | None = None,
    cycles: int | None = None,
    score: bool | None = None,
    sigma: bool | None = None,
    generator: torch.Generator | None = None,
) -> nn.Module:
    """Return the model of this name, freshly initialised; None keeps a published number (17 joints, 192x256, ...).

    `input_size` is (width, height); `width` the backbone's channels (StemNet's stem, HRNet's first branch), `stem` the
    stem's of an HRNet; `patch` the (rows, columns) of features in a token; `cycles` of the sdpose models; `score` and
    `sigma` whether a student's head has these outputs. The start is drawn from `generator`, or is that of seed 0.

    Raises:
        ValueError: the name is unknown, a size cannot be built, or an option means nothing to this model.

    """
    spec = resolve_spec(
        name,
        joints=joints,
        input_size=input_size,
        width=width,
        stem=stem,
        dim=dim,
        depth=depth,
        heads=heads,
        patch=patch,
        cycles=cycles,
        score=score,
        sigma=sigma,
    )
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
    if spec.backbone == "resnet50":
        resnet = ResNet50(spec.width)
        if spec.role == "student":
            return DeepPose(resnet, joints=spec.joints, score=spec.score, sigma=spec.sigma)
        return SimpleBaseline(resnet, joints=spec.joints)
    backbone, channels = _backbone(spec)
    encoder = TokenEncoder(
        channels=channels,
        features_size=spec.features_size,
        patch=spec.patch,
        joints=spec.joints,
        dim=spec.dim,
        depth=spec.depth,
        heads=spec.heads,
    )
    if spec.role == "student":
        return TokenRegressor(backbone, encoder, RegressionHead(spec.dim, score=spec.score, sigma=spec.sigma))
    head = HeatmapHead(spec.dim, hidden=spec.hidden, heatmap_size=spec.heatmap_size)
    return TokenHeatmapper(backbone, encoder, head, cycles=spec.cycles)


def _backbone(spec: ModelSpec) -> tuple[nn.Module, int]:
    if spec.backbone == "stemnet":
        stemnet = StemNet(spec.width)
        return stemnet, stemnet.channels
    if spec.backbone == "image":
        return nn.Identity(), 3
    hrnet = HRNet(width=spec.width, stages=spec.stages, stem=spec.stem, mid=spec.mid)
    return hrnet, hrnet.channels
