"""The `seeds` of a sweep file: a list, or more and more of them until a row is decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any

from annotated_types import Ge, Gt, Lt, MaxLen, MinLen
from pydantic import Discriminator, Strict, Tag

from experiments.sweep.choices import FORBID, Count, Natural, Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Until:
    """When a row has enough seeds: after so many it is looked at, and trained on only while it is undecided.

    A row is decided once it is better or worse than its baseline, or within `margin` of it (in the metric's points).
    `alpha` bounds the chance that any row of the table is wrongly decided at any look.
    """

    __pydantic_config__ = FORBID

    margin: Rate
    alpha: Annotated[float, Strict(), Gt(0), Lt(0.5)] = 0.05
    looks: Annotated[tuple[Annotated[Count, Ge(3)], ...], MinLen(1), MaxLen(20)] = (3, 5, 8, 12)

    def __post_init__(self) -> None:
        if any(a >= b for a, b in pairwise(self.looks)):
            raise ValueError(f"looks: must rise, got {list(self.looks)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Growing:
    """Seeds 0, 1, ..., as many as it takes."""

    __pydantic_config__ = FORBID

    until: Until


def _kind(value: Any) -> str:
    return "[Growing]" if isinstance(value, Mapping | Growing) else "[tuple]"


SeedsEntry = Annotated[
    Annotated[Growing, Tag("[Growing]")] | Annotated[tuple[Natural, ...], MinLen(1), Tag("[tuple]")],
    Discriminator(_kind),
]
