"""Official checkpoint files turned into ours: bare weights under our names, in a format that holds no code."""

import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from distilpose.data.foreign import shown
from distilpose.models.description import Description
from distilpose.models.official import load_official
from distilpose.whole_files import write_whole

# Training leaves its best score behind in a checkpoint's notes, as a number of numpy's: these and no others are let in.
_SCALAR = np.float64(0).__reduce__()[0]
_LET_IN: list[Any] = [
    (_SCALAR, "numpy.core.multiarray.scalar"),
    (_SCALAR, "numpy._core.multiarray.scalar"),
    np.dtype,
    *(type(np.dtype(name)) for name in ("float64", "float32", "int64", "int32", "bool")),
]


class CheckpointFileError(ValueError):
    """The file is not a checkpoint that can be read safely."""


def read_official(path: Path, *, let_in: Sequence[Any] = ()) -> dict[str, Tensor]:
    """Return the weights in an official `.pth` file under the official names; optimiser and notes are dropped.

    Nothing in the file is run: it is read with `weights_only=True`. What a file's notes may hold beside plain values is
    numpy's numbers and the harmless types of `let_in`, each a type or a pair of it and the name it has in the file.

    Raises:
        CheckpointFileError: the file is missing, damaged, holds more than weights and plain values, or no weights.

    """
    try:
        with torch.serialization.safe_globals([*_LET_IN, *let_in]), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pickle's versions
            content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointFileError(f"{path}: cannot be read: {error.strerror or error}") from error
    except Exception as error:  # whatever torch's unpickler runs into, reading foreign bytes as its opcodes
        refused = re.search(r"Unsupported global: GLOBAL ([\w.]+)", str(error))
        if refused is not None:
            raise CheckpointFileError(
                f"{path}: holds {refused[1]}, which would be run, beside its weights; save its state_dict alone"
            ) from error
        raise CheckpointFileError(
            f"{path}: is not a PyTorch checkpoint, or is damaged ({type(error).__name__}); download it again"
        ) from error
    state = content.get("state_dict", content) if isinstance(content, Mapping) else None
    if not isinstance(state, Mapping):
        raise CheckpointFileError(f"{path}: must hold a state_dict, got a {type(content).__name__}")
    weights = {str(key): value for key, value in state.items() if isinstance(value, Tensor)}
    if not weights:
        raise CheckpointFileError(f"{path}: must hold a state_dict, got no tensors")
    odd = [key for key, value in weights.items() if value.layout != torch.strided or value.device.type != "cpu"]
    if odd:
        raise CheckpointFileError(f"{path}: {shown(odd[0])}: must be a dense tensor with its numbers; save it anew")
    if all(key.startswith("module.") for key in weights):  # as saved from several devices
        weights = {key.removeprefix("module."): value for key, value in weights.items()}
    return weights


def convert_official(source: Path, target: Path, description: Description) -> None:
    """Write the official checkpoint `source` to `target` (safetensors) as weights of the model described.

    `target` says what it is of, and is whole or absent.

    Raises:
        ValueError: `target` does not end in `.safetensors`, its folder is missing, or there is no such model.
        CheckpointFileError: `source` cannot be read.
        OfficialWeightsError: it is another model's.

    """
    if target.suffix != ".safetensors":
        raise ValueError(f"target: must end in .safetensors, which is what is written, got {target}")
    if not target.parent.is_dir():
        raise ValueError(f"target: must lie in a folder that exists, got {target}; make {target.parent} first")
    model = description.build()
    load_official(model, read_official(source))
    state = {key: value.detach().contiguous() for key, value in model.state_dict().items()}
    write_whole(target, save(state, metadata=description.to_metadata()))
