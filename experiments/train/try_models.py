"""Whether models from outside - a user's own, mmpose's, teachers that come trained - do what a sweep asks of them.

Each is built and shown an empty crop once, before anything starts.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from distilpose.data.skeleton import Skeleton
from distilpose.losses.table import LOSSES, STUDENT_ASKS
from experiments.build.data import data_root
from experiments.runs.store import Store
from experiments.sweep.choices import DataChoice, MMPoseChoice
from experiments.sweep.compatibility import model_shape_of
from experiments.sweep.recipe import Recipe, RunRecipe

_Tokens = tuple[int, ...] | None
"""(visual tokens, their width); None without any."""


def model_faults(recipes: Iterable[Recipe], *, root: Path | None, store: Store) -> tuple[str, ...]:
    """Every reason why models cannot do their part in a recipe, each once. Those of ours are asked only where a loss
    compares features of which the plan does not know the shape.

    Args:
        recipes: rows of a sweep.
        root: the folder of data that the user named instead of the recipes', if any.
        store: below it are synthetic people, and the kept copies of users' own code.
    """
    tried = _Tried(root, store)
    faults: dict[str, None] = {}
    for recipe in recipes:
        try:
            faults.update(dict.fromkeys(_faults(recipe, tried)))
        except (ValueError, OSError) as error:
            faults[str(error)] = None
    return tuple(faults)


def _faults(recipe: Recipe, tried: _Tried) -> Iterable[str]:
    student = recipe.student_run(0)
    said = tried.output_of(student) if student.model.own_parts else None
    for use in recipe.losses or ():
        for ask in use.asks:
            if said is not None and ask in STUDENT_ASKS and getattr(said, ask, None) is None:
                yield f"losses.{use.name}: asks for {ask}, which {student.model.model} does not give"
    if not recipe.uses_teacher:
        return
    compared = [use for use in recipe.losses or () if use.own is None and LOSSES[use.name].equal_tokens]
    if recipe.given_teacher is not None:
        name, taught = recipe.given_teacher.config, tried.given(recipe.given_teacher, recipe.data, recipe.input_size)
    else:
        teacher = recipe.teacher_run(0)
        from_outside = teacher.model.own_parts or said is not None
        if not (from_outside or (compared and not all(map(_has_tokens, (student, teacher))))):
            return
        name, taught = teacher.model.model, tried.tokens_of(teacher)
    ours = tried.tokens_of(student)
    for use in compared:
        if ours != taught:
            theirs = "and the teacher has none"
            if taught is not None and ours is not None:
                theirs = "got {}x{} and {}x{}".format(*ours, *taught)
            yield (
                f"losses.{use.name}: needs student and teacher to have tokens of one shape, {theirs} ({name}); "
                "set it to 0, or take a teacher with tokens"
            )


class _Tried:
    """What models say of an empty crop, each asked once. Torch is imported here: few sweeps have such models."""

    def __init__(self, root: Path | None, store: Store) -> None:
        self._root, self._store = root, store
        self._outputs: dict[Any, Any] = {}
        self._skeletons: dict[DataChoice, Skeleton] = {}

    def output_of(self, run: RunRecipe) -> Any:
        """What a run's model returns. Raises ValueError where it fails, also when the same was asked before."""
        from distilpose.models.own_models import asked_once
        from experiments.build.models import build_run_model

        key = (run.model, None if run.losses is None else run.losses.asks, run.data, run.input_size)
        if key not in self._outputs:
            try:
                model = build_run_model(run, self._skeleton(run.data), self._store.parts)
                self._outputs[key] = asked_once(model, run.model.model, run.input_size)
            except ValueError as error:
                self._outputs[key] = error
        return _sound(self._outputs[key])

    def tokens_of(self, run: RunRecipe) -> _Tokens:
        """The shape of the tokens of a run's model."""
        if run.model.own_parts or not _has_tokens(run):
            return _tokens(self.output_of(run))
        shape = model_shape_of(run.model, run.input_size)
        return shape.visual_tokens, shape.dim

    def given(self, choice: MMPoseChoice, data: DataChoice, input_size: tuple[int, int]) -> _Tokens:
        """The shape of the tokens of a teacher that comes trained. Raises ValueError or OSError where it cannot."""
        key = (choice, data, input_size)
        if key not in self._outputs:
            try:
                self._outputs[key] = _taught(choice, self._skeleton(data), input_size)
            except (ValueError, OSError) as error:
                self._outputs[key] = error
        return _tokens(_sound(self._outputs[key]))

    def _skeleton(self, data: DataChoice) -> Skeleton:
        from distilpose.data.coco import load_pose_data

        if data not in self._skeletons:
            folder = data_root(data, root=self._root, runs=self._store.root)
            self._skeletons[data] = load_pose_data(folder, data.train, data.given).skeleton
        return self._skeletons[data]


def _taught(choice: MMPoseChoice, skeleton: Skeleton, input_size: tuple[int, int]) -> Any:
    from distilpose.models.own_models import asked_once
    from experiments.build.models import build_given_teacher

    teacher = build_given_teacher(choice, joints=skeleton.names, input_size=input_size)
    return asked_once(teacher, choice.config, input_size)


def _has_tokens(run: RunRecipe) -> bool:
    return model_shape_of(run.model, run.input_size).has_tokens


def _sound(found: Any) -> Any:
    if isinstance(found, Exception):
        raise found
    return found


def _tokens(output: Any) -> _Tokens:
    tokens = getattr(output, "visual_tokens", None)
    return None if tokens is None else tuple(tokens.shape[1:])
