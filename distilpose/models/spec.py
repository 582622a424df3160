"""What any model looks like from outside, as numbers, a user's own too: sizes, head, outputs. Imports no torch."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from distilpose.data.skeleton import MOST_JOINTS
from distilpose.heads import HEADS, SWITCHES, Head
from distilpose.parts.naming import nearest
from distilpose.parts.own import OwnPart
from distilpose.parts.signature import Option

TIMM, MMPOSE = "timm:", "mmpose:"
RESNETS = ("resnet50", "resnet101", "resnet152")
STRIDE = 4
"""Every heatmap, and every backbone's features, are a quarter of the input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """The figures a paper prints beside a model: millions of parameters, GFLOPs, and AP on COCO val2017 at 256x192."""

    parameters_m: float | None = None
    gflops: float | None = None
    ap: float | None = None
    fps: float | None = None


SIZES: Mapping[str, Option] = {
    name: Option(name=name, default=None, kind="int", least=1, most=most, length=length)
    for name, most, length in (
        ("width", 4096, 0),  # StemNet and ResNet: channels of the stem. HRNet: channels of the first branch
        ("dim", 2048, 0),
        ("depth", 256, 0),
        ("heads", 256, 0),
        ("patch", 2048, 2),  # (rows, columns) of features in a token
        ("stem", 4096, 0),  # HRNet only: channels of its stem
        ("cycles", 256, 0),  # SDPose only: in how many cycles the encoder is trained
    )
}
"""The sizes of our models that may be chosen. The largest are far beyond any published model."""
GIVEN: Mapping[str, Option] = {
    "joints": Option(name="joints", default=17, kind="int", least=1, most=MOST_JOINTS),
    "input_size": Option(name="input_size", default=(192, 256), kind="int", least=1, most=2048, length=2),
}
"""What data and recipe decide of any model; a size is (width, height)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """A model as numbers. Sizes are (width, height), `patch` is (rows, columns) of features; 0 where it has none."""

    name: str
    head: str
    """Of `HEADS`; "" where the head is a user's own, or the model is whole without one."""
    backbone: Literal["stemnet", "hrnet", "image", "resnet50", "resnet101", "resnet152", "timm", "mmpose", "own"]
    multiple: int = STRIDE
    """Width and height of the input must be multiples of it, so that what was halved meets again: ResNet-50's features
    in the heatmaps, HRNet's branches in each other."""
    stages: int = 0
    """HRNet and ResNet: after which of 4 to stop; HRNet's last module then fuses into the first branch alone."""
    merged: bool = False
    """HRNet only: all four branches become one of 1/32, as for classification."""
    width: int = 64
    """Of the image itself: 3; see `SIZES` for this and the next."""
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
    own: OwnPart | None = None
    """A user's own code of the whole model, or of its backbone; of mmpose's models the configuration."""
    own_head: OwnPart | None = None
    own_options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    """Of a user's own code; a name belongs to the model where model and head both have it."""
    joints: int = 17
    input_size: tuple[int, int] = (192, 256)
    published: Published = Published()

    @property
    def role(self) -> Literal["student", "teacher"]:
        """A teacher returns heatmaps, a student whatever else."""
        return "teacher" if "heatmaps" in self.gives else "student"

    @property
    def gives(self) -> tuple[str, ...]:
        """The fields of its output."""
        own = None if self.head else self.own_head or self.own
        tokens = ("keypoint_tokens", "visual_tokens") if self.has_tokens else ("visual_tokens",) if self.head else ()
        given = HEADS[self.head].gives if own is None else own.gives or ()
        sigmas = ("heatmap_sigmas",) if own is not None and "sigmas" in given else ()
        return (*given, *sigmas, *tokens)

    @property
    def answers(self) -> tuple[str, ...]:
        """The fields that losses may ask for: those of its output, and what keypoint tokens look at."""
        return (*self.gives, "attention") if self.has_tokens else self.gives

    @property
    def is_whole(self) -> bool:
        """Whether own code makes all of it, head and all."""
        return self.own is not None and not self.head and self.own_head is None

    @property
    def kind(self) -> str:
        """Its name with its head's, for messages."""
        article = "an" if self.head[:1] in "aeiou" else "a"
        return f"{self.name}, {article} {self.head} model," if self.head else self.name

    def outputs(self, asks: Collection[str]) -> dict[str, bool]:
        """The switches of its head, on where losses ask for what they add: only what is trained is there."""
        own = {ask for part in (self.own, self.own_head) if part is not None for ask in part.asks}
        has = HEADS[self.head].switches if self.head else {name for name in SWITCHES if name in own}
        return {option: any(field in asks for field in SWITCHES[option]) for option in has}

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


def with_head(spec: ModelSpec, head: str | None, own_head: OwnPart | None = None) -> ModelSpec:
    """Return the model with another head than its own, which must read what its trunk gives.

    Raises:
        ValueError: there is no such head, or it reads something else.

    """
    if head is None or head == spec.head:
        return spec
    if not spec.head:
        raise ValueError(f"head: means nothing to {spec.name} (it is whole), got {head!r}; leave it out")
    if own_head is None and head not in HEADS:
        raise ValueError(f"head: must be one of {', '.join(HEADS)}, or FILE.py:NAME, got {head!r}")
    reads = _reads(HEADS[head]) if own_head is None else ["tokens" if "dim" in own_head.asks else "features"]
    wanted = "tokens" if spec.has_tokens else "features"
    if wanted not in reads:
        raise ValueError(f"head: {head} reads {reads[0]}, and {spec.name} has {wanted} for it; take another head")
    if own_head is not None:
        return replace(spec, head="", own_head=own_head, head_options=dict.fromkeys(SWITCHES, True))
    return replace(spec, head=head, head_options={})


def _reads(head: Head) -> list[str]:
    return ["tokens"] * bool(head.on_tokens) + ["features"] * bool(head.on_features)


def option_faults(spec: ModelSpec, options: Mapping[str, Any]) -> dict[str, str]:
    """Return the rule broken by each option that is wrong by itself, among those that are not a user's own code's."""
    known, faults = _known(spec), {}
    for name, value in options.items():
        reason = _meaningless(spec, name)
        if name not in known or reason:
            hint = reason or f"{nearest(name, [one for one in known if not _meaningless(spec, one)])}"
            faults[name] = f"means nothing to {spec.name} ({hint}), got {value!r:.80}; leave it out"
        elif (fault := known[name].fault(value)) is not None:
            faults[name] = fault
    return faults


def model_options(spec: ModelSpec) -> dict[str, Option]:
    """Return the options that a user may choose of our part of a model: sizes and its head's, without its outputs."""
    hidden = (*GIVEN, *SWITCHES)
    return {
        name: option for name, option in _known(spec).items() if name not in hidden and not _meaningless(spec, name)
    }


ALL_OPTIONS = (*SIZES, *dict.fromkeys(option.name for head in HEADS.values() for option in head.signature.options))
"""The options that some model of ours has."""


def _known(spec: ModelSpec) -> dict[str, Option]:
    """Return every option of our part of this model, and those of others, to say why they mean nothing to it."""
    heads = HEADS.values() if spec.own is None else [HEADS[spec.head]] if spec.head else []
    switches = {name: Option(name=name, default=False, kind="bool") for name in SWITCHES}
    of_heads = {option.name: option for head in heads for option in head.signature.options}
    return {**GIVEN, **(SIZES if spec.own is None else {}), **switches, **of_heads}


def _meaningless(spec: ModelSpec, option: str) -> str:
    """Return why an option that some model has says nothing about this one, or nothing."""
    of_head = [*SWITCHES]
    if spec.head:
        signature = HEADS[spec.head].signature
        of_head = [*HEADS[spec.head].switches, *(one.name for one in signature.options)]
    elif option not in (*GIVEN, *SIZES, *SWITCHES):
        return "its head is your own"
    if option not in (*GIVEN, *SIZES, *of_head) and option in _known(spec):
        return f"its head is {spec.head}"
    reasons = {"cycles": "only the sdpose models run in cycles"} if spec.cycles == 1 else {}
    if not spec.has_tokens:
        reasons |= dict.fromkeys(("dim", "depth", "heads", "patch"), "it has no tokens")
    if spec.backbone in ("image", "timm"):
        reasons["width"] = "its backbone has one width"
    if spec.backbone != "hrnet":
        reasons["stem"] = "only HRNet has a stem apart from its width"
    return reasons.get(option, "")


def faults_together(spec: ModelSpec) -> Iterator[tuple[str, str]]:
    """The sizes that do not fit each other, and the rules."""
    if any(size < spec.multiple or size % spec.multiple for size in spec.input_size):
        yield (
            "input_size",
            f"width and height must be multiples of {spec.multiple} for {spec.name}, got {spec.input_size}",
        )
    if not spec.has_tokens:
        return
    if spec.dim % 4 or spec.dim % spec.heads:
        yield "dim", f"must be a multiple of 4 and of heads ({spec.heads}), got {spec.dim}; change dim or heads"
    width, height = spec.features_size
    rows, columns = spec.patch
    if height % rows or width % columns:
        yield (
            "patch",
            f"(rows, columns) must divide the {height} rows and {width} columns of the features, "
            f"got {spec.patch}; change patch or input_size",
        )
