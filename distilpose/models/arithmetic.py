"""What a model's forward pass multiplies, worked out from its numbers alone: nothing is built, torch is not imported.

`counting.count_costs` counts the same on a model that was built, layer by layer; a test holds the two equal.
"""

from distilpose.models.specs import STRIDE, ModelSpec

# The published constants of the parts, each named after the file that builds it.
_MLP_RATIO = 3  # encoder
_EXPANSION = 4  # stemnet, resnet
_HRNET_MODULES, _HRNET_BLOCKS = {2: 1, 3: 4, 4: 3}, 4
_RESNET_BLOCKS = (3, 4, 6, 3)
_DECONVOLUTIONS = 3

_Size = tuple[int, int]


def multiply_adds(spec: ModelSpec, *, all_cycles: bool = False) -> int:
    """Return the multiply-adds of one image: of convolutions, linear maps and attention's matrix products.

    SDPose runs one cycle in use and, with `all_cycles`, as many as it is trained with.
    """
    if spec.backbone == "resnet50":
        return _resnet(spec)
    channels, backbone = 3, 0
    if spec.backbone == "stemnet":
        channels, backbone = _EXPANSION * spec.width, _stemnet(spec)
    elif spec.backbone == "hrnet":
        channels, backbone = spec.width, _hrnet(spec)
    rows, columns = spec.patch
    tokens = spec.joints + spec.visual_tokens
    embedding = spec.visual_tokens * channels * rows * columns * spec.dim
    layer = tokens * (4 + 2 * _MLP_RATIO) * spec.dim**2 + 2 * tokens**2 * spec.dim
    if spec.role == "student":
        head = spec.dim * (2 + spec.score + 2 * spec.sigma)
    else:
        head = spec.dim * spec.hidden + spec.hidden * spec.heatmap_size[0] * spec.heatmap_size[1]
    cycles = spec.cycles if all_cycles else 1
    return backbone + embedding + cycles * (spec.depth * layer + spec.joints * head)


def _conv(before: int, after: int, kernel: int, out: _Size) -> int:
    return before * after * kernel**2 * out[0] * out[1]


def _halved(size: _Size, times: int = 1) -> _Size:
    for _ in range(times):
        size = ((size[0] + 1) // 2, (size[1] + 1) // 2)
    return size


def _bottlenecks(before: int, mid: int, count: int, size: _Size) -> int:
    """StemNet's and HRNet's first layer: residual blocks of one size, the first with a shortcut where widths differ."""
    out = _EXPANSION * mid
    first = 0 if before == out else _conv(before, out, 1, size)
    entries = _conv(before, mid, 1, size) + (count - 1) * _conv(out, mid, 1, size)
    return first + entries + count * (_conv(mid, mid, 3, size) + _conv(mid, out, 1, size))


def _stem(width: int, image: _Size) -> int:
    half = _halved(image)
    return _conv(3, width, 3, half) + _conv(width, width, 3, _halved(half))


def _stemnet(spec: ModelSpec) -> int:
    size = _halved(spec.input_size, 2)
    return _stem(spec.width, spec.input_size) + _bottlenecks(spec.width, spec.width, 4, size)


def _hrnet(spec: ModelSpec) -> int:
    finest = _halved(spec.input_size, 2)
    total = _stem(spec.stem, spec.input_size) + _bottlenecks(spec.stem, spec.mid, _HRNET_BLOCKS, finest)
    before = [_EXPANSION * spec.mid]
    for stage in range(2, spec.stages + 1):
        widths = [spec.width * 2**branch for branch in range(stage)]
        sizes = [_halved(finest, branch) for branch in range(stage)]
        for branch, width in enumerate(widths):
            if branch >= len(before):
                total += _conv(before[-1], width, 3, sizes[branch])
            elif before[branch] != width:
                total += _conv(before[branch], width, 3, sizes[branch])
        for index in range(_HRNET_MODULES[stage]):
            total += sum(
                2 * _HRNET_BLOCKS * _conv(width, width, 3, size) for width, size in zip(widths, sizes, strict=True)
            )
            last = stage == spec.stages and index == _HRNET_MODULES[stage] - 1
            total += sum(_fusion(widths, sizes, into) for into in range(1 if last else stage))
        before = widths
    return total


def _fusion(widths: list[int], sizes: list[_Size], into: int) -> int:
    """All branches brought to one: coarser ones through a 1x1 convolution, finer ones strided down step by step."""
    total = 0
    for branch, width in enumerate(widths):
        if branch > into:
            total += _conv(width, widths[into], 1, sizes[branch])
        for size in range(branch + 1, into + 1):
            total += _conv(width, widths[into] if size == into else width, 3, sizes[size])
    return total


def _resnet(spec: ModelSpec) -> int:
    size = _halved(spec.input_size)
    total = _conv(3, spec.width, 7, size)
    size, channels = _halved(size), spec.width
    for index, count in enumerate(_RESNET_BLOCKS):
        planes, entered = spec.width * 2**index, size
        size, out = (size if index == 0 else _halved(size)), planes * _EXPANSION
        total += _conv(channels, out, 1, size)
        total += _conv(channels, planes, 1, entered) + (count - 1) * _conv(out, planes, 1, size)
        total += count * (_conv(planes, planes, 3, size) + _conv(planes, out, 1, size))
        channels = out
    if spec.role == "student":
        return total + channels * spec.joints * (2 + spec.score + 2 * spec.sigma)
    # A deconvolution multiplies at every pixel that goes in. As many channels as published, at the published width.
    widened = channels * 256 // 2048
    for _ in range(_DECONVOLUTIONS):
        total += _conv(channels, widened, 4, size)
        size, channels = (2 * size[0], 2 * size[1]), widened
    assert size == tuple(side // STRIDE for side in spec.input_size), size
    return total + _conv(channels, spec.joints, 1, size)
