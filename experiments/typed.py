"""Located YAML against typed records: every fault with its place, its rule and the nearest valid name."""

from __future__ import annotations

import dataclasses
import re
import types
import typing
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from experiments.source import Node, Path_, Problem, dotted

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
    "less_than_equal": ("at most", "le"),
}


def nearest(got: object, valid: Iterable[str]) -> str:
    """The hint for a name that is not valid: the nearest valid one, and which are."""
    names = [str(name) for name in valid]
    if not names:
        return "there are none"
    near = get_close_matches(str(got), names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}? " if near else ""
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return f"{hint}valid: {', '.join(names[:20])}{more}"


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def checked(kind: type[Kind], node: Node, file: str) -> tuple[Kind | None, list[tuple[Path_, Problem]]]:
    """The record a node describes and no faults, or None and every fault with its path."""
    record_kind: Any = kind
    try:
        return _adapter(record_kind).validate_python(node.frozen), []
    except ValidationError as error:
        faults = error.errors(include_url=False)
        paths: list[Path_] = [tuple(step for step in fault["loc"] if not _is_mark(step)) for fault in faults]
        return None, [
            (path, _problem(kind, node, file, path, fault)) for path, fault in zip(paths, faults, strict=True)
        ]


def _problem(kind: Any, node: Node, file: str, path: Path_, fault: Any) -> Problem:
    what = node.nearest(path)
    marked = fault["loc"]
    place = what.place
    field = dotted(path)
    got, code = fault["input"], fault["type"]
    if code == "unexpected_keyword_argument":
        return Problem(
            file,
            what.key,
            field,
            f"no such field, {nearest(path[-1], _fields(kind, [step for step in marked if step != '[key]'][:-1]))}",
        )
    if code in ("missing", "missing_keyword_only_argument", "missing_argument"):
        return Problem(file, place, field, "must be given")
    context = fault.get("ctx", {})
    if code == "literal_error":
        expected = re.findall(r"'([^']*)'", context["expected"])
        return Problem(
            file, place, field, f"must be one of the valid values, got {shown(got)}; {nearest(got, expected)}"
        )
    if code in _BOUNDS:
        words, name = _BOUNDS[code]
        rule = f"must be {words} {context[name]:g}"
    elif code == "too_short":
        rule = f"must have at least {context['min_length']} items"
    elif code == "too_long":
        rule = f"must have at most {context['max_length']} items"
    else:
        rule = _RULES.get(code, fault["msg"])
    return Problem(file, place, field, f"{rule}, got {shown(got)}")


def shown(value: Any) -> str:
    """A value as in a message: short, as YAML would write it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return f"a mapping of {', '.join(map(str, value))}" if value else "an empty mapping"
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(shown, value))}]"
    return repr(value)


def _is_mark(step: int | str) -> bool:
    """Whether a step of pydantic's path stands for no field: a key, or which record of several is meant."""
    return isinstance(step, str) and step.startswith("[")


def _fields(kind: Any, path: Sequence[int | str]) -> list[str]:
    """The names of the fields of the record at a path."""
    for step in path:
        if _is_mark(step):
            kind = next(item for item in typing.get_args(kind) if f"[{getattr(item, '__name__', '')}]" == step)
            continue
        record = _record(kind)
        if record is None or not isinstance(step, str):
            arguments = [item for item in typing.get_args(kind) if item is not Ellipsis]
            kind = arguments[-1] if arguments else None
            continue
        kind = typing.get_type_hints(record).get(step)
    record = _record(kind)
    return [] if record is None else [field.name for field in dataclasses.fields(record)]


def _record(kind: Any) -> Any:
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return next(filter(None, map(_record, typing.get_args(kind))), None)
    return kind if dataclasses.is_dataclass(kind) else None
