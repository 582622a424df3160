"""A model as one program from pictures to points, traced by torch.export for any number of crops at a time."""

import copy
import io
from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from distilpose.heads.output import Output
from distilpose.whole_files import write_whole

INPUT = "images"
_TRACED_WITH = 2  # crops; one alone would be taken for a constant


class Deployed(nn.Module):
    """A model as its users want it: crops in, points out.

    In: `images` [batch, 3, height, width], float32, RGB, with ImageNet's mean and deviation taken out. Out: `keypoints`
    [batch, joints, 2], (x, y) in [0, 1] of the crop; `scores` [batch, joints], 1 where the model has no score; of a
    heatmap model, whose points are found by DARK, also the `heatmaps` [batch, joints, height / 4, width / 4].
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Float[Tensor, "batch 3 height width"]) -> dict[str, Tensor]:
        """Return by name what the head's output exports."""
        output: Output = self.model(images)
        return output.exported()


def export_program(model: nn.Module, input_size: tuple[int, int]) -> ExportedProgram:
    """Return the model as a program on the CPU for crops of `input_size` (width, height), any number at a time."""
    width, height = input_size
    example = torch.zeros(_TRACED_WITH, 3, height, width)
    # A copy, since the file's format takes weights laid out channels last for parts of others.
    deployed = Deployed(copy.deepcopy(model)).cpu().eval().to(memory_format=torch.contiguous_format)
    with torch.inference_mode(False), torch.no_grad():
        return torch.export.export(deployed, (example,), dynamic_shapes={INPUT: {0: Dim("batch")}})


def write_program(program: ExportedProgram, file: Path) -> None:
    """Write the program to a `.pt2` file, whole or not at all; `torch.export.load` reads it."""
    packed = io.BytesIO()
    torch.export.save(program, packed)
    write_whole(file, packed.getvalue())


def largest_difference(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> dict[str, float]:
    """Return by name of the output how far two answers to the same crops lie apart at most."""
    assert ours.keys() == theirs.keys(), (ours.keys(), theirs.keys())
    return {name: float((ours[name] - theirs[name]).abs().max()) for name in ours}
