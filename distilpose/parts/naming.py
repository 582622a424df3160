"""The nearest valid name, for messages about one that is not."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(got: object, valid: Iterable[object]) -> str:
    """The hint for a name that is not valid: the nearest valid one, and which are."""
    names = [str(name) for name in valid]
    if not names:
        return "there are none"
    near = get_close_matches(str(got)[:200], names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}? " if near else ""
    more = f" and {len(names) - 20} more" if len(names) > 20 else ""
    return f"{hint}valid: {', '.join(names[:20])}{more}"
