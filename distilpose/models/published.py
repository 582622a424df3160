"""The published models as numbers, and a model by its name. Imports no torch."""

from dataclasses import replace
from typing import Any, Literal

from distilpose.heads import SWITCHES
from distilpose.models.spec import (
    GIVEN,
    MMPOSE,
    SIZES,
    STRIDE,
    TIMM,
    ModelSpec,
    Published,
    faults_together,
    option_faults,
    with_head,
)
from distilpose.parts.naming import nearest
from distilpose.parts.own import OwnPart

_STEMNET = ModelSpec(name="", head="heatmap", backbone="stemnet")
_HRNET = replace(_STEMNET, backbone="hrnet", stages=3, multiple=16, width=48, stem=64, mid=64)
_BARE = replace(_STEMNET, dim=0, depth=0, heads=0, patch=(0, 0))
_RESNET = replace(_BARE, backbone="resnet50", stages=4, multiple=32)
_BARE_HRNET = replace(_BARE, backbone="hrnet", stages=4, multiple=32, width=48, stem=64, mid=64)
_TRANSPOSE_H = replace(_BARE_HRNET, head="transpose", stages=3, multiple=16)
_DISTILLED = {"score": True, "sigma": True}


def _transpose_h(d_model: int, layers: int) -> dict[str, int]:
    return {"d_model": d_model, "layers": layers, "nhead": 1, "dim_feedforward": 2 * d_model}


_SPECS = (
    replace(
        _STEMNET,
        name="distilpose_s",
        head="regression",
        head_options=_DISTILLED,
        published=Published(parameters_m=5.36, gflops=2.38, ap=71.6, fps=40.2),
    ),
    replace(
        _HRNET,
        name="distilpose_l",
        head="regression",
        head_options=_DISTILLED,
        published=Published(parameters_m=21.27, gflops=10.33, ap=74.4, fps=13.4),
    ),
    replace(_STEMNET, name="base_stemnet", head="regression", published=Published(ap=56.0)),
    replace(_HRNET, name="base_hr48_3stage", head="regression", published=Published(ap=63.0)),
    replace(
        _HRNET,
        name="teacher_tokenpose_l",
        stages=4,
        multiple=32,
        published=Published(parameters_m=69.41, gflops=17.03, ap=75.2, fps=7.8),
    ),
    replace(_STEMNET, name="teacher_stemnet"),
    replace(_STEMNET, name="tokenpose_t", backbone="image", width=3, heads=16, patch=(16, 12)),
    replace(_STEMNET, name="tokenpose_s"),
    replace(_STEMNET, name="tokenpose_s_v2", patch=(2, 2)),
    replace(_HRNET, name="tokenpose_hr32_stage3", width=32, mid=32),
    replace(_HRNET, name="tokenpose_hr48_stage3_d6", depth=6),
    replace(_STEMNET, name="sdpose_t", depth=6, cycles=3, published=Published(parameters_m=4.4, gflops=1.8, ap=69.7)),
    replace(_STEMNET, name="sdpose_s_v1", cycles=2, published=Published(parameters_m=6.6, gflops=2.4, ap=72.3)),
    replace(
        _STEMNET,
        name="sdpose_s_v2",
        patch=(2, 2),
        cycles=2,
        published=Published(parameters_m=6.2, gflops=4.7, ap=73.5),
    ),
    # Its first layer has 32 middle channels where a standard HRNet has 64: the published 13.2M includes that.
    replace(
        _HRNET,
        name="sdpose_b",
        width=32,
        mid=32,
        cycles=2,
        published=Published(parameters_m=13.2, gflops=5.2, ap=73.7),
    ),
    replace(_RESNET, name="deeppose_r50", head="regression", multiple=STRIDE, published=Published(ap=52.6)),
    replace(_RESNET, name="simplebaseline_r50", published=Published(parameters_m=34.0, gflops=8.9, ap=70.4)),
    replace(
        _RESNET,
        name="simplebaseline_r101",
        backbone="resnet101",
        published=Published(parameters_m=53.0, gflops=12.4, ap=71.4),
    ),
    replace(
        _RESNET,
        name="simplebaseline_r152",
        backbone="resnet152",
        published=Published(parameters_m=68.6, gflops=15.7, ap=72.0),
    ),
    replace(_BARE_HRNET, name="hrnet_w32", width=32, published=Published(parameters_m=28.5, gflops=7.1, ap=74.4)),
    replace(_BARE_HRNET, name="hrnet_w48", published=Published(parameters_m=63.6, gflops=14.6, ap=75.1)),
    replace(
        _RESNET,
        name="transpose_r_a3",
        head="transpose",
        stages=2,
        multiple=8,
        published=Published(parameters_m=5.0, gflops=5.4, ap=71.5),
    ),
    replace(
        _RESNET,
        name="transpose_r_a4",
        head="transpose",
        head_options={"layers": 4},
        stages=2,
        multiple=8,
        published=Published(parameters_m=6.0, gflops=8.9, ap=72.6),
    ),
    replace(
        _RESNET,
        name="rle_r50",
        head="rle",
        multiple=STRIDE,
        published=Published(parameters_m=23.6, gflops=4.04, ap=70.5),
    ),
    replace(
        _BARE_HRNET,
        name="rle_w48",
        head="rle",
        merged=True,
        published=Published(parameters_m=75.6, gflops=15.76, ap=74.2),
    ),
    replace(
        _RESNET,
        name="prtr_r50",
        head="prtr",
        head_options={"frozen": True},
        published=Published(parameters_m=41.5, gflops=5.45, ap=63.7),
    ),
    replace(
        _BARE_HRNET,
        name="prtr_w32",
        head="prtr",
        width=32,
        merged=True,
        published=Published(parameters_m=57.2, gflops=10.23, ap=72.9),
    ),
    replace(
        _TRANSPOSE_H,
        name="transpose_h_w32_a4",
        width=32,
        head_options=_transpose_h(64, 4),
        published=Published(parameters_m=8.0, gflops=10.2, ap=74.2),
    ),
    replace(
        _TRANSPOSE_H,
        name="transpose_h_w48_a4",
        head_options=_transpose_h(96, 4),
        published=Published(parameters_m=17.3, gflops=17.5, ap=75.3),
    ),
    replace(
        _TRANSPOSE_H,
        name="transpose_h_w48_a6",
        head_options=_transpose_h(96, 6),
        published=Published(parameters_m=17.5, gflops=21.8, ap=75.8),
    ),
)

MODELS: dict[str, ModelSpec] = {spec.name: spec for spec in _SPECS}
"""Every model by name, at its published size."""


def find_spec(name: str, own: OwnPart | None = None) -> ModelSpec:
    """Return the published model of this name; `timm:NAME` is any backbone of timm, without tokens.

    A user's `own` is a whole model where it says what it gives, else a backbone. What mmpose builds is whole.

    Raises:
        ValueError: there is none; the message names the nearest and lists all.

    """
    if name in MODELS:
        return MODELS[name]
    bare = ModelSpec(name=name, head="regression", backbone="timm", width=0, dim=0, depth=0, heads=0, patch=(0, 0))
    if own is not None:
        head = "regression" if own.gives is None else ""
        backbone: Literal["mmpose", "own"] = "mmpose" if name.startswith(MMPOSE) else "own"
        options = {} if head else dict.fromkeys(SWITCHES, True)
        return replace(bare, name=own.title, backbone=backbone, head=head, own=own, head_options=options)
    if name.startswith(TIMM):
        return replace(bare, multiple=32)
    known = "must be a model of ours, timm:NAME, mmpose:CONFIG.py, or FILE.py:NAME of your own"
    raise ValueError(f"model: {known}, got {name!r}; {nearest(name, MODELS)}")


def resolve_spec(
    name: str,
    *,
    head: str | None = None,
    own: OwnPart | None = None,
    own_head: OwnPart | None = None,
    **options: Any,
) -> ModelSpec:
    """Return the published model with these options; None keeps what is published.

    Options are `joints`, `input_size` (width, height), the `SIZES`, and those of the model's head. A narrower HRNet
    also wants a narrower `stem`: its first layer's middle channels keep their published ratio to it. A user's own code
    has the options of its signature, which are not looked at again here.

    Raises:
        ValueError: the name is unknown, a size cannot be built, or an option means nothing to this model.

    """
    spec = with_head(find_spec(name, own), head, own_head)
    chosen = {option: value for option, value in options.items() if value is not None}
    of_own = {name for part in (own, own_head) if part is not None for name in part.options}
    own_options = {option: chosen.pop(option) for option in [*chosen] if option in of_own}
    for option, rule in option_faults(spec, chosen).items():
        raise ValueError(f"{option}: {rule}")
    of_head = {option: chosen.pop(option) for option in [*chosen] if option not in (*GIVEN, *SIZES)}
    if "stem" in chosen:
        chosen["mid"] = max(1, chosen["stem"] * spec.mid // spec.stem)
    sizes: dict[str, Any] = {
        option: tuple(value) if isinstance(value, list) else value for option, value in chosen.items()
    }
    resolved = replace(spec, **sizes, head_options={**spec.head_options, **of_head}, own_options=own_options)
    for option, rule in faults_together(resolved):
        raise ValueError(f"{option}: {rule}")
    return resolved
