"""Located YAML checked against typed records: every fault with its place, its rule and the nearest valid name."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Sequence
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from distilpose.parts.naming import nearest
from experiments.sweep.yaml_nodes import Node, Path_, Problem, dotted, shown

Kind = TypeVar("Kind")

_RULES = {
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping",
    "dataclass_type": "must be a mapping of fields",
    "finite_number": "must be a finite number",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "must be letters, digits, and _ - + after the first, 60 at most",
}
_BOUNDS = {
    "greater_than": ("greater than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
}


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def checked(
    kind: type[Kind], node: Node, file: str, values: Any = None
) -> tuple[Kind | None, list[tuple[Path_, Problem]]]:
    """The record a node describes and no faults, or None and every fault with its path. `values` replace the node's
    own.
    """
    record_kind: Any = kind
    try:
        return _adapter(record_kind).validate_python(node.frozen if values is None else values), []
    except ValidationError as error:
        found = [(_steps(node, fault["loc"]), fault) for fault in error.errors(include_url=False)]
        paths: list[Path_] = [tuple(step for step in steps if not isinstance(step, _Mark)) for steps, _ in found]
        return None, [
            (path, _problem(kind, node, file, path, steps, fault))
            for path, (steps, fault) in zip(paths, found, strict=True)
        ]


@dataclasses.dataclass(frozen=True, slots=True)
class _Mark:
    """A step of pydantic's path that is no field: a key, or the kind of record meant."""

    name: str


def _steps(node: Node, loc: Sequence[str | int]) -> list[str | int | _Mark]:
    """Pydantic's path, its marks told from keys that look like them."""
    steps: list[str | int | _Mark] = []
    at: Node | None = node
    for step in loc:
        below = None if at is None else at.get(step)
        if below is None and isinstance(step, str) and step.startswith("["):
            steps.append(_Mark(step))
        else:
            steps.append(step)
            at = below
    return steps


def _problem(kind: Any, node: Node, file: str, path: Path_, steps: Sequence[str | int | _Mark], fault: Any) -> Problem:
    what = node.nearest(path)
    place = what.place
    field = dotted(path)
    got, code = fault["input"], fault["type"]
    if code == "unexpected_keyword_argument":
        return Problem(file, what.key, field, f"no such field, {nearest(path[-1], _fields(kind, steps[:-1]))}")
    if code in ("missing", "missing_keyword_only_argument", "missing_argument"):
        return Problem(file, place, field, "must be given")
    context = fault.get("ctx", {})
    if code == "union_tag_invalid":
        expected = re.findall(r"\[(\w+)\]", context["expected_tags"].lower())
        where, got = node.nearest((*path, "name")), got.get("name")
        rule = f"must be one of the valid values, got {shown(got)}; {nearest(got, expected)}"
        return Problem(file, where.place, dotted((*path, "name")), rule)
    if code == "value_error":  # of a record whose fields make no sense together
        below, _, rule = str(context["error"]).partition(": ")
        return Problem(file, node.nearest((*path, below)).place, dotted((*path, below)), rule)
    if code == "said":
        return Problem(file, place, field, fault["msg"])
    if code == "literal_error":
        expected = re.findall(r"'([^']*)'", context["expected"])
        return Problem(
            file, place, field, f"must be one of the valid values, got {shown(got)}; {nearest(got, expected)}"
        )
    if code in _BOUNDS:
        words, name = _BOUNDS[code]
        rule = f"must be {words} {context[name]:,.15g}"
    elif code == "too_short":
        rule = f"must have at least {context['min_length']} items"
    elif code == "too_long":
        rule = f"must have at most {context['max_length']:,} items"
    elif code == "string_too_long":
        rule = f"must have at most {context['max_length']:,} characters"
    else:
        rule = _RULES.get(code, fault["msg"])
    return Problem(file, place, field, f"{rule}, got {shown(got)}")


def field_of(kind: Any, path: Sequence[str]) -> dataclasses.Field[Any]:
    """The field at a path of names below a record. Raises ValueError, with the nearest name, where there is none."""
    records = _records(kind)
    for name in path:
        fields = {field.name: (record, field) for record in records for field in dataclasses.fields(record)}
        if name not in fields:
            raise ValueError(f"no such field, {nearest(name, fields)}")
        record, field = fields[name]
        records = _records(typing.get_type_hints(record)[name])
    return field


def _fields(kind: Any, steps: Sequence[int | str | _Mark]) -> list[str]:
    """The names of the fields of the record at a path."""
    for step in steps:
        if isinstance(step, _Mark):
            kind = next(
                (item for item in typing.get_args(kind) if f"[{getattr(item, '__name__', '')}]" == step.name), kind
            )
        elif isinstance(step, str) and _records(kind):
            (record,) = _records(kind)
            kind = typing.get_type_hints(record).get(step)
        else:
            arguments = [item for item in typing.get_args(kind) if item is not Ellipsis]
            kind = arguments[-1] if arguments else None
    return [field.name for record in _records(kind) for field in dataclasses.fields(record)]


def _records(kind: Any) -> list[Any]:
    """The records among the types that a value may have."""
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return [record for item in typing.get_args(kind) for record in _records(item)]
    return [kind] if dataclasses.is_dataclass(kind) else []
