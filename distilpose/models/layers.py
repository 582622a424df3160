"""The convolutional layers of the backbones in the order in which they run, as numbers alone: torch is not imported.

`arithmetic` multiplies with them and `footprint` keeps their outputs; tests hold both against models that were built.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from distilpose.models.specs import STRIDE, ModelSpec

Size = tuple[int, int]
"""(width, height) in pixels of the features."""

# The published constants of the parts, each named after the file that builds it.
_EXPANSION = 4  # stemnet, resnet
_HRNET_MODULES, _HRNET_BLOCKS = {2: 1, 3: 4, 4: 3}, 4
_RESNET_BLOCKS = (3, 4, 6, 3)
_DECONVOLUTIONS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Convolution:
    """A convolution of `before` to `after` channels, `kernel` pixels a side."""

    before: int
    after: int
    kernel: int
    entered: Size
    out: Size
    then: Literal["relu", "summed", "output"] = "relu"
    """relu: a norm, in the last of a residual block the shortcut's addition, and a ReLU; summed: a norm and then only
    an addition; output: a bias and no norm."""
    transposed: bool = False
    beside: int = 0
    """Numbers an image that wait meanwhile: the shortcut, the other branches; on the way back their gradients."""

    @property
    def weights(self) -> int:
        """The numbers in its kernels."""
        return self.before * self.after * self.kernel**2

    @property
    def results(self) -> int:
        """The numbers an image that come out."""
        return self.after * area(self.out)

    @property
    def arguments(self) -> int:
        """The numbers an image that go in."""
        return self.before * area(self.entered)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fused:
    """HRNet: the ReLU of a sum of branches, `results` numbers an image.

    upsampled: whether a coarser branch is among them, which autocast brings up in fp32.
    last: whether the tokens are cut from it, and no convolution reads it.
    """

    results: int
    upsampled: bool
    last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Pooled:
    """ResNet: the largest of neighbours, `results` numbers an image, each with the index of where it stood."""

    results: int


Layer = Convolution | Fused | Pooled


def area(size: Size) -> int:
    """Return its pixels."""
    return size[0] * size[1]


def backbone_layers(spec: ModelSpec) -> Iterator[Layer]:
    """Return every layer before the tokens, or of a model without tokens every one but a linear head."""
    if spec.backbone == "stemnet":
        yield from _stem(spec.width, spec.input_size)
        yield from _bottlenecks(spec.width, spec.width, 4, _halved(spec.input_size, 2))
    elif spec.backbone == "hrnet":
        yield from _hrnet(spec)
    elif spec.backbone == "resnet50":
        yield from _resnet(spec)


def backbone_channels(spec: ModelSpec) -> int:
    """Return the channels of the backbone's features, of the image itself 3."""
    if spec.backbone == "image":
        return 3
    return {"stemnet": _EXPANSION, "hrnet": 1, "resnet50": 8 * _EXPANSION}[spec.backbone] * spec.width


def _halved(size: Size, times: int = 1) -> Size:
    for _ in range(times):
        size = ((size[0] + 1) // 2, (size[1] + 1) // 2)
    return size


def _stem(width: int, image: Size) -> Iterator[Layer]:
    half = _halved(image)
    yield Convolution(before=3, after=width, kernel=3, entered=image, out=half)
    yield Convolution(before=width, after=width, kernel=3, entered=half, out=_halved(half))


def _bottleneck(before: int, mid: int, entered: Size, out: Size, *, shortcut: bool) -> Iterator[Layer]:
    """1x1, 3x3 and 1x1, the second strided where the sizes differ, beside a shortcut that is one more convolution."""
    after = _EXPANSION * mid
    if shortcut:
        yield Convolution(before=before, after=after, kernel=1, entered=entered, out=out, then="summed")
    beside = after * area(out)
    yield Convolution(before=before, after=mid, kernel=1, entered=entered, out=entered, beside=beside)
    yield Convolution(before=mid, after=mid, kernel=3, entered=entered, out=out, beside=beside)
    yield Convolution(before=mid, after=after, kernel=1, entered=out, out=out, beside=beside)


def _bottlenecks(before: int, mid: int, count: int, size: Size) -> Iterator[Layer]:
    """StemNet's and HRNet's first layer: residual blocks of one size, the first with a shortcut where widths differ."""
    for _ in range(count):
        yield from _bottleneck(before, mid, size, size, shortcut=before != _EXPANSION * mid)
        before = _EXPANSION * mid


def _hrnet(spec: ModelSpec) -> Iterator[Layer]:
    finest = _halved(spec.input_size, 2)
    yield from _stem(spec.stem, spec.input_size)
    yield from _bottlenecks(spec.stem, spec.mid, _HRNET_BLOCKS, finest)
    before = [_EXPANSION * spec.mid]
    for stage in range(2, spec.stages + 1):
        widths = [spec.width * 2**branch for branch in range(stage)]
        sizes = [_halved(finest, branch) for branch in range(stage)]
        for branch, width in enumerate(widths):
            if branch >= len(before):
                yield Convolution(
                    before=before[-1], after=width, kernel=3, entered=sizes[branch - 1], out=sizes[branch]
                )
            elif before[branch] != width:
                yield Convolution(
                    before=before[branch], after=width, kernel=3, entered=sizes[branch], out=sizes[branch]
                )
        for index in range(_HRNET_MODULES[stage]):
            last = stage == spec.stages and index == _HRNET_MODULES[stage] - 1
            yield from _module(widths, sizes, ends=1 if last else stage)
        before = widths


def _module(widths: Sequence[int], sizes: Sequence[Size], ends: int) -> Iterator[Layer]:
    """Every branch by itself, then fused into the first `ends` of them."""
    numbers = [width * area(size) for width, size in zip(widths, sizes, strict=True)]
    for width, size in zip(widths, sizes, strict=True):
        step = Convolution(before=width, after=width, kernel=3, entered=size, out=size, beside=sum(numbers))
        yield from [step] * (2 * _HRNET_BLOCKS)
    for into in range(ends):
        for layer in _fusion(widths, sizes, into):
            yield replace(layer, beside=sum(numbers) + sum(numbers[: into + 1]))
        yield Fused(results=numbers[into], upsampled=into + 1 < len(widths), last=ends == 1)


def _fusion(widths: Sequence[int], sizes: Sequence[Size], into: int) -> Iterator[Convolution]:
    """All branches brought to one: finer ones strided down step by step, coarser ones through a 1x1 convolution."""
    for branch, width in enumerate(widths):
        for step in range(branch + 1, into + 1):
            yield Convolution(
                before=width,
                after=widths[into] if step == into else width,
                kernel=3,
                entered=sizes[step - 1],
                out=sizes[step],
                then="summed" if step == into else "relu",
            )
        if branch > into:
            size = sizes[branch]
            yield Convolution(before=width, after=widths[into], kernel=1, entered=size, out=size, then="summed")


def _resnet(spec: ModelSpec) -> Iterator[Layer]:
    size = _halved(spec.input_size)
    yield Convolution(before=3, after=spec.width, kernel=7, entered=spec.input_size, out=size)
    size, channels = _halved(size), spec.width
    yield Pooled(results=channels * area(size))
    for index, count in enumerate(_RESNET_BLOCKS):
        planes, out = spec.width * 2**index, size if index == 0 else _halved(size)
        for block in range(count):
            yield from _bottleneck(channels, planes, size, out, shortcut=block == 0)
            channels, size = planes * _EXPANSION, out
    if spec.role == "student":
        return
    # As many channels as published, at the published width.
    widened = channels * 256 // 2048
    for _ in range(_DECONVOLUTIONS):
        doubled = (2 * size[0], 2 * size[1])
        yield Convolution(before=channels, after=widened, kernel=4, entered=size, out=doubled, transposed=True)
        size, channels = doubled, widened
    assert size == tuple(side // STRIDE for side in spec.input_size), size
    yield Convolution(before=channels, after=spec.joints, kernel=1, entered=size, out=size, then="output")
