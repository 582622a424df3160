"""A user's own part as a recipe holds it: enough to load it from its kept copy and to say what it needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from distilpose.parts.naming import nearest
from distilpose.parts.reference import Place, find_part, is_reference
from distilpose.parts.signature import PartError, Signature


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnPart:
    """A user's own function or class. `code` is the digest of its files; see `Signature` for the rest."""

    module: str
    name: str
    code: str
    asks: tuple[str, ...] = ()
    is_module: bool = False
    mixes_people: tuple[tuple[str, Any], ...] | None = None
    gives: tuple[str, ...] | None = None
    options: tuple[str, ...] = ()
    higher_is_better: bool = True

    @property
    def title(self) -> str:
        """Its name wherever its file lies."""
        return f"{self.module}:{self.name}"

    @classmethod
    def of(cls, place: Place, signature: Signature) -> "OwnPart":
        """The record of a part that stands somewhere."""
        mixing = signature.mixes_people
        return cls(
            module=place.module,
            name=place.name,
            code=place.digest,
            asks=signature.asks,
            is_module=signature.is_module,
            mixes_people=None if mixing is None else tuple(sorted(mixing.items())),
            gives=signature.gives,
            options=tuple(option.name for option in signature.options),
            higher_is_better=signature.higher_is_better is not False,
        )

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "OwnPart":
        """The record of which these are the plain values."""
        return cls(**{key: tuples(item) for key, item in value.items()})


def registered(kind: str) -> dict[str, str]:
    """The references of the parts that installed packages register, by name.

    Packages register by entry points of the group `distilpose.KIND`, such as `distilpose.loss`.
    """
    return {entry.name: entry.value for entry in entry_points(group=f"distilpose.{kind}")}


def find_own(name: str, folder: Path, kind: str, ours: Mapping[str, object]) -> Place:
    """Where a user's own part stands: a reference, or a name that an installed package registers.

    Raises:
        PartError: it stands nowhere, or a package registers a name of ours.

    """
    known = registered(kind)
    if twice := sorted(known.keys() & ours.keys()):
        raise PartError(f"{known[twice[0]]}: registers {twice[0]!r} in 'distilpose.{kind}', which is ours; rename it")
    if name in known:
        return find_part(known[name], folder)
    if not is_reference(name):
        hint = nearest(name, [*ours, *known])
        raise PartError(f"no such {kind}, {hint}; one of your own is FILE.py:NAME or package.module:NAME")
    return find_part(name, folder)


def tuples(value: Any) -> Any:
    """Plain JSON values with tuples for lists."""
    return tuple(map(tuples, value)) if isinstance(value, list | tuple) else value
