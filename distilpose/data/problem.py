"""One fault of a data set, and many of them as text."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from distilpose.data.foreign import shown

_NAMED = 3  # places of a repeated fault that its line names


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One fault: of which kind, in which file and field, the value found, and the rule with its remedy."""

    kind: str
    file: str
    field: str
    value: str
    message: str

    def __str__(self) -> str:
        got = f", got {self.value}" if self.value else ""
        return f"{self.file}: {self.field}: {self.message}{got} [{self.kind}]"


def problem(kind: str, file: Path, field: str, value: object, message: str) -> Problem:
    """The problem, its value as short JSON ('' for none) and its message without a repeated file name."""
    text = "" if value == "" else shown(value)
    return Problem(kind=kind, file=str(file), field=field, value=text, message=message.removeprefix(f"{file}: "))


def problem_lines(problems: Iterable[Problem]) -> Iterator[str]:
    """A line for each fault; a fault that many records or pictures have is one line with their number."""
    alike: dict[tuple[str, ...], list[Problem]] = {}
    for one in problems:
        place = str(Path(one.file).parent) if one.field == "picture" else one.file
        alike.setdefault((one.kind, place, re.sub(r"\[\d+\]( \(id -?\d+\))?", "", one.field)), []).append(one)
    for first, *others in alike.values():
        if not others:
            yield str(first)
            continue
        places = [Path(one.file).name if one.field == "picture" else one.field for one in others[:_NAMED]]
        more = ", ..." if len(others) > _NAMED else ""
        yield f"{first}; and {len(others)} more like it: {', '.join(places)}{more}"
