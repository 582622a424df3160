"""Whether teachers that come trained can teach what a sweep asks, tried once before anything starts."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from distilpose.losses.table import LOSSES
from experiments.build.data import data_root
from experiments.sweep.compatibility import model_shape_of
from experiments.sweep.recipe import DataChoice, MMPoseChoice, Recipe

if TYPE_CHECKING:
    from distilpose.heads.heatmap import HeatmapOutput

_Given = tuple[MMPoseChoice, DataChoice, tuple[int, int]]


def given_teacher_faults(recipes: Iterable[Recipe], *, root: Path | None, runs: Path) -> tuple[str, ...]:
    """Every reason why a recipe cannot learn from its given teacher: files, joints, crop size, tokens; each once.

    Args:
        recipes: rows of a sweep; those without a given teacher in use are passed over.
        root: the folder of data that the user named instead of the recipes', if any.
        runs: the runs directory, below which synthetic people are kept.
    """
    outputs: dict[_Given, HeatmapOutput | None] = {}
    faults: dict[str, None] = {}
    for recipe in recipes:
        if recipe.given_teacher is None or not recipe.uses_teacher:
            continue
        given = (recipe.given_teacher, recipe.data, recipe.input_size)
        if given not in outputs:
            try:
                outputs[given] = _taught(*given, root=root, runs=runs)
            except (ValueError, OSError) as error:
                outputs[given] = None
                faults[str(error)] = None
        output = outputs[given]
        if output is not None:
            faults.update(dict.fromkeys(_token_faults(recipe, output)))
    return tuple(faults)


def _taught(
    choice: MMPoseChoice, data: DataChoice, input_size: tuple[int, int], *, root: Path | None, runs: Path
) -> HeatmapOutput:
    """The teacher's output for an empty crop. Torch is imported here: few sweeps have such teachers."""
    import torch

    from distilpose.data.coco import load_pose_data
    from experiments.build.models import build_given_teacher

    joints = load_pose_data(data_root(data, root=root, runs=runs), data.train).skeleton.names
    teacher = build_given_teacher(choice, joints=joints, input_size=input_size)
    width, height = input_size
    with torch.no_grad():
        output: HeatmapOutput = teacher(torch.zeros(1, 3, height, width))
    return output


def _token_faults(recipe: Recipe, taught: HeatmapOutput) -> Iterable[str]:
    assert recipe.losses is not None
    assert recipe.given_teacher is not None
    student = model_shape_of(recipe.student, recipe.input_size)
    if taught.visual_tokens is None:
        got = "and the teacher has none"
    elif tuple(taught.visual_tokens.shape[1:]) != (student.visual_tokens, student.dim):
        theirs = "x".join(map(str, taught.visual_tokens.shape[1:]))
        got = f"got {student.visual_tokens}x{student.dim} and {theirs}"
    else:
        return
    for use in recipe.losses:
        if use.own is None and LOSSES[use.name].equal_tokens:
            yield (
                f"losses.{use.name}: needs student and teacher to have tokens of one shape, {got} "
                f"({recipe.given_teacher.config}); set it to 0, or take a teacher with tokens"
            )
