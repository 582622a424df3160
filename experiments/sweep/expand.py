"""From base, factors, rows and axes of a sweep to whole recipes, still as located YAML: one per row of the table."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from annotated_types import Ge, Le, MinLen
from pydantic import Strict

from distilpose.losses.table import LOSSES
from distilpose.parts.naming import nearest
from distilpose.parts.reference import is_reference
from distilpose.training.optimizers import OPTIMIZERS
from experiments.sweep.checking import field_of
from experiments.sweep.choices import FORBID, Name, PrintedMetric, Switch
from experiments.sweep.recipe import Recipe
from experiments.sweep.recipe_json import fields_of_model
from experiments.sweep.yaml_nodes import Node, Place, Problem, SpecError, merge, put, shown, steps_of

MAX_RUNS = 100_000

Axis = Annotated[tuple[Any, ...], MinLen(1)]
Given = Annotated[dict[str, Any], MinLen(1)]
Percent = Annotated[float, Strict(), Ge(0), Le(100)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowEntry:
    """A row as written: its name, factor levels, changes, the paper's numbers and what others print (in per cent).

    `quoted` holds, by who says it, numbers of other settings than this row's: shown, and not compared with.
    `baseline` is the row its improvement is measured against, where that is not the sweep's. With `axes` false no axis
    applies to the row.
    """

    __pydantic_config__ = FORBID

    row: Name
    factors: dict[str, Name] | None = None
    set: dict[str, Any] | None = None
    paper: dict[PrintedMetric, Percent] | None = None
    quoted: dict[Name, dict[PrintedMetric, Percent]] | None = None
    baseline: Name | None = None
    axes: Switch = True


@dataclass(frozen=True, slots=True, kw_only=True)
class WhenEntry:
    """A conditional axis: applies where every field of `given` has that value, or one of those values."""

    __pydantic_config__ = FORBID

    given: Given
    grid: dict[str, Axis] | None = None
    zip: dict[str, Axis] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AxesEntry:
    """Axes as written: fields (dotted) or factors with their values. `grid` crosses them, `zip` takes them in step.

    `exclude` leaves out the points at which every field of an entry has that value, or one of those values.
    """

    __pydantic_config__ = FORBID

    grid: dict[str, Axis] | None = None
    zip: dict[str, Axis] | None = None
    when: tuple[WhenEntry, ...] = ()
    exclude: tuple[Given, ...] = ()


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sweep's document with one profile merged in; the folder of its file, and what is wrong with it so far."""

    node: Node
    file: str
    folder: Path
    problems: list[Problem]

    def get(self, *path: str) -> Node | None:
        """What stands at a path, or None."""
        return self.node.get(*path)

    def fault(self, place: Place, field: str, message: str, *rows: str) -> None:
        """Note a mistake."""
        self.problems.append(Problem(self.file, place, field, message, rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpandedRow:
    """A row of the table with its whole recipe; `paper` only where no axis changes the published row."""

    name: str
    recipe: Node
    factors: dict[str, Any]
    paper: dict[str, float]
    quoted: dict[str, dict[str, float]]
    baseline: Node | None
    place: Place


Assignments = tuple[tuple[str, Node], ...]


def expand(sheet: Sheet) -> list[ExpandedRow]:
    """Every row of a sheet, in the order of the file; axes vary last first. Wrong axes give no rows.

    Raises SpecError, before they are made, for more than MAX_RUNS runs.
    """
    axes, rows, each = sheet.get("axes"), sheet.get("rows"), _seeds(sheet)
    entries: Sequence[Node | None] = [None] if rows is None or rows.value is None else rows.items
    if axes is not None:
        before = len(sheet.problems)
        _check_axes(axes, sheet)
        if len(sheet.problems) > before:
            return []
    refuse_too_many(len(entries) * each * (1 if axes is None else _size(axes)), axes or rows or sheet.node, sheet.file)
    expanded: list[ExpandedRow] = []
    excluded = [] if axes is None else _entries(axes, "exclude")
    idle = {entry.place: entry for entry in excluded}
    for entry in entries:
        start = _start(sheet, entry)
        written: dict[str, Any] = {} if entry is None else entry.plain
        name, factors, paper = written.get("row", ""), written.get("factors") or {}, written.get("paper") or {}
        points: list[Assignments] = [()]
        if axes is not None and written.get("axes", True):
            points = _points(axes, start, factors, sheet)
            for exclusion in excluded:
                kept = [point for point in points if not _holds(exclusion.mapping, start, point, factors, sheet)]
                if len(kept) < len(points):
                    idle.pop(exclusion.place, None)
                points = kept
        refuse_too_many((len(expanded) + len(points)) * each, axes or rows or sheet.node, sheet.file)
        labels = _labels([*factors, *(field for point in points for field, _ in point)])
        for point in points:
            recipe = assigned(start, point, sheet)
            said = [f"{labels[field]}={_text(value.plain)}" for field, value in point]
            full_name = " ".join([name, *said] if entry is not None else said) or "base"
            _check_overwritten(point, recipe, full_name, sheet)
            expanded.append(
                ExpandedRow(
                    name=full_name,
                    recipe=recipe,
                    factors={**factors, **{labels[field]: value.plain for field, value in point}},
                    paper=paper if not paper or recipe.plain == start.plain else {},
                    quoted=written.get("quoted") or {},
                    baseline=None if entry is None else entry.get("baseline"),
                    place=sheet.node.place if entry is None else entry.mapping["row"].place,
                )
            )
    for exclusion in idle.values():
        sheet.fault(exclusion.place, "axes.exclude", "must leave out a point of the axes, leaves out none")
    if not expanded and axes is not None:
        sheet.fault(axes.place, "axes.exclude", "must leave a row, leaves out every one")
    _check_doubles(expanded, sheet)
    return expanded


def _points(axes: Node, start: Node, factors: Mapping[str, Any], sheet: Sheet) -> list[Assignments]:
    """The points of the axes of a row that starts as `start` and picked these levels of factors."""
    points = _crossed(axes)
    for condition in _entries(axes, "when"):
        holds = [_holds(_fields(condition, "given"), start, point, factors, sheet) for point in points]
        refuse_too_many((len(points) + sum(holds) * (_size(condition) - 1)) * _seeds(sheet), condition, sheet.file)
        more = [_crossed(condition) if held else [()] for held in holds]
        points = [(*point, *last) for point, lasts in zip(points, more, strict=True) for last in lasts]
    return points


def refuse_too_many(count: int, node: Node, file: str) -> None:
    """Raise SpecError for more runs than a file may ask for; `node` asks for them."""
    if count > MAX_RUNS:
        message = f"must make at most {MAX_RUNS:,} runs (rows x points of the axes x seeds), got {count:,}"
        raise SpecError([Problem(file, node.place, "", message)])


def merged(under: Node, over: Node) -> Node:
    """`under` with everything `over` says, mapping by mapping.

    A mapping that names another `model` or `name`, or that changes between a model of ours, one of `mmpose` and a
    `row`, or between a data folder and `synthetic` people, replaces the earlier one whole: the sizes of one model mean
    nothing to another.
    """
    return merge(under, over, _another)


def _another(under: Node, over: Node) -> bool:
    for what in ("model", "name"):
        before, after = under.get(what), over.get(what)
        if before is not None and after is not None and not (before.mapping and after.mapping):
            return before.value != after.value
    # Where both are mappings they are levels of a factor that happens to be called so.
    return any(
        name in one.mapping and other in two.mapping and not one.mapping[name].mapping
        for name, other in (("model", "mmpose"), ("row", "mmpose"), ("row", "model"), ("root", "synthetic"))
        for one, two in ((under, over), (over, under))
    )


def with_whole_teacher(recipe: Node) -> Node:
    """A recipe whose teacher has the row's way of training, with its own over it."""
    teacher = recipe.get("teacher")
    if teacher is None or not isinstance(teacher.value, dict) or {"mmpose", "row"} & set(teacher.mapping):
        return recipe
    whole: dict[str, Node] = {}
    fallbacks: dict[str, Any] = {"schedule": {}, "augmentation": {}, "precision": "fp32", "optimizer": {}}
    for field in (*fallbacks, "ema", "clip_grad_norm", "compile"):
        rows, own = recipe.get(field), teacher.get(field)
        if rows is None and (fallback := fallbacks.get(field)) is None:
            continue
        if rows is None:
            rows = Node(fallback, Place(teacher.place.line, teacher.place.column), teacher.key)
        whole[field] = rows if own is None else merged(rows, own)
    return recipe.with_items(teacher=teacher.with_items(**whole))


def _start(sheet: Sheet, entry: Node | None) -> Node:
    recipe = sheet.node.mapping["base"]
    if entry is None:
        return recipe
    picked = entry.get("factors")
    for factor, level in (picked.mapping if picked is not None else {}).items():
        recipe = _apply_one(recipe, factor, level, sheet, factors_only=True)
    change = entry.get("set")
    return recipe if change is None else merged(recipe, change)


def assigned(recipe: Node, point: Assignments, sheet: Sheet) -> Node:
    """The recipe with values put at fields, or the levels that they name of factors."""
    for field, value in point:
        recipe = _apply_one(recipe, field, value, sheet)
    return recipe


def _apply_one(recipe: Node, field: str, value: Node, sheet: Sheet, *, factors_only: bool = False) -> Node:
    levels = sheet.get("factors", field)
    if levels is not None:
        level = levels.get(_text(value.plain))
        if level is not None:
            return merged(recipe, level)
        _no_level(value, levels, field, sheet)
    elif factors_only:
        declared = sheet.get("factors")
        names = () if declared is None else declared.mapping
        sheet.fault(value.key, field, f"no such factor, {nearest(field, names)}")
    else:
        return put(recipe, steps_of(field), value, _another)
    return recipe


def _no_level(value: Node, levels: Node, field: str, sheet: Sheet) -> None:
    sheet.fault(value.place, field, f"no such level, got {shown(value.plain)}; {nearest(value.plain, levels.mapping)}")


def field_fault(field: str, sheet: Sheet) -> str | None:
    """Why a name is neither a factor nor a field; None where it is one."""
    factors = sheet.get("factors")
    if factors is not None and factors.get(field) is not None:
        return None
    try:
        steps = steps_of(field)
        field_of(Recipe, _declared(steps))
        if len(steps) > 1 and steps[0] == "losses" and not (steps[1] in LOSSES or is_reference(steps[1])):
            raise ValueError(f"no such loss, {nearest(steps[1], LOSSES)}")
    except ValueError as error:
        return f"{error}" if factors is None else f"{error}; or a factor: {', '.join(factors.mapping)}"
    return None


def _declared(path: Sequence[str]) -> Sequence[str]:
    """The part of a path that records declare: options of losses and models are checked as they are read."""
    of_model = path[0] in ("student", "teacher") and len(path) == 2
    is_option = of_model and path[1] not in ("mmpose", "row", *fields_of_model(path[0]))
    return path[:1] if path[0] == "losses" or is_option else path


def _entries(axes: Node, kind: str) -> Sequence[Node]:
    entries = axes.get(kind)
    return [] if entries is None else entries.items


def _check_axes(axes: Node, sheet: Sheet) -> None:
    """Note what is wrong with axes before any row is made from them."""
    parts = (axes, *_entries(axes, "when"))
    given = [*(_fields(part, "given") for part in parts), *(entry.mapping for entry in _entries(axes, "exclude"))]
    for fields in (*given, *(_fields(part, kind) for part in parts for kind in ("grid", "zip"))):
        for field, values in fields.items():
            levels = sheet.get("factors", field)
            if (fault := field_fault(field, sheet)) is not None:
                sheet.fault(values.key, field, fault)
            elif fields in given and levels is not None:
                for value in values.items or [values]:
                    if _text(value.plain) not in levels.mapping:
                        _no_level(value, levels, field, sheet)
    for part in parts:
        lengths = {field: len(values.items) for field, values in _fields(part, "zip").items()}
        if len(set(lengths.values())) > 1:
            said = ", ".join(f"{field} has {length}" for field, length in lengths.items())
            sheet.fault(part.mapping["zip"].key, "zip", f"all lists must be of one length, got: {said}")


def _fields(axes: Node, kind: str) -> dict[str, Node]:
    node = axes.get(kind)
    return {} if node is None else node.mapping


def _seeds(sheet: Sheet) -> int:
    """How many runs each row has."""
    seeds = sheet.get("seeds")
    return 1 if seeds is None else max(1, len(seeds.items))  # of a mapping the most: `read_sweep` asks again


def _size(axes: Node) -> int:
    """How many points `_crossed` makes."""
    steps = [len(values.items) for values in _fields(axes, "zip").values()][:1]
    return math.prod([len(values.items) for values in _fields(axes, "grid").values()] + steps)


def _crossed(axes: Node) -> list[Assignments]:
    """The points of one `grid` and one `zip`: all values of the grid with all steps of the zip."""
    grid, together = (
        {
            field: [replace(value, key=values.key) for value in values.items]
            for field, values in _fields(axes, kind).items()
        }
        for kind in ("grid", "zip")
    )
    choices: list[list[Assignments]] = [[((field, value),) for value in values] for field, values in grid.items()]
    if together:
        steps = zip(*together.values(), strict=True)
        choices.append([tuple(zip(together, step, strict=True)) for step in steps])
    return [tuple(itertools.chain(*parts)) for parts in itertools.product(*choices)]


def _check_overwritten(point: Assignments, recipe: Node, row: str, sheet: Sheet) -> None:
    """Note axes whose value a later axis of the point overwrites: the row would not train what its name says."""
    for index, (field, value) in enumerate(point):
        later = any(field == other for other, _ in point[index + 1 :])
        is_factor = sheet.get("factors", field) is not None
        if later or not (is_factor or _stands(value, recipe.get(*steps_of(field)))):
            sheet.fault(value.key, field, "must be set by one axis alone: a later one sets it too", row)


def _stands(value: Node, found: Node | None) -> bool:
    """Whether a value put into a recipe is still there."""
    if found is None or not value.mapping:
        return found is not None and (found is value or value.value == {})
    return all(_stands(item, found.get(name)) for name, item in value.mapping.items())


def _holds(
    given: Mapping[str, Node], start: Node, point: Assignments, factors: Mapping[str, Any], sheet: Sheet
) -> bool:
    """Whether all fields have the values given, at a point of a row that starts so and picked these levels."""
    recipe, chosen = assigned(start, point, sheet), {**factors, **{field: value.plain for field, value in point}}
    for field, wanted in given.items():
        if field not in chosen and sheet.get("factors", field) is not None:
            return False
        got = chosen[field] if field in chosen else _value(with_whole_teacher(recipe), steps_of(field))
        values = [wanted.plain, *(item.plain for item in wanted.items)]
        if not any(got == value or _text(got) == _text(value) for value in values):  # a level may be called 1
            return False
    return True


def _value(recipe: Node, path: Sequence[str]) -> Any:
    """The value at a path of a recipe, or else the field's default; None where there is neither."""
    found, around = recipe.get(*path), recipe.get(*path[:-1])
    is_loss = len(path) == 2 and path[0] == "losses"
    if found is not None:
        return found.plain.get("weight") if is_loss and found.mapping else found.plain
    if path[-2:-1] == ["optimizer"]:
        kind = OPTIMIZERS.get("adam" if around is None else around.plain.get("name", "adam"))
        return getattr(kind and kind(), path[-1], None)
    if around is None or not isinstance(around.value, dict):
        return None
    if path[0] == "losses":
        return 0 if is_loss else None  # a loss that is not written is off
    if _declared(path) != path:
        return None
    default = field_of(Recipe, path).default
    return None if default is MISSING else list(default) if isinstance(default, tuple) else default


def _labels(fields: Sequence[str]) -> dict[str, str]:
    """For every field the shortest end of its dotted name that no other field shares."""
    ends: dict[str, list[str]] = {}
    for field in fields:
        steps = steps_of(field)
        ends[field] = [".".join(steps[-count:]) for count in range(1, len(steps) + 1)]
    shared = Counter(end for field in ends for end in ends[field])
    return {field: next((end for end in ends[field] if shared[end] == 1), field) for field in ends}


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ",".join(f"{name}:{_text(item)}" for name, item in value.items())
    if isinstance(value, list):
        return "x".join(map(_text, value))
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _check_doubles(rows: Sequence[ExpandedRow], sheet: Sheet) -> None:
    seen: dict[str, Place] = {}
    for row in rows:
        if row.name in seen:
            message = f"must name one row, got {shown(row.name)} again (first in line {seen[row.name].line})"
            sheet.fault(row.place, "rows.row", message)
        seen.setdefault(row.name, row.place)
