"""A launcher's own options: a record, given on the command line as `--with KEY=VALUE`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields
from typing import Any, TypeVar

from distilpose.parts.naming import nearest

Kind = TypeVar("Kind")


def read_options(kind: type[Kind], pairs: Iterable[str]) -> Kind:
    """The record that the pairs describe. Raises ValueError with all that is wrong with them, a line each."""
    from pydantic import TypeAdapter, ValidationError

    record: Any = kind
    known = [field.name.replace("_", "-") for field in fields(record)]
    problems: list[str] = []
    values: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = (part.strip() for part in pair.partition("="))
        name = name.replace("_", "-")
        if not equals or not value or not value.isprintable():
            problems.append(f"--with {pair}: must be KEY=VALUE, such as time=2:00:00")
        elif name not in known:
            problems.append(f"--with {pair}: no such option here, {nearest(name, known)}")
        elif name.replace("-", "_") in values:
            problems.append(f"--with {pair}: {name} is given twice, also as {values[name.replace('-', '_')]}")
        else:
            values[name.replace("-", "_")] = value
    try:
        options: Kind = TypeAdapter(record).validate_strings(values)
    except ValidationError as error:
        for fault in error.errors():
            given = "".join(f"{str(name).replace('_', '-')}={values[str(name)]}: " for name in fault["loc"])
            rule = fault["msg"].removeprefix("Value error, ").replace("Input should", "must")
            problems.append(f"--with {given}{rule}")
    if problems:
        raise ValueError("\n".join(problems))
    return options
