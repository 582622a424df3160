"""Where the numbers come from: every fact that runs recorded, counted, so that a disagreement shows."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePath
from typing import Any, NamedTuple

from reports.formats.facts import Fact, FactList
from reports.formats.page import Section
from reports.numbers.sweep import SweepNumbers
from reports.read.reader import RunNumbers

# Facts that differ between runs by their nature: they are no disagreement and are told elsewhere or not at all.
_OF_ONE_RUN = frozenset({"started", "finished", "host"})
# Facts that are shown, but that runs of one sweep need not agree about: each process has its own command.
_MAY_DIFFER = frozenset({"command"})
_NAMES = {"dirty": "uncommitted changes", "lock_sha256": "lock file, SHA-256", "cpu": "CPU", "gpu": "GPU"}
_MOST_VALUES = 12


class Counted(NamedTuple):
    """A fact of provenance, its values with how many runs have each, and whether they disagree."""

    name: str
    values: tuple[tuple[str, int], ...]
    differs: bool


def provenance(numbers: SweepNumbers) -> Section:
    """Every fact of the finished runs."""
    facts = provenance_facts(numbers)
    if not facts:
        text = ("No finished run has recorded where it came from.",)
        return Section(key="provenance", folded=True, title="Provenance", text=text)
    differing = [fact.name for fact in facts if fact.differs]
    after = (
        f"The finished runs disagree about: {', '.join(differing)}."
        if differing
        else "All finished runs agree on every fact that they should."
    )
    lines = tuple(Fact(name=fact.name, values=tuple(_values(fact)), differs=fact.differs) for fact in facts)
    blocks = (FactList(lines=lines, long=True),)
    return Section(key="provenance", folded=True, title="Provenance", blocks=blocks, after=(after,))


def _values(fact: Counted) -> Iterator[str]:
    for value, count in fact.values[:_MOST_VALUES]:
        yield f"{value} ({count} run{'s' * (count != 1)})" if fact.differs else value
    if len(fact.values) > _MOST_VALUES:
        yield f"and {len(fact.values) - _MOST_VALUES} others"


def provenance_facts(numbers: SweepNumbers) -> tuple[Counted, ...]:
    """Every fact of the sweep's finished runs."""
    return counted({**run.provenance, **_measured_on(run)} for run in numbers.all_runs if run.provenance)


def _measured_on(run: RunNumbers) -> dict[str, Any]:
    return {
        f"on {name}": {"people": one["people"], "content": one["fingerprint"]} for name, one in run.other_sets.items()
    }


def different_code(numbers: SweepNumbers) -> list[str]:
    """The pieces of code of which the finished runs had more than one, though of one version."""
    code = (fact for fact in provenance_facts(numbers) if fact.name.startswith("code "))
    return [fact.name.removeprefix("code ") for fact in code if fact.differs]


def counted(provenances: Iterable[Mapping[str, Any]]) -> tuple[Counted, ...]:
    """Every fact with its values, the commonest first, and how many runs said each; in the order runs wrote them."""
    found: dict[str, Counter[str]] = {}
    for provenance in provenances:
        for name, value in _flat(provenance):
            found.setdefault(name, Counter())[value] += 1
    return tuple(
        Counted(
            name=_NAMES.get(name, name.replace("_", " ")),
            values=tuple(values.most_common()),
            differs=len(values) > 1 and name not in _MAY_DIFFER,
        )
        for name, values in found.items()
        if set(values) != {"unknown"}
    )


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name} ")
        elif prefix or name not in _OF_ONE_RUN:
            yield f"{prefix}{name}", _words(value)


def _words(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return ("no", "yes")[value]
    # A page is passed on: where things lay on a machine is nobody's business, what they were called is.
    return " ".join(PurePath(word).name if word.startswith("/") else word for word in str(value).split(" "))
