"""How long one crop takes in each form that a model can be used in, measured one after the other in one run."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.export.passes import move_to_device_pass

from distilpose.deployment.program import Deployed
from distilpose.integrations.onnx import OnnxModel, runs_on
from distilpose.models.speed import measure_speed

PASSES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Milliseconds of one crop: the median and the quartiles of `passes`, on `device` with so many threads."""

    form: str
    device: str
    milliseconds: float
    low: float
    high: float
    passes: int
    threads: int


class _Called(nn.Module):
    """A program as a module that can be put into evaluation mode, which a program is always in."""

    def __init__(self, program: ExportedProgram, device: torch.device) -> None:
        super().__init__()
        # In a tuple, so that it is no part of this module.
        self._program = (move_to_device_pass(program, device).module(),)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        found: dict[str, Tensor] = self._program[0](images)
        return found


def latencies(
    model: nn.Module, program: ExportedProgram, onnx: Path | None, input_size: tuple[int, int], *, passes: int = PASSES
) -> Iterator[Latency]:
    """Yield the time of the model in Python, of its program and of its ONNX file, on the CPU and on the GPU if any.

    Each goes all the way from a crop to its points. The model ends on the last device.
    """
    devices = [torch.device("cpu")] + ([torch.device("cuda")] if torch.cuda.is_available() else [])
    for device in devices:
        forms: list[tuple[str, nn.Module]] = [("torch", Deployed(model)), ("torch.export", _Called(program, device))]
        if onnx is not None and runs_on(device):
            forms.append(("ONNX Runtime", OnnxModel(onnx, device=device)))
        for name, form in forms:
            speed = measure_speed(form, input_size, device=device, passes=passes)
            yield Latency(
                form=name,
                device=str(device),
                milliseconds=1000 / speed.fps,
                low=1000 / speed.high,
                high=1000 / speed.low,
                passes=passes,
                threads=speed.threads,
            )
