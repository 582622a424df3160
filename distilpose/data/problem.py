"""One fault of a data set."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path


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
    text = "" if value == "" else json.dumps(value, default=repr)
    shown = text if len(text) <= 80 else text[:77] + "..."
    message = message.removeprefix(f"{file}: ")
    return Problem(kind=kind, file=str(file), field=field, value=shown, message=message)
