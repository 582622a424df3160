"""The `search` section of a sweep file: which fields are searched, for what and how; and its faults."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

from annotated_types import Ge, MaxLen, MinLen
from pydantic import Discriminator, Strict, Tag, TypeAdapter

from experiments.sweep.choices import FORBID, Count, Name, Natural, Switch
from experiments.sweep.recipe_json import frozen
from experiments.sweep.yaml_nodes import Path_, shown, steps_of

Cost = Literal["parameters", "gflops", "latency_ms"]
COSTS: tuple[str, ...] = get_args(Cost)
Params = dict[str, Any]
Fault = tuple[Path_, str]

DIGITS = 3  # of a suggested number: as many as a person would type
MAX_GRID = 10_000
_Real = Annotated[float, Strict()]
_Choice = Annotated[str, Strict()] | Switch | Annotated[int, Strict()] | _Real


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeEntry:
    """Numbers from `low` to `high`: even, logarithmic, or with `step` whole numbers that far apart.

    `points` is how many of them a grid takes, both ends included.
    """

    __pydantic_config__ = FORBID

    low: _Real
    high: _Real
    log: Switch = False
    step: Count | None = None
    points: Annotated[Count, Ge(2)] | None = None


def _dimension_kind(value: Any) -> str:
    return "[RangeEntry]" if isinstance(value, Mapping | RangeEntry) else "[tuple]"


Dimension = Annotated[
    Annotated[RangeEntry, Tag("[RangeEntry]")] | Annotated[tuple[_Choice, ...], MinLen(2), Tag("[tuple]")],
    Discriminator(_dimension_kind),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class TPEEntry:
    """Tree-structured Parzen estimators, after `startup` trials drawn at random."""

    __pydantic_config__ = FORBID

    startup: Natural = 10
    seed: Natural = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomEntry:
    """Every trial drawn at random."""

    __pydantic_config__ = FORBID

    seed: Natural = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class GridEntry:
    """Every combination of the choices and points, in the order of the file, the last field varying first."""

    __pydantic_config__ = FORBID


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplerEntry:
    """Who suggests: exactly one of these."""

    __pydantic_config__ = FORBID

    tpe: TPEEntry | None = None
    random: RandomEntry | None = None
    grid: GridEntry | None = None

    @property
    def name(self) -> str:
        """Which it is."""
        return next(name for name in ("tpe", "random", "grid") if getattr(self, name) is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class MedianEntry:
    """Ends a trial that is below the median of the finished ones at the same epoch.

    Not before `startup` trials have finished, nor before it has trained `warmup` epochs.
    """

    __pydantic_config__ = FORBID

    startup: Natural = 5
    warmup: Natural = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class HyperbandEntry:
    """Successive halving: at each rung the best one in `factor` goes on; the first is at `warmup` epochs or later."""

    __pydantic_config__ = FORBID

    warmup: Count = 1
    factor: Annotated[int, Strict(), Ge(2)] = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PrunerEntry:
    """Who ends trials early: exactly one of these."""

    __pydantic_config__ = FORBID

    median: MedianEntry | None = None
    hyperband: HyperbandEntry | None = None

    @property
    def name(self) -> str:
        """Which it is."""
        return "hyperband" if self.median is None else "median"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmEntry:
    """After the search: its `best` trials trained again from other seeds, with the file's rows."""

    __pydantic_config__ = FORBID

    best: Count = 1
    seeds: Annotated[tuple[Natural, ...], MinLen(1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchEntry:
    """A search over fields of the recipe. A trial is an ordinary run of `base` with the suggested values.

    `trials` is how many there may be in all, the file's own rows that lie in the space among them; a grid has its own
    number. `cohort` of them are suggested, and train, together. The first of the `objectives` (by default the sweep's
    metric) decides between equals; costs are to be low, and metrics as they say.
    """

    __pydantic_config__ = FORBID

    space: Annotated[dict[str, Dimension], MinLen(1)]
    objectives: Annotated[tuple[Name, ...], MinLen(1), MaxLen(3)] | None = None
    trials: Count | None = None
    cohort: Count = 4
    sampler: SamplerEntry = SamplerEntry(tpe=TPEEntry())
    pruner: PrunerEntry | None = None
    confirm: ConfirmEntry | None = None

    @property
    def budget(self) -> int:
        """How many trials there may be."""
        if self.sampler.grid is not None:
            return min(self.grid_size, self.trials or self.grid_size)
        assert self.trials is not None
        return self.trials

    @property
    def grid_size(self) -> int:
        """How many points a grid has."""
        return math.prod(map(_grid_count, self.space.values()))

    def placed(self, params: Mapping[str, Any]) -> Params | None:
        """These values as the space writes them; None where they lie outside."""
        if params.keys() != self.space.keys():
            return None
        found = {field: _placed(dimension, params[field]) for field, dimension in self.space.items()}
        return None if None in found.values() else found

    def json(self) -> dict[str, Any]:
        """The entry as plain JSON values."""
        plain: dict[str, Any] = _ENTRY.dump_python(self, mode="json")
        return plain


_ENTRY = TypeAdapter(SearchEntry)


def entry_from_json(value: Mapping[str, Any]) -> SearchEntry:
    """The entry that its `json` wrote. Raises pydantic's ValidationError (a ValueError) for anything else."""
    return _ENTRY.validate_python(frozen(value))


def grid_values(dimension: RangeEntry | tuple[Any, ...]) -> tuple[Any, ...]:
    """The values that a grid takes of one field."""
    if isinstance(dimension, tuple):
        return dimension
    if dimension.step is not None and dimension.points is None:
        return tuple(range(int(dimension.low), int(dimension.high) + 1, dimension.step))
    assert dimension.points is not None
    low, high = dimension.low, dimension.high
    shares = [index / (dimension.points - 1) for index in range(dimension.points)]
    if dimension.log:
        return tuple(rounded(dimension, low * (high / low) ** share) for share in shares)
    return tuple(rounded(dimension, low + (high - low) * share) for share in shares)


def _grid_count(dimension: RangeEntry | tuple[Any, ...]) -> int:
    """How many values a grid takes of one field."""
    if isinstance(dimension, tuple):
        return len(dimension)
    if dimension.step is not None and dimension.points is None:
        return (int(dimension.high) - int(dimension.low)) // dimension.step + 1
    assert dimension.points is not None
    return dimension.points


def grid(entry: SearchEntry) -> list[Params]:
    """Every point of the grid, in order."""
    values = [grid_values(dimension) for dimension in entry.space.values()]
    return [dict(zip(entry.space, point, strict=True)) for point in itertools.product(*values)]


def rounded(dimension: RangeEntry | tuple[Any, ...], value: Any) -> Any:
    """A suggested value with few digits, inside its range."""
    if isinstance(dimension, tuple):
        return value
    if dimension.step is not None:
        return int(value)
    return min(max(float(f"{value:.{DIGITS}g}"), dimension.low), dimension.high)


def value_at(whole: Mapping[str, Any], field: str) -> Any:
    """The value at a dotted field of a recipe's plain values; None where there is none, 0 for a loss that is off."""
    value: Any = whole
    steps = steps_of(field)
    for name in steps:
        value = value.get(name) if isinstance(value, Mapping) else None
    if len(steps) == 2 and steps[0] == "losses":
        return value["weight"] if isinstance(value, Mapping) else 0.0
    return value


def _placed(dimension: RangeEntry | tuple[Any, ...], value: Any) -> Any:
    if isinstance(dimension, tuple):
        return next(
            (one for one in dimension if one == value and isinstance(one, bool) == isinstance(value, bool)), None
        )
    if isinstance(value, bool) or not isinstance(value, int | float) or not dimension.low <= value <= dimension.high:
        return None
    if dimension.step is None:
        return float(value)
    return int(value) if (value - dimension.low) % dimension.step == 0 else None


def ends(entry: SearchEntry) -> Iterator[Params]:
    """The corners of the space, where recipes are most likely to make no sense; a few hundred at most."""
    sides = [
        one if isinstance(one, tuple) else (rounded(one, one.low), rounded(one, one.high))
        for one in entry.space.values()
    ]
    for point in itertools.islice(itertools.product(*sides), 256):
        yield dict(zip(entry.space, point, strict=True))


def search_faults(entry: SearchEntry, seeds: tuple[int, ...]) -> Iterator[Fault]:
    """Every reason why a well-formed search makes no sense: the path, and the rule with the value got."""
    faulty = False
    for field, dimension in entry.space.items():
        faults = _choice_faults(dimension) if isinstance(dimension, tuple) else _range_faults(entry, dimension)
        for path, message in faults:
            faulty = True
            yield ("space", field, *path), message
    if entry.sampler.grid is not None and not faulty and entry.grid_size > MAX_GRID:
        yield ("space",), f"a grid must have at most {MAX_GRID:,} points, got {entry.grid_size:,}"
    for part, kinds in (("sampler", ("tpe", "random", "grid")), ("pruner", ("median", "hyperband"))):
        chosen = getattr(entry, part)
        given = [kind for kind in kinds if chosen is not None and getattr(chosen, kind) is not None]
        if chosen is not None and len(given) != 1:
            rule = f"must be exactly one of {', '.join(kinds)}, got {' and '.join(given) or 'none'}"
            yield (part,), f"{rule}; set one to null to take it back"
    if entry.sampler.grid is None and entry.trials is None:
        yield ("trials",), "must be given: only a grid has a number of its own"
    if entry.objectives is not None:
        if entry.objectives[0] in COSTS:
            yield ("objectives", 0), f"the first must be an accuracy, got {entry.objectives[0]!r}"
        if len(set(entry.objectives)) < len(entry.objectives):
            yield ("objectives",), f"must differ, got {shown(entry.objectives)}"
        if entry.pruner is not None and len(entry.objectives) > 1:
            yield ("pruner",), f"needs one objective to judge by, got {shown(entry.objectives)}"
    if entry.confirm is not None:
        again = sorted({*seeds} & {*entry.confirm.seeds})
        if again:
            rule = f"must be other seeds than the search's, which chose the best, got {shown(again)}"
            yield ("confirm", "seeds"), rule
        if len(set(entry.confirm.seeds)) < len(entry.confirm.seeds):
            yield ("confirm", "seeds"), f"must differ, got {shown(entry.confirm.seeds)}"


def _choice_faults(choices: tuple[Any, ...]) -> Iterator[Fault]:
    if len({(type(choice), choice) for choice in choices}) < len(choices):
        yield (), f"must differ, got {shown(choices)}"


def _range_faults(entry: SearchEntry, dimension: RangeEntry) -> Iterator[Fault]:
    if dimension.high <= dimension.low:
        yield ("high",), f"must be greater than low, {dimension.low:g}, got {dimension.high:g}"
    if dimension.log and dimension.low <= 0:
        yield ("low",), f"must be above 0 on a logarithmic scale, got {dimension.low:g}; list choices to try 0 itself"
    if dimension.step is not None:
        if dimension.log:
            yield ("step",), "goes with no logarithmic scale; list choices instead"
        for name in ("low", "high"):
            if getattr(dimension, name) % 1 or (getattr(dimension, name) - dimension.low) % dimension.step:
                yield (
                    (name,),
                    f"must be a whole number, steps of {dimension.step} from low, got {getattr(dimension, name):g}",
                )
    if entry.sampler.grid is None and dimension.points is not None:
        yield ("points",), "only a grid takes points; leave it out"
    if entry.sampler.grid is not None and dimension.points is None and dimension.step is None:
        yield (), "a grid needs to know how many: give points, or list choices"
    if dimension.points is not None and dimension.step is not None:
        yield ("points",), "goes not with step, which says already which numbers there are"
