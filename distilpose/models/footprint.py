"""What a training step holds in memory, worked out from the models' numbers alone: torch is not imported.

Counted are the bytes of tensors at the moment when they are most, on a GPU: weights, gradients and Adam's two moments
of every student, the teacher, the batch, what autograd keeps for the backward pass of the one student at work, and the
gradients on their way. Not counted: the CUDA context, cuDNN's workspaces, and what the caching allocator rounds up or
holds back. Attention is taken to be fused, which keeps q, k, v and the result; in bf16 convolutions and linear maps
work and keep in two bytes, the residual stream, norms of tokens and losses in four. Tests hold this to real steps.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from distilpose.models.arithmetic import MLP_RATIO, outputs, patch_numbers
from distilpose.models.layers import Convolution, Fused, Layer, Pooled, area, backbone_channels, backbone_layers
from distilpose.models.specs import ModelSpec

Precision = Literal["fp32", "bf16"]

_WIDE = 4  # bytes of what stays in fp32
_INDEX = 8  # bytes of an int64


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A part of a model in the order of its forward pass.

    kept: bytes an image that autograd keeps until its backward pass.
    fixed: bytes kept whatever the batch: statistics of norms, copies of weights in bf16.
    passing: bytes an image of gradients at work in its backward pass, beyond what is kept.
    working: bytes an image at work in its forward pass where nothing is kept.
    weights: trained numbers.
    """

    kept: int
    passing: int
    working: int
    fixed: int = 0
    weights: int = 0


def count_weights(spec: ModelSpec) -> int:
    """Return how many numbers of the model are trained."""
    return sum(part.weights for part in _parts(replace(spec, cycles=1), "fp32"))


def kept_bytes(spec: ModelSpec, *, people: int, precision: Precision) -> int:
    """Return what a forward pass keeps for the backward pass, weights and images themselves aside.

    SDPose runs all its cycles; `replace(spec, cycles=1)` runs one. Losses are not in it.
    """
    return sum(part.kept * people + part.fixed for part in _parts(spec, precision))


def forward_bytes(spec: ModelSpec, *, people: int, precision: Precision) -> int:
    """Return the most that is at work in one cycle's forward pass without gradients, weights and images aside."""
    return people * max(part.working for part in _parts(replace(spec, cycles=1), precision))


def step_bytes(
    students: Sequence[ModelSpec],
    teacher: ModelSpec | None = None,
    *,
    people: int,
    precision: Precision,
    micro_batch: int | None = None,
) -> int:
    """Return the most bytes of tensors at any moment of a cohort's training step, from the second step on.

    Args:
        students: the models that are trained, in cycles as many as they have.
        teacher: the frozen model that is asked once for all of them.
        people: the batch.
        precision: of models; weights, gradients and moments are fp32 always.
        micro_batch: how many people go through a model at once, None for the whole batch.

    """
    at_once = min(people, micro_batch or people)
    resident = _resident(students)
    batch = people * _WIDE * (3 * area(students[0].input_size) + 6 * students[0].joints)
    taught = 0
    phases = []
    if teacher is not None:
        resident += _WIDE * count_weights(teacher) + _buffer_bytes(teacher)
        taught = people * _WIDE * _said(teacher)
        phases.append(taught + forward_bytes(teacher, people=at_once, precision=precision))
    for student in dict.fromkeys(students):
        parts = [*_parts(student, precision), _loss(student)]
        # Its old gradients go when its turn comes; those of the first people stay for the next.
        drops = count_weights(student) if at_once == people else 0
        phases.append(taught + _way_back(parts, at_once, drops=drops))
    return resident + batch + max(phases)


def validation_bytes(students: Sequence[ModelSpec], *, people: int, precision: Precision) -> int:
    """Return the most bytes of tensors while the students are evaluated between two steps, one after the other."""
    images = 2 * people * _WIDE * 3 * area(students[0].input_size)  # as they are and mirrored
    return (
        _resident(students)
        + images
        + max(forward_bytes(student, people=people, precision=precision) for student in dict.fromkeys(students))
    )


def _resident(students: Sequence[ModelSpec]) -> int:
    """What of the students is there all the time: weights, gradients, two moments, and buffers."""
    return sum(
        count * (4 * _WIDE * count_weights(student) + _buffer_bytes(student))
        for student, count in Counter(students).items()
    )


def _way_back(parts: Sequence[_Part], people: int, *, drops: int) -> int:
    """The most that is held in the backward pass, where `drops` numbers of old gradients are not there at its start."""
    held = sum(part.kept * people + part.fixed for part in parts)
    gradients = -_WIDE * drops
    most = held + gradients
    for part in reversed(parts):
        gradients += _WIDE * part.weights if drops else 0
        most = max(most, held + gradients + part.passing * people)
        held -= part.kept * people + part.fixed
    return most


def _parts(spec: ModelSpec, precision: Precision) -> Iterator[_Part]:
    size = 2 if precision == "bf16" else _WIDE
    if precision == "bf16" and spec.backbone != "image":
        image = size * 3 * area(spec.input_size)
        yield _Part(kept=image, passing=0, working=image)
    for layer in backbone_layers(spec):
        yield _of_layer(layer, size)
    if not spec.has_tokens:
        if spec.role == "student":
            channels, said = backbone_channels(spec), spec.joints * outputs(spec)
            yield _Part(kept=_WIDE * channels, passing=2 * _WIDE * channels, working=0, weights=channels * said + said)
        return
    yield _embedding(spec, size)
    for cycle in range(spec.cycles):
        # One set of weights for all cycles: copied in the first, its gradients made in the last.
        for part in (*[_encoder_layer(spec, size)] * spec.depth, _head(spec, size)):
            first, last = cycle == 0, cycle == spec.cycles - 1
            yield replace(part, fixed=part.fixed if first else 0, weights=part.weights if last else 0)
    tokens = _WIDE * _tokens(spec) * spec.dim
    yield _Part(kept=tokens, passing=2 * tokens, working=2 * tokens)


def _of_layer(layer: Layer, size: int) -> _Part:
    if isinstance(layer, Pooled):
        return _Part(kept=layer.results * (size + _INDEX), passing=2 * size * layer.results, working=0)
    if isinstance(layer, Fused):
        # Autocast upsamples in fp32, so that the sum is fp32 and whoever reads it keeps a copy of its own.
        wide = _WIDE if layer.upsampled else size
        copies = size if wide > size and not layer.last else 0
        return _Part(kept=layer.results * (wide + copies), passing=2 * wide * layer.results, working=0)
    normed = layer.then != "output"
    copies = layer.weights * size if size < _WIDE else 0
    return _Part(
        # What the norm reads, and what the ReLU gives.
        kept=size * layer.results * {"relu": 2, "summed": 1, "output": 0}[layer.then],
        passing=size * (max(2 * layer.results, layer.arguments - layer.results) + layer.beside),
        working=size * (layer.arguments + 2 * layer.results + layer.beside),
        fixed=copies + (2 * _WIDE * layer.after if normed else 0),
        weights=layer.weights + (2 * layer.after if normed else layer.after),
    )


def _tokens(spec: ModelSpec) -> int:
    return spec.joints + spec.visual_tokens


def _embedding(spec: ModelSpec, size: int) -> _Part:
    patches = size * spec.visual_tokens * patch_numbers(spec)
    tokens = _WIDE * _tokens(spec) * spec.dim
    kernel = patch_numbers(spec) * spec.dim
    return _Part(
        kept=patches,
        passing=2 * patches + tokens,
        working=2 * patches + 2 * tokens,
        fixed=kernel * size if size < _WIDE else 0,
        weights=kernel + spec.dim + spec.joints * spec.dim,
    )


def _encoder_layer(spec: ModelSpec, size: int) -> _Part:
    """Kept: what both norms read (fp32); then q, k, v, the attended, both norms' results, the GELU's ends."""
    tokens, dim = _tokens(spec), spec.dim
    narrow = 3 + 1 + 2 + 2 * MLP_RATIO
    statistics = 4 * _WIDE + _WIDE * spec.heads  # of two norms, and attention's sums
    kernels = (4 + 2 * MLP_RATIO) * dim**2
    return _Part(
        kept=tokens * (dim * (2 * _WIDE + narrow * size) + statistics),
        passing=tokens * dim * (_WIDE + (1 + MLP_RATIO) * size),
        working=tokens * dim * (2 * _WIDE + (1 + 2 * MLP_RATIO) * size),
        fixed=kernels * size if size < _WIDE else 0,
        weights=kernels + dim * (4 + 2 + MLP_RATIO),
    )


def _head(spec: ModelSpec, size: int) -> _Part:
    joints, dim = spec.joints, spec.dim
    if spec.role == "student":
        numbers = outputs(spec)
        return _Part(kept=_WIDE * joints * dim, passing=0, working=0, weights=dim * (2 + numbers) + numbers)
    hidden, pixels = spec.hidden, area(spec.heatmap_size)
    kernels = dim * hidden + hidden * pixels
    return _Part(
        kept=joints * (size * dim + (_WIDE + size) * hidden),
        passing=joints * (size * pixels + 2 * _WIDE * hidden),
        working=joints * (size + _WIDE) * pixels,
        fixed=kernels * size if size < _WIDE else 0,
        weights=kernels + 2 * dim + 3 * hidden + pixels,
    )


def _loss(spec: ModelSpec) -> _Part:
    """The terms of a loss: a student's compare tokens and heatmaps, a heatmap model's keep every cycle's errors."""
    heatmaps = _WIDE * spec.joints * area(spec.heatmap_size)
    if spec.role == "student":
        return _Part(kept=0, passing=heatmaps + 2 * _WIDE * _tokens(spec) * spec.dim, working=0)
    return _Part(kept=2 * spec.cycles * heatmaps, passing=3 * heatmaps, working=0)


def _said(teacher: ModelSpec) -> int:
    """The numbers of an image that a teacher tells students: heatmaps and tokens."""
    return teacher.joints * area(teacher.heatmap_size) + _tokens(teacher) * teacher.dim


def _buffer_bytes(spec: ModelSpec) -> int:
    """The running statistics of norms, and the table of positions."""
    statistics = sum(
        2 * layer.after for layer in backbone_layers(spec) if isinstance(layer, Convolution) and layer.then != "output"
    )
    return _WIDE * (statistics + _tokens(spec) * spec.dim)
