"""The bounds that a record's fields declare by `annotated_types`, checked: one declaration for every way to make it."""

from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, get_type_hints

from annotated_types import Ge, Gt, Le, Lt

Chance = Annotated[float, Ge(0), Le(1)]
Count = Annotated[int, Ge(1), Le(1_000_000)]  # far beyond use: a slip of the keyboard is refused
Natural = Annotated[int, Ge(0)]
Rate = Annotated[float, Gt(0)]


def check_bounds(record: object) -> None:
    """Raise ValueError, naming the field, where a number of a dataclass lies outside of its field's bounds."""
    kind: Any = type(record)
    for field, bound in _bounds(kind):
        value = getattr(record, field)
        match bound:
            case Ge(ge=limit):
                rule, holds = f"at least {limit}", value >= limit
            case Gt(gt=limit):
                rule, holds = f"greater than {limit}", value > limit
            case Le(le=limit):
                rule, holds = f"at most {limit}", value <= limit
            case Lt(lt=limit):
                rule, holds = f"less than {limit}", value < limit
        if not holds:
            raise ValueError(f"{field}: must be {rule}, got {value!r}")


@cache
def _bounds(kind: type) -> tuple[tuple[str, Ge | Gt | Le | Lt], ...]:
    return tuple(_declared(get_type_hints(kind, include_extras=True)))


def _declared(hints: dict[str, Any]) -> Iterator[tuple[str, Ge | Gt | Le | Lt]]:
    for field, hint in hints.items():
        for bound in getattr(hint, "__metadata__", ()):
            if isinstance(bound, Ge | Gt | Le | Lt):
                yield field, bound
