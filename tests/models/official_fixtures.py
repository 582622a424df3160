"""The authors' numbers, read from the reference folder: key lists, stand-in weights, and what their models return."""

import runpy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

NAMES = (
    "base_hr48_3stage",
    "base_stemnet",
    "distilpose_l",
    "distilpose_s",
    "sdpose_b",
    "sdpose_s_v1",
    "sdpose_s_v2",
    "sdpose_t",
    "teacher_stemnet",
    "teacher_tokenpose_l",
    "tokenpose_hr32_stage3",
    "tokenpose_hr48_stage3_d6",
    "tokenpose_s",
    "tokenpose_s_v2",
    "tokenpose_t",
)


def official_shapes(parity: Path, name: str) -> dict[str, Tensor]:
    """Return the official keys with tensors of the right shapes on the meta device."""
    lines = (parity / "keys" / f"{name}.txt").read_text().splitlines()
    shapes = {}
    for line in lines:
        key, _, shape = line.partition(" ")
        sizes = [int(part) for part in shape.strip("() ").split(",") if part.strip()]
        shapes[key] = torch.empty(sizes, device="meta")
    return shapes


def official_weights(parity: Path, name: str) -> dict[str, Tensor]:
    """Return the deterministic stand-in weights, without the sine table."""
    draw = runpy.run_path(str(parity / "official_weights.py"))["official_state_dict"]
    arrays = draw(parity / "keys" / f"{name}.txt")
    return {key: torch.from_numpy(array) for key, array in arrays.items() if array is not None}


def peer_weights(parity: Path, name: str) -> dict[str, Tensor]:
    """Return the stand-in weights of another method's model, without the sine table."""
    draw = runpy.run_path(str(parity / "peers" / "peer_weights.py"))["peer_state_dict"]
    arrays = draw(parity / "peers" / "keys" / f"{name}.txt")
    return {key: torch.from_numpy(array) for key, array in arrays.items() if array is not None}


def official_outputs(parity: Path, name: str) -> dict[str, Tensor]:
    """Return what the authors' model returns for `fixture_images`."""
    with np.load(parity / "fixtures" / f"{name}.npz") as arrays:
        return {key: torch.from_numpy(arrays[key]) for key in arrays.files}


def fixture_images() -> Tensor:
    """Return the two images every fixture was made from."""
    return torch.from_numpy(np.random.default_rng(20260).normal(0, 1, (2, 3, 256, 192)).astype("float32"))
