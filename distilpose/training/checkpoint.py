"""Checkpoints that are whole or absent: written aside, synced, renamed, and named by their own digest."""

import hashlib
import io
import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

log = logging.getLogger(__name__)

_NAME = re.compile(r"step-(\d+)-([0-9a-f]{16})\.pt")
_KEPT = 2  # the newest, and the one before it in case the newest is damaged on disk


def save_checkpoint(directory: Path, step: int, state: dict[str, Any]) -> Path:
    """The file that now holds `state`; older files but one are removed."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getvalue()
    path = directory / f"step-{step:08d}-{hashlib.sha256(content).hexdigest()[:16]}.pt"
    _write_whole(path, content)
    for old in [file for _, file in _by_step(directory)][:-_KEPT]:
        old.unlink(missing_ok=True)
    return path


def load_checkpoint(directory: Path) -> dict[str, Any] | None:
    """The newest undamaged state in `directory`, on the CPU; None where there is none."""
    for _, path in reversed(_by_step(directory)):
        content = path.read_bytes()
        name = _NAME.fullmatch(path.name)
        assert name is not None
        if hashlib.sha256(content).hexdigest()[:16] == name[2]:
            state: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
            return state
        log.warning("%s: damaged (its content does not match the digest in its name); taking the one before", path)
    return None


def save_weights(path: Path, model: nn.Module, metadata: Mapping[str, str] | None = None) -> None:
    """Write the parameters and buffers of `model` as safetensors, with what is said of them."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    _write_whole(path, safetensors.torch.save(tensors, dict(metadata or {})))


def load_weights(path: Path) -> dict[str, Tensor]:
    """The state dict that `save_weights` wrote, on the CPU."""
    return safetensors.torch.load_file(path)


def _by_step(directory: Path) -> list[tuple[int, Path]]:
    found = [(int(name[1]), path) for path in directory.glob("step-*.pt") if (name := _NAME.fullmatch(path.name))]
    return sorted(found)


def _write_whole(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    with aside.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
