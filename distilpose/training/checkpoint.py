"""Checkpoints that are whole or absent: written aside, synced, renamed, and named by their own digest."""

import hashlib
import io
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import safetensors.torch
import torch
from torch import Tensor, nn

from distilpose.whole_files import write_whole

log = logging.getLogger(__name__)

_NAME = re.compile(r"step-(\d+)-([0-9a-f]{16})\.pt")
_KEPT = 2  # the newest, and the one before it in case the newest is damaged on disk


class Found(NamedTuple):
    """The newest state that is sound, on the CPU, None where there is none; and the newer files that are damaged."""

    state: dict[str, Any] | None
    damaged: tuple[Path, ...]


def save_checkpoint(directory: Path, step: int, state: dict[str, Any], *, aside: Path | None = None) -> Path:
    """The file that now holds `state`; older files but one are removed. See `write_whole` for `aside`."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getvalue()
    path = directory / f"step-{step:08d}-{hashlib.sha256(content).hexdigest()[:16]}.pt"
    write_whole(path, content, aside=aside)
    for old in [file for _, file in _by_step(directory)][:-_KEPT]:
        old.unlink(missing_ok=True)
    return path


def load_checkpoint(directory: Path) -> Found:
    """What there is to go on from in `directory`."""
    damaged: list[Path] = []
    for _, path in reversed(_by_step(directory)):
        content = path.read_bytes()
        name = _NAME.fullmatch(path.name)
        assert name is not None
        if hashlib.sha256(content).hexdigest()[:16] == name[2]:
            state: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
            return Found(state, tuple(damaged))
        log.warning("%s: damaged (its content does not match the digest in its name); taking the one before", path)
        damaged.append(path)
    return Found(None, tuple(damaged))


def save_weights(
    path: Path, model: nn.Module, metadata: Mapping[str, str] | None = None, *, aside: Path | None = None
) -> None:
    """Write the parameters and buffers of `model` as safetensors, with their metadata.

    See `write_whole` for `aside`.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    write_whole(path, safetensors.torch.save(tensors, dict(metadata or {})), aside=aside)


def load_weights(path: Path) -> dict[str, Tensor]:
    """The state dict that `save_weights` wrote, on the CPU."""
    return safetensors.torch.load_file(path)


def _by_step(directory: Path) -> list[tuple[int, Path]]:
    found = [(int(name[1]), path) for path in directory.glob("step-*.pt") if (name := _NAME.fullmatch(path.name))]
    return sorted(found)
