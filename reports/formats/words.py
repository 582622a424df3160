"""Numbers and names in words."""

from collections.abc import Mapping, Sequence
from typing import Any

_MOST_NAMES = 12
_MARKDOWN = str.maketrans(
    {character: "\\" + character for character in "\\`*_[]|#~$"} | {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
)


def escape_markdown(text: str) -> str:
    """Text that Markdown shows as written: no markup, no HTML, no new table column, on one line."""
    return " ".join(text.split()).translate(_MARKDOWN)


def signed(value: float, digits: int) -> str:
    """A number with its sign, the minus a true minus (U+2212)."""
    return f"{value:+.{digits}f}".replace("-", "−")


def plain(value: float, digits: int) -> str:
    """A number of fixed decimals, the minus a true minus (U+2212)."""
    return f"{value:.{digits}f}".replace("-", "−")


def listed(names: Sequence[str]) -> str:
    """Names in a sentence: `a`, `a and b`, `a, b and c`; of a great many, the first and how many others."""
    if len(names) > _MOST_NAMES:
        return f"{', '.join(names[: _MOST_NAMES - 1])} and {len(names) - _MOST_NAMES + 1} others"
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:]))) or "none"


def duration(seconds: float) -> str:
    """A computing time."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def value_words(value: Any) -> str:
    """A value of a recipe."""
    match value:
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:g}"
        case list() | tuple():
            return ", ".join(map(value_words, value)) or "none"
    return str(value)


def field_value(record: Mapping[str, Any], dotted: str) -> Any:
    """The value at `a.b.c`, or None where the record has no such field."""
    value: Any = record
    for part in dotted.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
