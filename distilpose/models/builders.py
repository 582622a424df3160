"""From a model's name and sizes to the model: the published numbers are pinned in `specs`, the parts wired here."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from distilpose.data.skeleton import Skeleton
from distilpose.heads import HEADS, SWITCHES, load, signature_of
from distilpose.models.encoder import TokenEncoder
from distilpose.models.hrnet import HRNet
from distilpose.models.init import initialise
from distilpose.models.own_models import OwnBackbone, WithHead, check_output, made
from distilpose.models.published import resolve_spec
from distilpose.models.resnet import ResNet
from distilpose.models.spec import RESNETS, TIMM, ModelSpec
from distilpose.models.stemnet import StemNet
from distilpose.models.token_models import TokenModel
from distilpose.parts.load import load_own
from distilpose.parts.own import OwnPart


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


def build_from_spec(
    spec: ModelSpec, *, seed: int = 0, parts: Path | None = None, skeleton: Skeleton | None = None
) -> nn.Module:
    """Return the model these numbers describe, initialised from `seed`: a user's own code as it initialises itself.

    Args:
        spec: the numbers.
        seed: of the start.
        parts: the folder of the kept copies of users' own code.
        skeleton: the data's joints, for own code that asks for them.

    Raises:
        ValueError: a user's own code is not there, fails, or is no model as it says.
    """
    # Modules draw their defaults from the global generator on being made; what is drawn is thrown away.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        model = _wire(spec, seed, parts, skeleton)
        kept = (*(("backbone",) if spec.own else ()), *(("head",) if spec.own_head else ()))
        initialise(model, seed, keep=("",) if spec.is_whole else kept)
        # Convolutions on a CPU take less time with the channels last: `distilpose bench step`.
        model = model.to(memory_format=torch.channels_last)
        if spec.backbone in ("own", "mmpose", "timm") or spec.own_head is not None:
            check_output(model, spec)
    return model


def weight_shapes(spec: ModelSpec) -> dict[str, tuple[int, ...]]:
    """Return the shapes of the weights of a model of ours by name, without making it: it may be one of any size."""
    with torch.device("meta"):
        return {name: tuple(value.shape) for name, value in _wire(spec, 0, None, None).state_dict().items()}


def _wire(spec: ModelSpec, seed: int, parts: Path | None, skeleton: Skeleton | None) -> nn.Module:
    given = {
        "joints": spec.joints,
        "input_size": spec.input_size,
        "heatmap_size": spec.heatmap_size,
        "skeleton": skeleton,
        "dim": spec.dim,
        **{switch: spec.head_options.get(switch, False) for switch in SWITCHES},
    }
    of_head = {name: value for name, value in spec.head_options.items() if name not in SWITCHES}

    def own(part: OwnPart, **more: Any) -> nn.Module:
        torch.default_generator.manual_seed(seed)  # the same start, whatever was made before
        options = {name: spec.own_options[name] for name in part.options}
        return made(load_own(parts, part), part.title, _asked(part.asks, {**given, **more}), options)

    if spec.backbone == "mmpose":
        from distilpose.integrations.mmpose_student import build_student

        assert spec.own is not None
        assert parts is not None, spec.name
        return build_student(parts / spec.own.code / spec.own.name, joints=spec.joints, input_size=spec.input_size)
    if spec.is_whole:
        assert spec.own is not None
        return own(spec.own)
    backbone, channels = _backbone(spec, own)
    head = HEADS[spec.head] if spec.head else None
    if not spec.has_tokens:
        if head is None:
            assert spec.own_head is not None
            return WithHead(backbone, own(spec.own_head, channels=channels))
        model: nn.Module = load(head.on_features)(
            **_asked(signature_of(head.on_features).asks, {**given, "backbone": backbone, "channels": channels}),
            **of_head,
        )
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
    if head is None:
        assert spec.own_head is not None
        reader = own(spec.own_head)
    else:
        reader = load(head.on_tokens)(**_asked(signature_of(head.on_tokens).asks, given), **of_head)
    return TokenModel(backbone, encoder, reader, cycles=spec.cycles)


def _asked(asks: Collection[str], given: Mapping[str, Any]) -> dict[str, Any]:
    return {ask: given[ask] for ask in asks}


def _backbone(spec: ModelSpec, own: Callable[[OwnPart], nn.Module]) -> tuple[nn.Module, int]:
    if spec.own is not None:
        features = OwnBackbone(own(spec.own), spec.own.title, spec.input_size)
        return features, features.channels
    if spec.backbone in RESNETS:
        resnet = ResNet(spec.backbone, spec.width, spec.stages)
        return resnet, resnet.channels
    if spec.backbone == "stemnet":
        stemnet = StemNet(spec.width)
        return stemnet, stemnet.channels
    if spec.backbone == "image":
        return nn.Identity(), 3
    if spec.backbone == "timm":
        from distilpose.models.timm_backbone import TimmBackbone

        net = TimmBackbone(spec.name.removeprefix(TIMM))
        return net, net.channels
    hrnet = HRNet(width=spec.width, stages=spec.stages, stem=spec.stem, mid=spec.mid, merged=spec.merged)
    return hrnet, hrnet.channels
