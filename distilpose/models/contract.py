"""What every model from outside promises, held against one: shapes, gradients, batches, bf16, its weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor, nn

from distilpose.data.skeleton import COCO
from distilpose.data.stream import Batch
from distilpose.heads import SWITCHES
from distilpose.losses.contract import Finding
from distilpose.models.builders import build_from_spec
from distilpose.models.spec import ModelSpec
from distilpose.models.use import ModelUse, find_model_part, places_of_model, read_model

PEOPLE = 3
_TRUNKS: dict[str, dict[str, Any]] = {
    "tokens": {"model": "distilpose_s", "width": 8, "dim": 16, "depth": 1, "heads": 2, "patch": (4, 4)},
    "features": {"model": "deeppose_r50", "width": 8},
}


def check_part(reference: str, folder: Path, kind: str, input_size: tuple[int, int] = (64, 128)) -> list[Finding]:
    """Every promise of a user's own model or head (the `kind`), which a small model of ours carries."""
    values: dict[str, Any] = {"model": reference}
    if kind == "head":
        _, signature = find_model_part(reference, folder, "head")
        values = {**_TRUNKS["tokens" if "dim" in signature.asks else "features"], "head": reference}
    read, faults = read_model(values, folder, beside=())
    if faults:
        raise ValueError(": ".join(faults[0]))
    use = ModelUse(**read)
    with TemporaryDirectory() as parts:
        for code, place in places_of_model(use, folder).items():
            place.keep_in(Path(parts) / code)
        return list(check_model(use, Path(parts), input_size))


def check_model(use: ModelUse, parts: Path, input_size: tuple[int, int]) -> Iterator[Finding]:
    """Every promise of a model in turn, on noise; `parts` is the folder of kept copies of its code."""
    given: dict[str, Any] = {"joints": COCO.num_joints, "input_size": input_size}
    outputs = use.spec(**given).outputs([field for fields in SWITCHES.values() for field in fields])
    spec = use.spec(**given, **outputs)

    def built(seed: int) -> nn.Module:
        return build_from_spec(spec, seed=seed, parts=parts, skeleton=COCO)

    draw = torch.Generator().manual_seed(0)
    images = torch.randn(PEOPLE, 3, input_size[1], input_size[0], generator=draw)
    images = images.contiguous(memory_format=torch.channels_last)  # as the training loop lays them out
    seen, nothing = torch.ones(PEOPLE, COCO.num_joints), torch.zeros(PEOPLE)
    points = 0.2 + 0.6 * torch.rand(*seen.shape, 2, generator=draw)
    batch = Batch(images, points, seen, nothing.long(), nothing, nothing, seen)
    promise = "is built, and gives what it says in the right shapes"
    try:
        model = built(0)
        yield Finding(promise=promise)
    except ValueError as error:
        yield Finding(promise=promise, fault=str(error))
        return
    promises: tuple[tuple[str, Callable[[], str | None]], ...] = (
        ("starts the same from the same seed, and otherwise from another", lambda: _start(built)),
        ("gives finite points and scores", lambda: _finite(model, images)),
        ("gives the same for a person alone and in a batch", lambda: _alone(model, images)),
        ("has finite gradients that reach every parameter", lambda: _gradients(built(0), batch, spec)),
        ("works in bf16", lambda: _in_bf16(model, images)),
        ("gives the same with its weights in another", lambda: _weights(model, built(1), images)),
    )
    for promise, broken in promises:
        try:
            yield Finding(promise=promise, fault=broken())
        except Exception as error:  # a user's own code may raise anything
            yield Finding(promise=promise, fault=f"{type(error).__name__}: {error}")


@torch.no_grad()
def _points(model: nn.Module, images: Tensor) -> Tensor:
    """Each joint's x, y and score [people, joints, 3]."""
    points = model.eval()(images).points()
    return torch.cat([points.keypoints, points.scores[..., None]], -1)


def _start(built: Callable[[int], nn.Module]) -> str | None:
    one, same, other = (built(seed).state_dict() for seed in (0, 0, 1))
    if any(not torch.equal(value, same[name]) for name, value in one.items()):
        return "two built from one seed differ; draw from torch's generator alone"
    return None if any(not torch.equal(value, other[name]) for name, value in one.items()) else "every seed is alike"


def _finite(model: nn.Module, images: Tensor) -> str | None:
    before = images.clone()
    found = _points(model, images)
    if not bool(torch.isfinite(found).all()):
        return "some are not finite"
    return None if torch.equal(before, images) else "changed what it was given; work on a copy"


def _alone(model: nn.Module, images: Tensor) -> str | None:
    whole = _points(model, images)
    alone = torch.cat([_points(model, image[None]) for image in images])
    off = float((whole - alone).abs().max())
    return None if off < 1e-3 else f"differ by {off:.2g} in eval mode; a person must not depend on the others"


def _gradients(model: nn.Module, batch: Batch, spec: ModelSpec) -> str | None:
    output = model.train()(batch.images)
    parts = [getattr(output, field) for field in spec.gives if field != "learn"]
    shown = [part.float().square().mean() for part in parts if isinstance(part, Tensor) and part.requires_grad]
    shown += [output.learn(batch)] if "learn" in spec.gives else []
    if not shown:
        return "no gradient reaches the model"
    torch.autograd.backward(torch.stack(shown).sum())
    for name, parameter in model.named_parameters():
        gradient = parameter.grad
        if parameter.requires_grad and gradient is None:
            return f"{name} has none; what is not trained must not be there"
        if gradient is not None and not bool(torch.isfinite(gradient).all()):
            return f"that of {name} is not finite"
    return None


def _in_bf16(model: nn.Module, images: Tensor) -> str | None:
    expected = _points(model, images)
    with torch.autocast("cpu", torch.bfloat16):
        found = _points(model, images)
    off = float((found - expected)[..., :2].abs().mean())
    return None if off < 0.1 else f"points differ by {off:.2g} of the crop on average"


def _weights(model: nn.Module, other: nn.Module, images: Tensor) -> str | None:
    other.load_state_dict(model.state_dict())
    off = float((_points(model, images) - _points(other, images)).abs().max())
    return None if off < 1e-4 else f"differ by {off:.2g}; keep all that is learnt in parameters and buffers"
