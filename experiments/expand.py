"""From a sweep's base, factors, rows and axes to whole recipes, still as located YAML: one per row of the table."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import MinLen

from distilpose.parts.naming import nearest
from experiments.recipe import FORBID, Metric, Name, Weight
from experiments.source import Node, Place, Problem, dotted, merge, put, steps_of
from experiments.typed import shown

Axis = Annotated[tuple[Any, ...], MinLen(1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowEntry:
    """A row as written: its name, the factor levels it picks, what it sets, the paper's numbers (in per cent).

    `baseline` is the row its improvement is measured against, where that is not the sweep's.
    """

    __pydantic_config__ = FORBID

    row: Name
    factors: dict[str, Name] | None = None
    set: dict[str, Any] | None = None
    paper: dict[Metric, Weight] | None = None
    baseline: Name | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WhenEntry:
    """A conditional axis: applies where every field of `given` has the value, or one of the values, said there."""

    __pydantic_config__ = FORBID

    given: Annotated[dict[str, Any], MinLen(1)]
    grid: dict[str, Axis] | None = None
    zip: dict[str, Axis] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AxesEntry:
    """Axes as written: fields (dotted) or factors with their values. `grid` crosses them, `zip` takes them in step."""

    __pydantic_config__ = FORBID

    grid: dict[str, Axis] | None = None
    zip: dict[str, Axis] | None = None
    when: tuple[WhenEntry, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpandedRow:
    """A row of the table with its whole recipe; `paper` only where no axis changes the published row."""

    name: str
    recipe: Node
    factors: dict[str, Any]
    paper: dict[str, float]
    baseline: Node | None
    place: Place


Assignments = tuple[tuple[str, Node], ...]


def expand(sheet: Node, file: str, problems: list[Problem]) -> list[ExpandedRow]:
    """Every row of a sheet (a sweep's document with its profile merged in), in the order of the file; axes vary last
    first.

    What is wrong with names, axes and levels is added to `problems`.
    """
    axes = sheet.get("axes")
    rows = sheet.get("rows")
    entries: Sequence[Node | None] = rows.items if rows is not None else [None]
    expanded: list[ExpandedRow] = []
    for entry in entries:
        start = _start(sheet, entry, file, problems)
        written: dict[str, Any] = {} if entry is None else entry.plain
        name, factors, paper = written.get("row", ""), written.get("factors") or {}, written.get("paper") or {}
        points = list(_points(axes, start, sheet, file, problems)) if axes is not None else [()]
        labels = _labels([field for point in points for field, _ in point])
        for point in points:
            recipe = assigned(start, point, sheet, file, problems)
            said = [f"{labels[field]}={_text(value.plain)}" for field, value in point]
            expanded.append(
                ExpandedRow(
                    name=" ".join([name, *said] if entry is not None else said) or "base",
                    recipe=recipe,
                    factors={**factors, **{labels[field]: value.plain for field, value in point}},
                    paper=paper if not paper or recipe.plain == start.plain else {},
                    baseline=None if entry is None else entry.get("baseline"),
                    place=sheet.place if entry is None else entry.mapping["row"].place,
                )
            )
    _refuse_doubles(expanded, file, problems)
    return expanded


def _start(sheet: Node, entry: Node | None, file: str, problems: list[Problem]) -> Node:
    recipe = sheet.mapping["base"]
    if entry is None:
        return recipe
    picked = entry.get("factors")
    for factor, level in (picked.mapping if picked is not None else {}).items():
        recipe = _apply_one(recipe, factor, level, sheet, file, problems, factors_only=True)
    change = entry.get("set")
    return recipe if change is None else merge(recipe, change)


def assigned(recipe: Node, point: Assignments, sheet: Node, file: str, problems: list[Problem]) -> Node:
    """The recipe with values put at fields, or the levels that they name of factors."""
    for field, value in point:
        recipe = _apply_one(recipe, field, value, sheet, file, problems)
    return recipe


def _apply_one(
    recipe: Node,
    field: str,
    value: Node,
    sheet: Node,
    file: str,
    problems: list[Problem],
    *,
    factors_only: bool = False,
) -> Node:
    declared = sheet.get("factors")
    levels = None if declared is None else declared.get(field)
    if levels is not None:
        level = levels.get(str(value.value))
        if level is not None:
            return merge(recipe, level)
        hint = nearest(value.value, levels.mapping)
        problems.append(Problem(file, value.place, field, f"no such level, got {shown(value.plain)}; {hint}"))
    elif factors_only:
        names = () if declared is None else declared.mapping
        problems.append(Problem(file, value.key, field, f"no such factor, {nearest(field, names)}"))
    else:
        return put(recipe, steps_of(field), value)
    return recipe


def _points(axes: Node, start: Node, sheet: Node, file: str, problems: list[Problem]) -> Iterator[Assignments]:
    for point in _crossed(axes, file, problems):
        points = [point]
        conditions = axes.get("when")
        for entry in conditions.items if conditions is not None else ():
            points = [
                (*earlier, *more)
                for earlier in points
                for more in (
                    _crossed(entry, file, problems)
                    if _holds(entry, assigned(start, earlier, sheet, file, problems), earlier)
                    else [()]
                )
            ]
        yield from points


def _crossed(axes: Node, file: str, problems: list[Problem]) -> list[Assignments]:
    """The points of one `grid` and one `zip`: all values of the grid with all steps of the zip."""
    grid, together = axes.get("grid"), axes.get("zip")
    choices: list[list[Assignments]] = [
        [((field, value),) for value in values.items] for field, values in (grid.mapping if grid else {}).items()
    ]
    if together is not None and together.mapping:
        lengths = {field: len(values.items) for field, values in together.mapping.items()}
        if len(set(lengths.values())) > 1:
            said = ", ".join(f"{field} has {length}" for field, length in lengths.items())
            problems.append(Problem(file, together.key, "zip", f"all lists must be of one length, got: {said}"))
        steps = zip(*(values.items for values in together.mapping.values()), strict=False)
        choices.append([tuple(zip(together.mapping, step, strict=True)) for step in steps])
    return [tuple(itertools.chain(*parts)) for parts in itertools.product(*choices)]


def _holds(entry: Node, recipe: Node, point: Assignments) -> bool:
    chosen = {field: value.plain for field, value in point}
    conditions = entry.get("given")
    for field, wanted in (conditions.mapping if conditions is not None else {}).items():
        found = recipe.get(*steps_of(field))
        got = chosen.get(field, None if found is None else found.plain)
        if got not in (wanted.plain if isinstance(wanted.value, list) else [wanted.plain]):
            return False
    return True


def _labels(fields: Sequence[str]) -> dict[str, str]:
    """For every field the shortest end of its dotted name that no other field shares, or else the whole."""
    unique = dict.fromkeys(fields)
    labels: dict[str, str] = {}
    for field in unique:
        steps = steps_of(field)
        ends = [".".join(steps[-count:]) for count in range(1, len(steps) + 1)]
        shared = (sum(f".{other}".endswith(f".{end}") for other in unique) > 1 for end in ends)
        labels[field] = next((end for end, also in zip(ends, shared, strict=True) if not also), field)
    return labels


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ",".join(f"{name}:{_text(item)}" for name, item in value.items())
    if isinstance(value, list):
        return "x".join(map(_text, value))
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _refuse_doubles(rows: Sequence[ExpandedRow], file: str, problems: list[Problem]) -> None:
    seen: dict[str, Place] = {}
    for row in rows:
        if row.name in seen:
            message = f"must name one row, got {row.name!r} again (first in line {seen[row.name].line})"
            problems.append(Problem(file, row.place, dotted(("rows", "row")), message))
        seen.setdefault(row.name, row.place)
