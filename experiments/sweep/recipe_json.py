"""Recipes as plain values: as JSON and back, and YAML's values with their losses, models and metric read."""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from distilpose.evaluation.metrics import MetricUse, read_metric
from distilpose.losses.use import Faults, Losses, read_losses
from distilpose.models.use import ModelUse, read_model
from experiments.sweep.choices import ModelChoice, TeacherChoice
from experiments.sweep.recipe import RunRecipe


def to_json(record: Any) -> dict[str, Any]:
    """A record as plain JSON values: tuples become lists, the types of numbers stay as declared."""
    kind: Any = type(record)
    names, read = _fields(kind)
    return {
        name: value if value.__class__ in _SCALARS else _plain(value)
        for name, value in zip(names, read(record), strict=True)
    }


_SCALARS = frozenset({str, int, float, bool, type(None)})


def _plain(value: Any) -> Any:
    if isinstance(value, Losses | MetricUse):
        return value.plain()
    if isinstance(value, ModelChoice):
        kind: Any = type(value)
        rest = {name: getattr(value, name) for name in _beside(kind)}
        return value.plain() | {name: one if one.__class__ in _SCALARS else _plain(one) for name, one in rest.items()}
    if isinstance(value, tuple):
        return [item if item.__class__ in _SCALARS else _plain(item) for item in value]
    return to_json(value)


@cache
def _fields(kind: type) -> tuple[tuple[str, ...], Callable[[Any], tuple[Any, ...]]]:
    """The names of a record's fields, and what reads them all at once."""
    names = tuple(field.name for field in dataclasses.fields(kind))
    read = operator.attrgetter(*names)
    return names, read if len(names) > 1 else lambda record: (read(record),)


def frozen(value: Any) -> Any:
    """Plain JSON or YAML values with tuples for lists, as the records want them."""
    if isinstance(value, Mapping):
        return {key: frozen(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return tuple(frozen(item) for item in value)
    return value


@cache
def _adapter(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def run_recipe_from_json(value: Mapping[str, Any]) -> RunRecipe:
    """The run recipe that `to_json` wrote. Raises ValueError for anything else."""
    value, faults = with_parts(value, Path())
    for path, rule in faults:
        raise ValueError(f"{'.'.join(path)}: {rule}")
    recipe: RunRecipe = _adapter(RunRecipe).validate_python(frozen(value))
    return recipe


def with_parts(value: Any, folder: Path) -> tuple[Any, Faults]:
    """A recipe's values with losses, models and metric read, and what is wrong; `folder` is the sweep file's."""
    faults: Faults = []
    if not isinstance(value, Mapping):
        return value, faults
    read, faults = with_losses(value, folder)
    for name, kind in (("student", ModelChoice), ("teacher", TeacherChoice), ("model", ModelChoice)):
        if isinstance(value.get(name), Mapping) and not {"mmpose", "row"} & set(value[name]):
            whole, below = with_losses(value[name], folder)
            read[name], wrong = read_model(whole, folder, beside=_beside(kind))
            faults += [((name, *path), rule) for path, rule in (*below, *(((field,), rule) for field, rule in wrong))]
    if isinstance(value.get("evaluation"), Mapping):
        read["evaluation"], below = with_metric(value["evaluation"], "best_by", folder)
        faults += [(("evaluation", *path), rule) for path, rule in below]
    return read, faults


def with_losses(value: Mapping[str, Any], folder: Path) -> tuple[dict[str, Any], Faults]:
    """These values with their losses read, where they have any, and what is wrong."""
    if value.get("losses") is None:
        return dict(value), []
    losses, below = read_losses(value["losses"], folder)
    return {**value, "losses": losses}, [(("losses", *path), rule) for path, rule in below]


@cache
def _beside(kind: type) -> tuple[str, ...]:
    """The fields of a choice of a model that are not the model's."""
    of_model = {field.name for field in dataclasses.fields(ModelUse)}
    return tuple(field.name for field in dataclasses.fields(kind) if field.name not in of_model)


def fields_of_model(role: str) -> tuple[str, ...]:
    """The fields that a student or teacher has in a recipe; any other is an option of the model itself."""
    return ("model", "head", "version", *_beside(TeacherChoice if role == "teacher" else ModelChoice))


def with_metric(value: Mapping[str, Any], field: str, folder: Path) -> tuple[dict[str, Any], Faults]:
    """These values with the metric of a field read, if it is there; without it where something is wrong with it."""
    read = dict(value)
    if field not in read:
        return read, []
    use, faults = read_metric(read.pop(field), folder)
    return read if use is None else {**read, field: use}, [((field, *path), rule) for path, rule in faults]
