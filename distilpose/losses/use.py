"""The losses that a run trains by: which, how strongly, with which options, and when."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from distilpose.heads import HEADS
from distilpose.losses.table import ASKS, LOSSES, TEACHER_ASKS
from distilpose.parts.naming import nearest
from distilpose.parts.own import OwnPart, find_own, tuples
from distilpose.parts.signature import PartError, Signature, read_signature

Faults = list[tuple[tuple[str, ...], str]]
"""What is wrong: the path of names below `losses`, and the rule with the value got."""

DECAYS = ("none", "linear", "cosine")


@dataclass(frozen=True, slots=True, kw_only=True)
class OverTime:
    """How a loss's weight changes while a run trains; epochs are counted from 0.

    It is on from epoch `start` until epoch `end` (None: the last), grows linearly over its first `warmup` epochs, and
    with a `decay` falls to 0 at its end: along a line, or half a cosine.
    """

    start: float = 0.0
    end: float | None = None
    warmup: float = 0.0
    decay: Literal["none", "linear", "cosine"] = "none"

    def factor(self, epoch: float, epochs: int) -> float:
        """What the weight is multiplied by at a moment of a run of `epochs` epochs; `epoch` may be a fraction."""
        end = float(epochs) if self.end is None else self.end
        if not self.start <= epoch < end:
            return 0.0
        grown = min(1.0, (epoch - self.start) / self.warmup) if self.warmup else 1.0
        done = (epoch - self.start) / (end - self.start)
        left = {"none": 1.0, "linear": 1.0 - done, "cosine": 0.5 * (1.0 + math.cos(math.pi * done))}[self.decay]
        return grown * left


@dataclass(frozen=True, slots=True, kw_only=True)
class LossUse:
    """A loss in use, by its name in `LOSSES` or, for a user's `own`, as the sweep writes it.

    `options` holds every option, in the order of the signature. `version`, where given, stands for the code of a user's
    own part in a run's id.
    """

    name: str
    weight: float
    options: tuple[tuple[str, Any], ...] = ()
    over_time: OverTime | None = None
    own: OwnPart | None = None
    version: int | None = None

    @property
    def asks(self) -> tuple[str, ...]:
        """What its function takes."""
        return LOSSES[self.name].signature.asks if self.own is None else self.own.asks

    @property
    def title(self) -> str:
        """Its name in tables: a user's own has that of its function."""
        return self.name if self.own is None else self.own.name

    @property
    def mixes_people(self) -> bool:
        """Whether one person's value depends on the others of the batch."""
        if self.own is None:
            mixing = LOSSES[self.name].mixes_people
        else:
            mixing = None if self.own.mixes_people is None else dict(self.own.mixes_people)
        chosen = dict(self.options)
        return mixing is not None and all(chosen.get(name) == value for name, value in mixing.items())

    def plain(self) -> dict[str, Any]:
        """The loss as JSON values, options beside the weight, as `read_losses` takes it."""
        own = None if self.own is None else asdict(self.own)
        over_time = None if self.over_time is None else asdict(self.over_time)
        rest = {"over_time": over_time, "own": own, "version": self.version}
        options = {name: list(value) if isinstance(value, tuple) else value for name, value in self.options}
        return {"weight": self.weight, **options, **{name: value for name, value in rest.items() if value is not None}}


@dataclass(frozen=True, slots=True)
class Losses:
    """The losses that are on: ours first, in the order of the published tables, then a user's own."""

    uses: tuple[LossUse, ...] = ()

    def __iter__(self) -> Iterator[LossUse]:
        return iter(self.uses)

    def get(self, name: str) -> LossUse | None:
        """The loss of that name, or None where it is off."""
        return next((use for use in self.uses if use.name == name), None)

    @property
    def asks(self) -> frozenset[str]:
        """All that any of them takes."""
        return frozenset(ask for use in self.uses for ask in use.asks)

    @property
    def needs_teacher(self) -> bool:
        """Whether any compares with a teacher."""
        return not self.asks.isdisjoint(TEACHER_ASKS)

    def head_options(self, head: str) -> dict[str, Any]:
        """Which outputs a head must have: only what is trained is there."""
        return {option: not self.asks.isdisjoint(fields) for option, fields in HEADS[head].switches.items()}

    @property
    def ticks(self) -> dict[str, bool]:
        """Those beyond the truth's (`reg`, `heatmap`, `own`), for the columns of a table."""
        return {use.title: True for use in self.uses if use.name not in ("reg", "heatmap", "own")}

    def plain(self) -> dict[str, Any]:
        """The losses as JSON values, as `read_losses` takes them."""
        return {use.name: use.plain() for use in self.uses}

    @classmethod
    def of(cls, values: Mapping[str, Any], folder: Path | None = None) -> "Losses":
        """The losses of a mapping as in YAML: `{"reg": 1, "SH": {"weight": 1, "form": "official"}}`.

        Raises:
            ValueError: something is wrong with one, named as `losses.SH.form: ...`.

        """
        losses, faults = read_losses(values, folder or Path.cwd())
        if faults:
            path, rule = faults[0]
            raise ValueError(f"{'.'.join(('losses', *path))}: {rule}")
        return losses


def read_losses(values: object, folder: Path) -> tuple[Losses, Faults]:
    """The losses that a recipe names, and everything that is wrong with them; `folder` is that of the sweep's file."""
    if not isinstance(values, Mapping):
        return Losses(), [((), f"must be a mapping of losses and their weights, got {values!r}")]
    uses, faults = [], []
    for name, value in values.items():
        use, own_faults = _read_use(str(name), value, folder)
        faults += [((str(name), *path), rule) for path, rule in own_faults]
        if use is not None and use.weight > 0:
            uses.append(use)
    order = {name: position for position, name in enumerate(LOSSES)}
    titles: dict[str, str] = {}
    for use in uses:
        if use.title in titles:
            faults.append(((use.name,), f"another loss has the name {use.title!r}: {titles[use.title]}; rename one"))
        titles[use.title] = use.name
    return Losses(tuple(sorted(uses, key=lambda use: order.get(use.name, len(order))))), faults


def _read_use(name: str, value: object, folder: Path) -> tuple[LossUse | None, Faults]:
    written = dict(value) if isinstance(value, Mapping) else {"weight": value}
    weight, over_time = written.pop("weight", None), written.pop("over_time", None)
    own, version = written.pop("own", None), written.pop("version", None)
    faults: Faults = []
    if isinstance(weight, bool) or not isinstance(weight, int | float):
        faults.append((("weight",) if "weight" in written else (), f"must have a weight, a number, got {weight!r}"))
    elif not (math.isfinite(weight) and weight >= 0):
        faults.append(((), f"must be a finite number of at least 0, got {weight}"))
    if version is not None and (isinstance(version, bool) or not isinstance(version, int)):
        faults.append((("version",), f"must be a whole number, got {version!r}"))
    elif version is not None and name in LOSSES:
        faults.append((("version",), "belongs to a loss of your own: those of the package have theirs"))
    when = _read_over_time(over_time, faults)
    part: OwnPart | None = None
    if isinstance(own, Mapping):  # from a recipe that was read before
        part = OwnPart.from_json(own)
        options = {key: tuples(item) for key, item in written.items()}
    else:
        try:
            signature, part = _signature(name, folder)
        except PartError as error:
            return None, [*faults, ((), str(error))]
        faults += [((option,), rule) for option, rule in signature.faults(written).items()]
        options = {} if faults else signature.complete(written)
    if faults:
        return None, faults
    assert isinstance(weight, int | float)
    assert version is None or isinstance(version, int)
    use = LossUse(
        name=name, weight=float(weight), options=tuple(options.items()), over_time=when, own=part, version=version
    )
    return use, []


def _signature(name: str, folder: Path) -> tuple[Signature, OwnPart | None]:
    if name in LOSSES:
        return LOSSES[name].signature, None
    place = find_own(name, folder, "loss", LOSSES)
    signature = read_signature(place.file, place.name, ASKS)
    return signature, OwnPart.of(place, signature)


def _read_over_time(value: object, faults: Faults) -> OverTime | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        faults.append((("over_time",), f"must be a mapping, such as {{decay: linear}}, got {value!r}"))
        return None
    known = [field.name for field in fields(OverTime)]
    before = len(faults)
    for name, item in value.items():
        path = ("over_time", str(name))
        if name not in known:
            faults.append((path, f"no such field, {nearest(name, known)}"))
        elif name == "decay":
            if item not in DECAYS:
                faults.append((path, f"must be one of {', '.join(DECAYS)}, got {item!r}; {nearest(item, DECAYS)}"))
        elif item is not None and (isinstance(item, bool) or not isinstance(item, int | float) or not 0 <= item < 1e9):
            faults.append((path, f"must be a number of epochs, at least 0, got {item!r}"))
    if len(faults) > before:
        return None
    values: dict[str, Any] = {name: float(item) if isinstance(item, int) else item for name, item in value.items()}
    found = OverTime(**values)
    if found.end is not None and found.end <= found.start:
        faults.append((("over_time", "end"), f"must come after start, {found.start:g}, got {found.end:g}"))
    return None if found == OverTime() else found
