"""Provenance of a whole sweep: every fact its runs recorded, counted, so that a disagreement shows."""

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

from reports.numbers.records import Fact

# Facts that differ between runs by their nature: they are no disagreement and are told elsewhere or not at all.
_OF_ONE_RUN = frozenset({"started", "finished", "host"})
# Facts that are told, but that runs of one sweep need not agree about: each process has its own command.
_MAY_DIFFER = frozenset({"command"})
_NAMES = {"dirty": "uncommitted changes", "lock_sha256": "lock file, SHA-256", "cpu": "CPU", "gpu": "GPU"}


def _words(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return ("no", "yes")[value]
    # A page is passed on: where things lay on a machine is nobody's business, what they were called is.
    return " ".join(PurePath(word).name if word.startswith("/") else word for word in str(value).split(" "))


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name} ")
        elif prefix or name not in _OF_ONE_RUN:
            yield f"{prefix}{name}", _words(value)


def _without_absent_gpu(name: str, values: Counter[str]) -> bool:
    return not (name == "gpu" and set(values) == {"unknown"})


def provenance_facts(provenances: Iterable[Mapping[str, Any]]) -> tuple[Fact, ...]:
    """Every fact with its values, the commonest first, and how many runs said each; in the order runs wrote them."""
    counted: dict[str, Counter[str]] = {}
    for provenance in provenances:
        for name, value in _flat(provenance):
            counted.setdefault(name, Counter())[value] += 1
    return tuple(
        Fact(
            name=_NAMES.get(name, name.replace("_", " ")),
            values=tuple(values.most_common()),
            may_differ=name in _MAY_DIFFER,
        )
        for name, values in counted.items()
        if _without_absent_gpu(name, values)
    )
