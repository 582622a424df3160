"""The published models as numbers, and what any size of them looks like from outside. Imports no torch."""

from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Literal

STRIDE = 4
"""Every heatmap, and every backbone's features, are a quarter of the input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The figures a paper prints beside a model: millions of parameters, GFLOPs, and AP on COCO val2017 at 256x192."""

    parameters_m: float | None = None
    gflops: float | None = None
    ap: float | None = None
    fps: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """A model as numbers. Sizes are (width, height), `patch` is (rows, columns) of features; 0 where it has none."""

    name: str
    role: Literal["student", "teacher"]
    """A student returns coordinates, a teacher heatmaps."""
    backbone: Literal["stemnet", "hrnet", "image", "resnet50"]
    stages: int = 0
    """HRNet only: 4, or 3 to stop after stage 3, whose last module then fuses into the first branch alone."""
    width: int = 64
    """StemNet and ResNet: channels of the stem. HRNet: channels of the first branch. The image itself: 3."""
    stem: int = 0
    """HRNet only: channels of its stem."""
    mid: int = 0
    """HRNet only: middle channels of its first layer's bottlenecks."""
    dim: int = 192
    depth: int = 12
    heads: int = 8
    patch: tuple[int, int] = (4, 3)
    cycles: int = 1
    score: bool = False
    sigma: bool = False
    joints: int = 17
    input_size: tuple[int, int] = (192, 256)
    published: Published = Published()

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelShape:
    """What two models must share for one to teach the other: known from the numbers alone, nothing is built."""

    role: Literal["student", "teacher"]
    joints: int
    dim: int
    visual_tokens: int
    heatmap_size: tuple[int, int]

    @property
    def has_tokens(self) -> bool:
        """Whether there are tokens to distil."""
        return self.dim > 0


def _spec(
    name: str,
    role: Literal["student", "teacher"],
    backbone: Literal["stemnet", "hrnet", "image"],
    *,
    width: int = 64,
    stages: int = 0,
    mid: int = 64,
    depth: int = 12,
    heads: int = 8,
    patch: tuple[int, int] = (4, 3),
    cycles: int = 1,
    distilled: bool = False,
    published: Published = Published(),
) -> ModelSpec:
    hrnet = backbone == "hrnet"
    return ModelSpec(
        name=name,
        role=role,
        backbone=backbone,
        stages=stages,
        width=width,
        stem=64 if hrnet else 0,
        mid=mid if hrnet else 0,
        depth=depth,
        heads=heads,
        patch=patch,
        cycles=cycles,
        score=distilled,
        sigma=distilled,
        published=published,
    )


def _resnet(name: str, role: Literal["student", "teacher"], published: Published) -> ModelSpec:
    return ModelSpec(
        name=name,
        role=role,
        backbone="resnet50",
        width=64,
        dim=0,
        depth=0,
        heads=0,
        patch=(0, 0),
        published=published,
    )


_SPECS = (
    _spec(
        "distilpose_s",
        "student",
        "stemnet",
        distilled=True,
        published=Published(parameters_m=5.36, gflops=2.38, ap=71.6, fps=40.2),
    ),
    _spec(
        "distilpose_l",
        "student",
        "hrnet",
        width=48,
        stages=3,
        distilled=True,
        published=Published(parameters_m=21.27, gflops=10.33, ap=74.4, fps=13.4),
    ),
    _spec("base_stemnet", "student", "stemnet", published=Published(ap=56.0)),
    _spec("base_hr48_3stage", "student", "hrnet", width=48, stages=3, published=Published(ap=63.0)),
    _spec(
        "teacher_tokenpose_l",
        "teacher",
        "hrnet",
        width=48,
        stages=4,
        published=Published(parameters_m=69.41, gflops=17.03, ap=75.2, fps=7.8),
    ),
    _spec("teacher_stemnet", "teacher", "stemnet"),
    _spec("tokenpose_t", "teacher", "image", width=3, heads=16, patch=(16, 12)),
    _spec("tokenpose_s", "teacher", "stemnet"),
    _spec("tokenpose_s_v2", "teacher", "stemnet", patch=(2, 2)),
    _spec("tokenpose_hr32_stage3", "teacher", "hrnet", width=32, stages=3, mid=32),
    _spec("tokenpose_hr48_stage3_d6", "teacher", "hrnet", width=48, stages=3, depth=6),
    _spec(
        "sdpose_t",
        "teacher",
        "stemnet",
        depth=6,
        cycles=3,
        published=Published(parameters_m=4.4, gflops=1.8, ap=69.7),
    ),
    _spec("sdpose_s_v1", "teacher", "stemnet", cycles=2, published=Published(parameters_m=6.6, gflops=2.4, ap=72.3)),
    _spec(
        "sdpose_s_v2",
        "teacher",
        "stemnet",
        patch=(2, 2),
        cycles=2,
        published=Published(parameters_m=6.2, gflops=4.7, ap=73.5),
    ),
    # Its first layer has 32 middle channels where a standard HRNet has 64: the published 13.2M includes that.
    _spec(
        "sdpose_b",
        "teacher",
        "hrnet",
        width=32,
        stages=3,
        mid=32,
        cycles=2,
        published=Published(parameters_m=13.2, gflops=5.2, ap=73.7),
    ),
    _resnet("deeppose_r50", "student", Published(ap=52.6)),
    _resnet("simplebaseline_r50", "teacher", Published(ap=70.4)),
)

MODELS: dict[str, ModelSpec] = {spec.name: spec for spec in _SPECS}
"""Every model by name, at its published size."""


def find_spec(name: str) -> ModelSpec:
    """Return the published model of this name.

    Raises:
        ValueError: there is none; the message names the nearest and lists all.

    """
    if name in MODELS:
        return MODELS[name]
    near = get_close_matches(name, MODELS, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}? " if near else ""
    raise ValueError(f"model: must be one of the known models, got {name!r}; {hint}Known: {', '.join(MODELS)}")


def resolve_spec(
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
) -> ModelSpec:
    """Return the published model with the sizes given here; None keeps the published number.

    A narrower HRNet also wants a narrower `stem`: its first layer's middle channels keep their published ratio to it.

    Raises:
        ValueError: the name is unknown, a size cannot be built, or an option means nothing to this model.

    """
    spec = find_spec(name)
    tokens_only: dict[str, object] = {"dim": dim, "depth": depth, "heads": heads, "patch": patch}
    if not spec.has_tokens:
        _refuse(spec, tokens_only, "it has no tokens")
    if spec.backbone == "image":
        _refuse(spec, {"width": width}, "it has no backbone")
    if spec.backbone != "hrnet":
        _refuse(spec, {"stem": stem}, "only HRNet has a stem apart from its width")
    if spec.cycles == 1:
        _refuse(spec, {"cycles": cycles}, "only the sdpose models run in cycles")
    if spec.role == "teacher":
        _refuse(spec, {"score": score or None, "sigma": sigma or None}, "it returns heatmaps")
        score = sigma = None
    changes: dict[str, object] = {
        "joints": joints,
        "input_size": input_size,
        "width": width,
        "stem": stem,
        "mid": None if stem is None else max(1, stem * spec.mid // spec.stem),
        "cycles": cycles,
        "score": score,
        "sigma": sigma,
        **tokens_only,
    }
    resolved = replace(spec, **{key: value for key, value in changes.items() if value is not None})  # type: ignore[arg-type]
    _check(resolved)
    return resolved


def model_shape(
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
) -> ModelShape:
    """Return what the model `build_model` makes of the same options looks like, without building it.

    Raises:
        ValueError: as `build_model` does.

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
    return ModelShape(
        role=spec.role,
        joints=spec.joints,
        dim=spec.dim,
        visual_tokens=spec.visual_tokens,
        heatmap_size=spec.heatmap_size,
    )


def _refuse(spec: ModelSpec, options: dict[str, object], reason: str) -> None:
    for option, value in options.items():
        if value is not None:
            raise ValueError(f"{option}: means nothing to {spec.name} ({reason}), got {value!r}; leave it out")


def _check(spec: ModelSpec) -> None:
    sizes = {"joints": spec.joints, "width": spec.width, "cycles": spec.cycles}
    if spec.backbone == "hrnet":
        sizes["stem"] = spec.stem
    if spec.has_tokens:
        sizes |= {"depth": spec.depth, "heads": spec.heads}
    for field, value in sizes.items():
        if value < 1:
            raise ValueError(f"{field}: must be at least 1, got {value}")
    # What was halved has to meet again: ResNet-50's features in the heatmaps, HRNet's branches in each other.
    multiple = {"resnet50": 32, "hrnet": 2 ** (spec.stages + 1)}.get(spec.backbone, STRIDE)
    if spec.name == "deeppose_r50":
        multiple = STRIDE
    if any(size < multiple or size % multiple for size in spec.input_size):
        raise ValueError(
            f"input_size: width and height must be multiples of {multiple} for {spec.name}, got {spec.input_size}"
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
