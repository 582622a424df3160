"""A sweep file, read: every profile as typed rows, or every mistake at once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import MaxLen, MinLen

from distilpose.evaluation.metrics import AP, METRICS, MetricUse
from distilpose.parts.naming import nearest
from experiments.sweep.checking import checked
from experiments.sweep.choices import FORBID, TEST, FileName, Name, OtherRow, OtherSet
from experiments.sweep.compatibility import other_row_faults, recipe_faults
from experiments.sweep.expand import (
    AxesEntry,
    ExpandedRow,
    RowEntry,
    Sheet,
    assigned,
    expand,
    field_fault,
    merged,
    refuse_too_many,
    with_whole_teacher,
)
from experiments.sweep.recipe import Recipe
from experiments.sweep.recipe_json import to_json, with_metric, with_parts
from experiments.sweep.search_space import COSTS, Params, SearchEntry, ends, search_faults, value_at
from experiments.sweep.seeds import Growing, SeedsEntry, Until
from experiments.sweep.table_choices import TableChoices
from experiments.sweep.yaml_nodes import Node, Path_, Problem, SpecError, dotted, read_yaml, shown

Table = Literal["losses", "matrix", "generalisation", "sdpose", "rows"]
SWEEPS = Path(__file__).parents[2] / "sweeps"
MOST_TEACHERS = 10
"""How many rows may teach one another in turn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A sweep file's fields. A profile may give any of them but `sweep` and `profiles`, merged over the file's own."""

    __pydantic_config__ = FORBID

    sweep: FileName
    title: Name
    table: Table = "losses"
    metric: MetricUse = AP
    baseline: Name | None = None
    base: dict[str, Any]
    factors: dict[str, dict[str, dict[str, Any]]] | None = None
    seeds: SeedsEntry = (0,)
    rows: Annotated[tuple[RowEntry, ...], MinLen(1)] | None = None
    axes: AxesEntry | None = None
    search: SearchEntry | None = None
    evaluate_on: Annotated[dict[FileName, OtherSet], MaxLen(20)] | None = None
    report: TableChoices | None = None
    profiles: Annotated[dict[FileName, Any], MaxLen(100)] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSpec:
    """A row of the table: its recipe, the paper's numbers and what others print (in per cent), and the row to compare
    it with, if any.
    """

    name: str
    recipe: Recipe
    factors: dict[str, Any]
    paper: dict[str, float]
    quoted: dict[str, dict[str, float]]
    baseline: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A profile's search, with the sheet whose `base` and `factors` take the suggested values."""

    entry: SearchEntry
    objectives: tuple[str, ...]
    lower_is_better: tuple[str, ...]
    base: Recipe
    baseline: str | None
    sheet: Sheet

    def row(self, name: str, params: Params) -> RowSpec:
        """The row that trains `base` with these values. Raises SpecError where they make no sense together."""
        sheet = replace(self.sheet, problems=[])
        recipe = _recipe(_trial(sheet, name, params), sheet)
        if recipe is None or sheet.problems:
            raise SpecError(sheet.problems)
        return RowSpec(name=name, recipe=recipe, factors=dict(params), paper={}, quoted={}, baseline=self.baseline)

    def params(self, row: RowSpec) -> Params | None:
        """The values at which the search would suggest this row's recipe; None where it never would."""
        whole = to_json(row.recipe)
        found = {field: row.factors.get(field, value_at(whole, field)) for field in self.entry.space}
        placed = self.entry.placed(found)
        return placed if placed is not None and self.row(row.name, placed).recipe == row.recipe else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """One profile of a sweep file: everything a plan needs. With `until`, `seeds` are those of the first look.

    `changed` says of which sweep it was made, by changing what.
    """

    sweep: str
    profile: str
    title: str
    table: Table
    metric: MetricUse
    baseline: str | None
    seeds: tuple[int, ...]
    rows: tuple[RowSpec, ...]
    source: str
    folder: Path
    evaluate_on: dict[str, OtherSet]
    search: Search | None = None
    until: Until | None = None
    changed: str = ""
    report: TableChoices | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepFile:
    """A whole sweep file."""

    source: str
    profiles: dict[str, Sweep]

    def profile(self, name: str | None = None) -> Sweep:
        """One profile, by default the first. Raises ValueError for an unknown name."""
        if name is None:
            return next(iter(self.profiles.values()))
        if name not in self.profiles:
            raise _no_profile(self.source, name, self.profiles)
        return self.profiles[name]


def find_sweep(name: str) -> Path:
    """The file of a sweep: a path, or the name of a shipped one. Raises ValueError naming those."""
    path = Path(name)
    try:
        if path.is_file():
            return path
    except OSError:  # such as a name too long for a file's
        pass
    shipped = {path.stem: path for path in sorted(SWEEPS.glob("*.yaml"))}
    if name.removesuffix(".yaml").removeprefix("sweeps/") in shipped:
        return shipped[name.removesuffix(".yaml").removeprefix("sweeps/")]
    raise ValueError(f"sweep: must be a file or a shipped sweep, got {shown(name)}; {nearest(name, shipped)}")


def read_sweep(path: Path | str, *, source: str | None = None) -> SweepFile:
    """A sweep file, every profile expanded and checked. A file without profiles has the one profile `default`.

    `source` is the file's name in messages and plans (default: the path as given). Raises SpecError with every mistake.
    """
    shown_as = str(path) if source is None else source
    document = read_yaml(Path(path), shown_as)
    problems: list[Problem] = []
    problems += [problem for _, problem in _document(document, shown_as, Path(path).parent)[1]]
    sweeps: dict[str, Sweep] = {}
    for name, node in sheets_of(document, shown_as, problems):
        sweep = sweep_of(name, Sheet(node, shown_as, Path(path).parent, problems))
        if sweep is not None:
            sweeps[name] = sweep
            refuse_too_many(sum(len(one.rows) * _most_seeds(one) for one in sweeps.values()), document, shown_as)
    if problems:
        raise SpecError(problems)
    return SweepFile(source=shown_as, profiles=sweeps)


def read_names(path: Path, profile: str | None, *, source: str) -> tuple[str, str]:
    """The name of a file's sweep and of one profile, by default the first, without expanding its rows.

    Raises SpecError for what is no sweep file, ValueError for an unknown profile.
    """
    node = read_yaml(path, source)
    document, faults = _document(node, source, path.parent)
    if document is None:
        raise SpecError([problem for _, problem in faults])
    profiles = list(document.profiles or ("default",))
    if profile is not None and profile not in profiles:
        raise _no_profile(source, profile, profiles)
    return document.sweep, profile or profiles[0]


def _most_seeds(sweep: Sweep) -> int:
    return len(sweep.seeds) if sweep.until is None else sweep.until.looks[-1]


def _document(node: Node, file: str, folder: Path) -> tuple[Document | None, list[tuple[Path_, Problem]]]:
    """The fields of a sheet, or what is wrong with them."""
    values, wrong = with_metric(node.frozen, "metric", folder) if node.mapping else (node.frozen, [])
    document, faults = checked(Document, node, file, values)
    faults += [(path, Problem(file, node.nearest(path).place, dotted(path), rule)) for path, rule in wrong]
    return (None if wrong else document), faults


def _no_profile(source: str, name: str, valid: Iterable[str]) -> ValueError:
    return ValueError(f"{source}: no such profile, got {shown(name)}; {nearest(name, valid)}")


def sheets_of(document: Node, file: str, problems: list[Problem]) -> list[tuple[str, Node]]:
    """The document of every profile: the file's fields with the profile's merged over them."""
    common = Node({k: v for k, v in document.mapping.items() if k != "profiles"}, document.place, document.key)
    profiles = document.get("profiles")
    if profiles is None or not profiles.mapping:
        return [("default", common)]
    sheets = []
    for name, change in profiles.mapping.items():
        for field in ("sweep", "profiles"):
            if (fixed := change.get(field)) is not None:
                message = "belongs to the file, not to one of its profiles"
                problems.append(Problem(file, fixed.key, f"profiles.{name}.{field}", message))
        if isinstance(change.value, dict):
            sheets.append((name, merged(common, change)))
        elif change.value is None:
            sheets.append((name, common))
        else:
            message = f"must be a mapping of fields, got {shown(change.plain)}"
            problems.append(Problem(file, change.place, f"profiles.{name}", message))
    return sheets


def sweep_of(name: str, sheet: Sheet) -> Sweep | None:
    """The profile of this name; None where its sheet has problems."""
    before = len(sheet.problems)
    document, faults = _document(sheet.node, sheet.file, sheet.folder)
    sheet.problems.extend(problem for _, problem in faults)
    if any(path[0] in ("base", "factors", "rows", "axes") for path, _ in faults):
        return None
    expanded = expand(sheet)
    if not expanded:
        return None
    recipes = _with_other_rows(expanded, [_recipe(row, sheet) for row in expanded], sheet)
    _check_baselines(expanded, sheet)
    if document is None:
        return None
    rows = []
    for row, recipe in zip(expanded, recipes, strict=True):
        if recipe is not None:
            own = document.baseline if row.baseline is None else row.baseline.plain
            rows.append(
                RowSpec(
                    name=row.name,
                    recipe=recipe,
                    factors=row.factors,
                    paper=row.paper,
                    quoted=row.quoted,
                    baseline=own,
                )
            )
    until, seeds = None, document.seeds
    if isinstance(seeds, Growing):
        until, seeds = seeds.until, tuple(range(seeds.until.looks[0]))
    if len(set(seeds)) < len(seeds):
        sheet.fault(sheet.node.mapping["seeds"].place, "seeds", f"must differ, got {shown(seeds)}")
    if until is not None and all(row.baseline in (None, row.name) for row in rows):
        sheet.fault(sheet.node.mapping["seeds"].place, "seeds.until", "needs a baseline that rows are decided against")
    if TEST in (document.evaluate_on or {}) and any(row.recipe.data.test for row in rows):
        place = sheet.node.mapping["evaluate_on"].mapping[TEST].key
        sheet.fault(place, f"evaluate_on.{TEST}", "is the name of the split that data.test gives; choose another")
    if document.table == "matrix":
        _check_matrix(expanded, sheet)
    for number, name in enumerate((document.report and document.report.rows) or ()):
        if document.search is None and name not in (known := [row.name for row in expanded]):
            node = sheet.node.nearest(("report", "rows", number))
            message = f"must be one of the rows, got {shown(name)}; {nearest(name, known)}"
            sheet.fault(node.place, f"report.rows[{number}]", message)
    search = None if document.search is None else _search(document, document.search, seeds, sheet)
    if len(sheet.problems) > before:
        return None
    return Sweep(
        sweep=document.sweep,
        profile=name,
        title=document.title,
        table=document.table,
        metric=document.metric,
        baseline=document.baseline,
        seeds=seeds,
        rows=tuple(rows),
        source=sheet.file,
        folder=sheet.folder,
        search=search,
        until=until,
        evaluate_on=document.evaluate_on or {},
        report=document.report,
    )


def _search(document: Document, entry: SearchEntry, seeds: tuple[int, ...], sheet: Sheet) -> Search | None:
    """The search of a sheet, checked: its fields, its base by itself, and the corners of its space."""
    node, before = sheet.node.mapping["search"], len(sheet.problems)
    for path, message in search_faults(entry, seeds):
        sheet.fault(node.nearest(path).place, dotted(("search", *path)), message)
    if len(seeds) != 1:
        message = f"a trial is one run: a search has one seed, got {shown(seeds)}; `confirm` takes more"
        sheet.fault((sheet.get("seeds") or node).place, "seeds", message)
    for field, where in node.mapping["space"].mapping.items():
        if (fault := field_fault(field, sheet)) is not None:
            sheet.fault(where.key, f"search.space.{field}", fault)
    if len(sheet.problems) > before:
        return None
    base = _recipe(_trial(sheet, "base", {}), sheet)
    for field, other in ({} if base is None else base.other_rows).items():
        place = sheet.node.nearest(("base", field)).place
        sheet.fault(place, f"base.{field}.row", f"must not be of a search's trials, got {shown(other.row)}")
    if base is None or len(sheet.problems) > before:
        return None
    for params in ends(entry):
        said = ", ".join(f"{field}={shown(value)}" for field, value in params.items())
        recipe = _recipe(_trial(sheet, said, params), sheet)
        if recipe is not None and recipe.data != base.data:
            message = "a search has one set of data, that of base: values from others say nothing of each other"
            sheet.fault(node.mapping["space"].place, "search.space", message)
    metric = document.metric
    objectives = tuple(metric.title if name == metric.name else name for name in entry.objectives or (metric.name,))
    valid = [*METRICS, *COSTS, metric.title]
    for position, name in enumerate(objectives):
        if name not in valid:
            path = ("search", "objectives", position)
            rule = f"must be one of the valid values, or the sweep's metric, got {shown(name)}; {nearest(name, valid)}"
            sheet.fault(sheet.node.nearest(path).place, dotted(path), rule)
    return Search(
        entry=entry,
        objectives=objectives,
        lower_is_better=(*COSTS, *lower_is_better(metric)),
        base=base,
        baseline=document.baseline,
        sheet=sheet,
    )


def lower_is_better(*uses: MetricUse) -> tuple[str, ...]:
    """The titles of metrics of which less is better, ours and these."""
    ours = (name for name, metric in METRICS.items() if not metric.higher_is_better)
    return tuple(dict.fromkeys((*ours, *(use.title for use in uses if not use.higher_is_better))))


def _trial(sheet: Sheet, name: str, params: Params) -> ExpandedRow:
    space = sheet.node.mapping["search"].mapping["space"]
    places = [(field, value, space.mapping[field]) for field, value in params.items()]
    point = tuple((field, Node(value, where.place, where.key)) for field, value, where in places)
    recipe = assigned(sheet.node.mapping["base"], point, sheet)
    return ExpandedRow(
        name=name, recipe=recipe, factors=dict(params), paper={}, quoted={}, baseline=None, place=space.place
    )


def _check_baselines(rows: Sequence[ExpandedRow], sheet: Sheet) -> None:
    names = dict.fromkeys(row.name for row in rows)
    named = [("baseline", sheet.get("baseline")), *(("rows.baseline", row.baseline) for row in rows)]
    wrong = {
        (field, node.place): node.plain  # axes repeat a row, and its mistake
        for field, node in named
        if node is not None and isinstance(node.plain, str) and node.plain not in names
    }
    for (field, place), name in wrong.items():
        sheet.fault(place, field, f"must be one of the rows, got {shown(name)}; {nearest(name, names)}")


def _with_other_rows(
    rows: Sequence[ExpandedRow], recipes: Sequence[Recipe | None], sheet: Sheet
) -> list[Recipe | None]:
    """The recipes, those that need other rows with these rows' own."""
    index = {row.name: position for position, row in enumerate(rows)}
    whole: dict[int, Recipe | None] = {}

    def find(position: int, above: tuple[str, ...]) -> Recipe | None:
        recipe, row = recipes[position], rows[position]
        if position in whole or recipe is None:
            return whole.get(position, recipe)
        whole[position] = None
        found: dict[str, Any] = {
            field: other(field, one.row, row, recipe, above) for field, one in recipe.other_rows.items()
        }
        if None not in found.values():
            whole[position] = replace(recipe, **found)
        return whole[position]

    def other(field: str, name: str, row: ExpandedRow, recipe: Recipe, above: tuple[str, ...]) -> OtherRow | None:
        """The row of this name, in a field of this recipe; None where it is at fault."""
        place = row.recipe.nearest((field, "row")).place
        if name not in index:
            sheet.fault(place, f"{field}.row", f"must be one of the rows, got {shown(name)}; {nearest(name, index)}")
        elif name in (*above, row.name):
            sheet.fault(place, f"{field}.row", f"must not wait for this row itself, got {shown(name)}", row.name)
        elif len(above) == MOST_TEACHERS:
            sheet.fault(place, f"{field}.row", f"must be one of at most {MOST_TEACHERS} rows in turn", row.name)
        elif (needed := find(index[name], (*above, row.name))) is not None:
            for path, message in other_row_faults(recipe, field, needed):
                sheet.fault(row.recipe.nearest(path).place, dotted(path), message, row.name)
            return OtherRow(row=name).found(needed)
        return None

    return [find(position, ()) for position in range(len(rows))]


def _check_matrix(rows: Sequence[ExpandedRow], sheet: Sheet) -> None:
    for row in rows:
        if len(row.factors) != 2 or set(row.factors) != set(rows[0].factors):
            got = ", ".join(row.factors) or "none"
            message = f"a matrix needs the same two factors in every row, got {got} in row {shown(row.name)}"
            sheet.fault(row.place, "rows.factors", message)


def _recipe(row: ExpandedRow, sheet: Sheet) -> Recipe | None:
    node = with_whole_teacher(row.recipe)
    before = len(sheet.problems)
    values, part_faults = with_parts(node.frozen, sheet.folder)
    recipe, faults = checked(Recipe, node, sheet.file, values)
    sheet.problems.extend(problem for _, problem in faults)
    whole = () if recipe is None or part_faults else recipe_faults(recipe)
    for path, message in (*part_faults, *whole):
        sheet.fault(node.nearest(path).place, dotted(path), message, row.name)
    return recipe if len(sheet.problems) == before else None
