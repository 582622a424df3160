"""The published models as numbers, and what any size of them looks like from outside. Imports no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le

from distilpose.heads import HEADS

TIMM = "timm:"
STRIDE = 4
"""Every heatmap, and every backbone's features, are a quarter of the input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The figures a paper prints beside a model: millions of parameters, GFLOPs, and AP on COCO val2017 at 256x192."""

    parameters_m: float | None = None
    gflops: float | None = None
    ap: float | None = None
    fps: float | None = None


_Count = Annotated[int, Ge(1), Le(10_000)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """The sizes of a model that may be chosen; None keeps the published number."""

    width: _Count | None = None
    """StemNet and ResNet: channels of the stem. HRNet: channels of the first branch."""
    dim: _Count | None = None
    depth: _Count | None = None
    heads: _Count | None = None
    patch: tuple[_Count, _Count] | None = None
    """(rows, columns) of features in a token."""
    stem: _Count | None = None
    """HRNet only: channels of its stem."""
    cycles: _Count | None = None
    """SDPose only: in how many cycles the encoder is trained."""

    @property
    def chosen(self) -> dict[str, Any]:
        """The sizes that are not None, as options of `resolve_spec`."""
        values = {name: getattr(self, name) for name in SIZES}
        return {name: value for name, value in values.items() if value is not None}


SIZES = tuple(size.name for size in fields(Sizes))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """A model as numbers. Sizes are (width, height), `patch` is (rows, columns) of features; 0 where it has none."""

    name: str
    head: str
    """Of `HEADS`."""
    backbone: Literal["stemnet", "hrnet", "image", "resnet50", "timm"]
    multiple: int = STRIDE
    """Width and height of the input must be multiples of it, so that what was halved meets again: ResNet-50's features
    in the heatmaps, HRNet's branches in each other."""
    stages: int = 0
    """HRNet only: 4, or 3 to stop after stage 3, whose last module then fuses into the first branch alone."""
    width: int = 64
    """Of the image itself: 3; see `Sizes` for this and the next."""
    stem: int = 0
    mid: int = 0
    """HRNet only: middle channels of its first layer's bottlenecks."""
    dim: int = 192
    depth: int = 12
    heads: int = 8
    patch: tuple[int, int] = (4, 3)
    cycles: int = 1
    head_options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Of those that its head has; one that is not here has the head's default."""
    joints: int = 17
    input_size: tuple[int, int] = (192, 256)
    published: Published = Published()

    @property
    def role(self) -> Literal["student", "teacher"]:
        """A student returns coordinates, a teacher heatmaps."""
        return "teacher" if HEADS[self.head].teaches else "student"

    @property
    def score(self) -> bool:
        """Whether a regression head has a score output."""
        return bool(self.head_options.get("score"))

    @property
    def sigma(self) -> bool:
        """Whether a regression head has sigma outputs."""
        return bool(self.head_options.get("sigma"))

    @property
    def has_tokens(self) -> bool:
        """Whether the model has keypoint and visual tokens."""
        return self.dim > 0

    @property
    def features_size(self) -> tuple[int, int]:
        """(width, height) of what the tokens are cut from."""
        return self.input_size if self.backbone == "image" else self.heatmap_size

    @property
    def heatmap_size(self) -> tuple[int, int]:
        """(width, height) of the heatmaps it returns, or that its sigmas are counted in."""
        return self.input_size[0] // STRIDE, self.input_size[1] // STRIDE

    @property
    def visual_tokens(self) -> int:
        """How many visual tokens there are."""
        if not self.has_tokens:
            return 0
        width, height = self.features_size
        return (width // self.patch[1]) * (height // self.patch[0])

    @property
    def hidden(self) -> int:
        """Width of the heatmap head's middle layer: twice the tokens' (published: 384)."""
        return 2 * self.dim


_STEMNET = ModelSpec(name="", head="heatmap", backbone="stemnet")
_HRNET = replace(_STEMNET, backbone="hrnet", stages=3, multiple=16, width=48, stem=64, mid=64)
_RESNET = replace(_STEMNET, backbone="resnet50", dim=0, depth=0, heads=0, patch=(0, 0))
_DISTILLED = {"score": True, "sigma": True}

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
    replace(_RESNET, name="deeppose_r50", head="regression", published=Published(ap=52.6)),
    replace(_RESNET, name="simplebaseline_r50", multiple=32, published=Published(ap=70.4)),
)

MODELS: dict[str, ModelSpec] = {spec.name: spec for spec in _SPECS}
"""Every model by name, at its published size."""


def find_spec(name: str) -> ModelSpec:
    """Return the published model of this name; `timm:NAME` is any backbone of timm, without tokens.

    Raises:
        ValueError: there is none; the message names the nearest and lists all.

    """
    if name in MODELS:
        return MODELS[name]
    if name.startswith(TIMM):
        return ModelSpec(
            name=name,
            head="regression",
            backbone="timm",
            multiple=32,
            width=0,
            dim=0,
            depth=0,
            heads=0,
            patch=(0, 0),
        )
    near = get_close_matches(name, MODELS, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}? " if near else ""
    raise ValueError(f"model: must be one of the known models, got {name!r}; {hint}Known: {', '.join(MODELS)}")


def known_options() -> tuple[str, ...]:
    """Return the names of all that `resolve_spec` takes, of whatever model."""
    return ("joints", "input_size", *SIZES, *dict.fromkeys(name for head in HEADS.values() for name in head.options))


def resolve_spec(name: str, **options: Any) -> ModelSpec:
    """Return the published model with these options; None keeps what is published.

    Options are the `head` (of timm's backbones alone), `joints`, `input_size` (width, height), the `Sizes`, and
    those of the model's head (`HEADS`). A narrower HRNet also wants a narrower `stem`: its first layer's middle
    channels keep their published ratio to it.

    Raises:
        ValueError: the name is unknown, a size cannot be built, or an option means nothing to this model.

    """
    spec = find_spec(name)
    head = options.pop("head", None)
    if head is not None:
        if spec.backbone != "timm":
            raise ValueError(f"head: means nothing to {name} (its head is {spec.head}), got {head!r}; leave it out")
        if head not in HEADS:
            raise ValueError(f"head: must be one of {', '.join(HEADS)}, got {head!r}")
        spec = replace(spec, head=head)
    chosen = {option: value for option, value in options.items() if value is not None}
    for option, value in chosen.items():
        reason = _meaningless(spec, option)
        if reason:
            raise ValueError(f"{option}: means nothing to {name} ({reason}), got {value!r}; leave it out")
        if option in ("joints", *SIZES) and isinstance(value, int) and value < 1:
            raise ValueError(f"{option}: must be at least 1, got {value}")
    of_head = {option: chosen.pop(option) for option in HEADS[spec.head].options if option in chosen}
    if "stem" in chosen:
        chosen["mid"] = max(1, chosen["stem"] * spec.mid // spec.stem)
    resolved = replace(spec, **chosen, head_options={**spec.head_options, **of_head})
    _check(resolved)
    return resolved


def _meaningless(spec: ModelSpec, option: str) -> str:
    """Return why an option says nothing about this model, or nothing."""
    if option not in known_options():
        return f"options are {', '.join(known_options())}"
    if option not in ("joints", "input_size", *SIZES, *HEADS[spec.head].options):
        return f"its head is {spec.head}"
    reasons = {"cycles": "only the sdpose models run in cycles"} if spec.cycles == 1 else {}
    if not spec.has_tokens:
        reasons |= dict.fromkeys(("dim", "depth", "heads", "patch"), "it has no tokens")
    if spec.backbone in ("image", "timm"):
        reasons["width"] = "its backbone has one width"
    if spec.backbone != "hrnet":
        reasons["stem"] = "only HRNet has a stem apart from its width"
    return reasons.get(option, "")


def _check(spec: ModelSpec) -> None:
    if any(size < spec.multiple or size % spec.multiple for size in spec.input_size):
        raise ValueError(
            f"input_size: width and height must be multiples of {spec.multiple} for {spec.name}, got {spec.input_size}"
        )
    if not spec.has_tokens:
        return
    if spec.dim % 4 or spec.dim % spec.heads:
        raise ValueError(
            f"dim: must be a multiple of 4 and of heads ({spec.heads}), got {spec.dim}; change dim or heads"
        )
    width, height = spec.features_size
    rows, columns = spec.patch
    if rows < 1 or columns < 1 or height % rows or width % columns:
        raise ValueError(
            f"patch: (rows, columns) must divide the {height} rows and {width} columns of the features, "
            f"got {spec.patch}; change patch or input_size"
        )
