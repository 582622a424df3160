"""ONNX: models written to files and read back. The one file that imports onnx's packages, and only when asked to."""

import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.export import ExportedProgram

from distilpose.data.foreign import shown
from distilpose.deployment.program import INPUT
from distilpose.heads import HEADS, load
from distilpose.heads.output import Output
from distilpose.whole_files import write_whole

OPSET = 18
"""The version of ONNX's operators that files are written in; onnxruntime reads it since 1.14."""


def check_installed() -> None:
    """Raise a ValueError that names the remedy, unless the extra is installed."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ValueError(
            f"onnx: {error.name} is not installed; `pip install 'distilpose[export]'` brings it"
        ) from error


def write_onnx(program: ExportedProgram, file: Path, notes: Mapping[str, str]) -> None:
    """Write the program to `file`, weights included, whole or not at all; `notes` become the model's metadata.

    Raises ValueError when the extra is not installed.
    """
    check_installed()
    import onnx

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter's own code
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        exported = torch.onnx.export(program, opset_version=OPSET, dynamo=True, verbose=False)
    assert exported is not None
    model = exported.model_proto
    (example,), _ = program.example_inputs
    found = program.module()(example)
    names = {value.name: name for value, name in zip(model.graph.output, found, strict=True)}
    names[model.graph.input[0].name] = INPUT
    _rename(model, names)
    onnx.helper.set_model_props(model, dict(notes))
    onnx.checker.check_model(model)
    write_whole(file, model.SerializeToString())


def _rename(model: Any, names: Mapping[str, str]) -> None:
    """Give the graph's inputs and outputs these names, and its number of crops the name `batch`."""
    for node in model.graph.node:
        for values in (node.input, node.output):
            for place, name in enumerate(values):
                values[place] = names.get(name, name)
    for value in (*model.graph.input, *model.graph.output):
        value.name = names.get(value.name, value.name)
        value.type.tensor_type.shape.dim[0].dim_param = "batch"


def runs_on(device: torch.device | str) -> bool:
    """Whether the onnxruntime here has this kind of device."""
    check_installed()
    import onnxruntime

    return _provider(device) in onnxruntime.get_available_providers()


def _provider(device: torch.device | str) -> str:
    return "CUDAExecutionProvider" if torch.device(device).type == "cuda" else "CPUExecutionProvider"


class OnnxModel(nn.Module):
    """A model in an ONNX file, with the outputs of the model that it was written from.

    What its head does not export is None: tokens, sigmas, attention.

    Raises ValueError when the extra is not installed or the file is not one that `write_onnx` wrote.
    """

    def __init__(self, file: Path, *, device: torch.device | str = "cpu") -> None:
        super().__init__()
        check_installed()
        import onnxruntime

        if not runs_on(device):
            raise ValueError(f"onnx: this onnxruntime cannot run on {device}; install onnxruntime-gpu, or use the CPU")
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = torch.get_num_threads()
        try:
            self._session = onnxruntime.InferenceSession(str(file), settings, providers=[_provider(device)])
        except Exception as error:  # of onnxruntime's own kinds, none of them public
            raise ValueError(f"{file}: must be an ONNX model, which it is not ({type(error).__name__})") from error
        self.outputs = tuple(value.name for value in self._session.get_outputs())
        inputs = self._session.get_inputs()
        heads = {head.exports: head for head in HEADS.values()}
        if self.outputs not in heads or [value.name for value in inputs] != [INPUT]:
            raise ValueError(
                f"{file}: must have the input {INPUT} and the outputs {' or '.join(map(', '.join, heads))}, "
                f"got {shown(list(self.outputs))}; write it with `distilpose export`"
            )
        self._output = load(heads[self.outputs].output)
        sizes = [*inputs[0].shape[2:], *self._session.get_outputs()[0].shape[1:2]]
        if len(inputs[0].shape) != 4 or len(sizes) != 3 or not all(type(size) is int for size in sizes):
            raise ValueError(
                f"{file}: must say the size of its crops and its joints; write it with `distilpose export`"
            )
        height, width, joints = sizes
        self.input_size: tuple[int, int] = (width, height)
        self.joints: int = joints
        self._file = file
        self.notes: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)

    def run(self, images: Float[Tensor, "batch 3 height width"]) -> dict[str, Tensor]:
        """Return by name what the file's program returns. Raises ValueError where it cannot be run on these crops."""
        try:
            found = self._session.run(None, {INPUT: images.detach().cpu().numpy()})
        except Exception as error:  # of onnxruntime's own kinds, none of them public
            raise ValueError(f"{self._file}: cannot be run on {len(images)} crops ({type(error).__name__})") from error
        shapes = [tuple(getattr(array, "shape", ())) for array in found]
        count = (len(images), self.joints)
        if shapes[:2] != [(*count, 2), count] or any(shape[:1] != count[:1] for shape in shapes[2:]):
            raise ValueError(f"{self._file}: must return points and scores of {self.joints} joints, got {shapes}")
        return {
            name: torch.from_numpy(array).to(images.device) for name, array in zip(self.outputs, found, strict=True)
        }

    def forward(self, images: Float[Tensor, "batch 3 height width"], *, attention: bool = False) -> Output:
        """Return what the head exported of its output; no file has attention."""
        found = self.run(images)
        output: Output = self._output(**{name: found[name] for name in self._output._fields if name in found})
        return output
