"""What the table for a paper shows, and how: a sweep file's `report`, or options of `distilpose report`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic import AfterValidator, Strict
from pydantic_core import PydanticCustomError

from experiments.sweep.choices import FORBID, Name
from experiments.sweep.yaml_nodes import shown


def _a_label(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9:._+-]{1,100}", text):
        rule = "must be letters, digits and : . _ + -, 100 at most"
        raise PydanticCustomError("said", "{rule}, got {text}", {"rule": rule, "text": shown(text)})
    return text


Mark = Literal["bold", "underline", "no"]
SpreadKind = Literal["no", "std", "interval"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableChoices:
    """The table for a paper. What is None follows from the sweep.

    `columns` are metrics, or words of `reports.sections.publication`; `digits` are decimals of metrics and their
    differences; `best` and `second` say how the two best values of a metric are set.
    """

    __pydantic_config__ = FORBID

    columns: Annotated[tuple[Name, ...], MinLen(1), MaxLen(100)] | None = None
    rows: Annotated[tuple[Name, ...], MinLen(1)] | None = None
    digits: Annotated[int, Strict(), Ge(0), Le(6)] | None = None
    caption: Name | None = None
    label: Annotated[str, Strict(), AfterValidator(_a_label)] | None = None
    best: Mark = "bold"
    second: Mark = "underline"
    spread: SpreadKind = "std"
