"""Two launched sweeps held against each other: rows matched, their differences with intervals, on one page."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib import rc_context

from experiments.runs.atomic import write_whole
from experiments.runs.saved_plan import SavedPlan, SavedRow, SavedRun
from experiments.runs.store import RunDir, Store
from reports.formats.cells import bounds, chance, number, seeds, text
from reports.formats.drawing import INK, LABEL, OURS, STYLE, WIDTH, Drawing, draw, one_panel
from reports.formats.facts import Fact, FactList
from reports.formats.page import Opening, Section, markdown_report, page_html, there
from reports.formats.table import Column, Table, fill
from reports.formats.words import listed, plain, signed
from reports.numbers.evidence import evidence_of
from reports.numbers.metrics import definitions
from reports.numbers.sweep import RowNumbers, SweepNumbers, aggregate
from reports.statistics.differences import SIGNIFICANT, mean_difference
from reports.statistics.evidence import Comparison, compare_all
from reports.statistics.resampling import Interval

_MOST_FIELDS = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of the two: what it is called, and its sweep."""

    label: str
    numbers: SweepNumbers


class Pair(NamedTuple):
    """Two rows that are held against each other, and their comparison; None where they share no finished seed."""

    row: RowNumbers
    other: RowNumbers
    found: Comparison | None

    @property
    def name(self) -> str:
        """The row's name, or both."""
        return self.row.name if self.row.name == self.other.name else f"{self.row.name} / {self.other.name}"

    @property
    def same_runs(self) -> bool:
        """Whether both are the same runs."""
        return _ids(self.row) == _ids(self.other)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Both sides, the pairs in the first's order, and the rows of either that have no counterpart."""

    a: Side
    b: Side
    pairs: tuple[Pair, ...]
    alone: tuple[tuple[str, str], ...]

    @property
    def metric(self) -> str:
        """By which rows are compared."""
        return self.a.numbers.metric


def compare(a: tuple[str, Store, SavedPlan], b: tuple[str, Store, SavedPlan], metric: str | None = None) -> Compared:
    """B's rows against A's: matched by recipe, the rest by name; by A's metric unless another is named.

    Differences are over the seeds that both have, and over validation pictures where both were measured on the same;
    p values are corrected over the pairs.

    Raises:
        ValueError: the two have no such metric in common.
    """
    metric = metric or a[2].metric
    sides = [
        Side(label=label, numbers=aggregate(store, replace(plan, metric=metric, test=a[2].test and b[2].test)))
        for label, store, plan in (a, b)
    ]
    for side in sides:
        if not side.numbers.measured:
            shared = set.intersection(
                *({name for run in one.numbers.all_runs for name in run.metrics} for one in sides)
            )
            raise ValueError(
                f"metric: both must have finished runs with {metric}, {side.label} has none; "
                f"both have: {', '.join(sorted(shared)) or 'nothing in common'}"
            )
    first, second = sides
    matched = list(_matched(first, second))
    measured = {  # a row that both have counts once
        _ids(row): (side.numbers, row)
        for pair in matched
        for side, row in zip(sides, pair, strict=True)
        if row.name in side.numbers.measured
    }
    wanted = [(_ids(row), _ids(other)) for row, other in matched if _ids(row) != _ids(other)]
    tested = compare_all(evidence_of(measured), [ids for ids in wanted if measured.keys() >= set(ids)])
    found = {(one.other, one.row): one for one in tested}
    pairs = tuple(
        Pair(row, other, found.get((_ids(row), _ids(other))) or _untested(row, other, metric)) for row, other in matched
    )
    paired = {("a", pair.row.name) for pair in pairs} | {("b", pair.other.name) for pair in pairs}
    alone = tuple(
        (side.label, row.name)
        for which, side in zip("ab", sides, strict=True)
        for row in side.numbers.rows
        if (which, row.name) not in paired
    )
    return Compared(a=first, b=second, pairs=pairs, alone=alone)


def _ids(row: RowNumbers) -> str:
    return " ".join(sorted(run.run_id for run in row.runs))


def _untested(row: RowNumbers, other: RowNumbers, metric: str) -> Comparison | None:
    """The mean difference of the same runs in two places."""
    both = [one.measured[metric].values for one in (row, other) if metric in one.measured]
    mean = mean_difference(both[1], both[0]) if len(both) == 2 else None
    return None if mean is None else Comparison(row=other.name, other=row.name, seeds=len(both[0]), mean=mean)


def _matched(a: Side, b: Side) -> Iterator[tuple[RowNumbers, RowNumbers]]:
    """Rows of one recipe, of several by name first; then rows of one name."""
    left = list(b.numbers.rows)
    found: dict[str, RowNumbers] = {}
    for same in (_same_recipe_and_name, _same_recipe, _same_name):
        for row in a.numbers.rows:
            if row.name not in found and (other := next((one for one in left if same(a, row, b, one)), None)):
                found[row.name] = other
                left.remove(other)
    return ((row, found[row.name]) for row in a.numbers.rows if row.name in found)


def _same_name(_a: Side, row: RowNumbers, _b: Side, other: RowNumbers) -> bool:
    return row.name == other.name


def _same_recipe(a: Side, row: RowNumbers, b: Side, other: RowNumbers) -> bool:
    mine = _what(a.numbers, row)
    return bool(mine) and _without_code(mine) == _without_code(_what(b.numbers, other))


def _same_recipe_and_name(a: Side, row: RowNumbers, b: Side, other: RowNumbers) -> bool:
    return _same_name(a, row, b, other) and _same_recipe(a, row, b, other)


def _what(numbers: SweepNumbers, row: RowNumbers) -> dict[str, Any]:
    """All that a row's runs are made from, whatever their seed: fields by dotted names, the teacher's too."""
    run = next((run for run in row.runs if run.identity), None)
    if run is None:
        return {}
    return _identity({one.run_id: one.identity for one in numbers.teachers}, run.identity)


def _identity(teachers: Mapping[str, Mapping[str, Any]], identity: Mapping[str, Any]) -> dict[str, Any]:
    teacher = teachers.get(identity.get("teacher") or "")
    whole = {**identity, **({} if not teacher else {"teacher": teacher})}
    return {name: value for name, value in _flat(whole) if name != "seed"}


def _flat(value: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, one in value.items():
        if isinstance(one, Mapping):
            yield from _flat(one, f"{above}{name}.")
        else:
            yield f"{above}{name}", json.dumps(one)


def _without_code(what: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in what.items() if not name.startswith(("code.", "teacher.code."))}


def before(plan: SavedPlan, store: Store) -> SavedPlan:
    """The plan of the finished runs that were trained by other code before: the newest of each row and seed.

    Raises:
        ValueError: there is none.
    """
    specs = {run.run_id: run.spec() for run in store.runs() if run.state() == "finished"}
    identities: dict[str, Mapping[str, Any]] = {run_id: spec["identity"] for run_id, spec in specs.items()}

    def key(run_id: str) -> str:
        return json.dumps(
            [_without_code(_identity(identities, identities[run_id])), specs[run_id]["seed"]], sort_keys=True
        )

    wanted = set(plan.run_names)
    earlier: dict[str, str] = {}
    for run_id in sorted(specs.keys() - wanted, key=lambda run_id: _ended(store.run(run_id))):
        earlier[key(run_id)] = run_id

    def row_before(row: SavedRow) -> SavedRow:
        known = ((run, earlier.get(key(run.run_id))) for run in row.runs if run.run_id in specs)
        return replace(row, runs=tuple(SavedRun(run_id=old, seed=run.seed) for run, old in known if old is not None))

    rows = tuple(row for row in map(row_before, plan.rows) if row.runs)
    if not rows:
        raise ValueError(f"{plan.name}@before: {store.root} has no finished run of its rows by other code")
    return replace(plan, rows=rows)


def _ended(run: RunDir) -> float:
    event = run.last_event()
    return 0.0 if event is None else float(event["t"])


def write_comparison(compared: Compared, folder: Path) -> tuple[Path, Path]:
    """Write compare.html and compare.md, with the tables and the drawing beside them; returns both files."""
    with rc_context(STYLE):
        blocks = there(_table(compared), _drawing(compared), _differing(compared))
    section = Section(key="results", title="Differences", blocks=blocks, after=_after(compared))
    sections, first = [section, _settings(compared)], _opening(compared)
    files: dict[str, str | bytes] = {
        "compare.md": markdown_report(first, sections),
        "compare.html": page_html(first, sections),
        **{name: content for block in blocks for name, content in block.files().items()},
    }
    for name, content in files.items():
        write_whole(folder / name, content)
    return folder / "compare.md", folder / "compare.html"


def headline(compared: Compared) -> str:
    """What may be claimed of the differences."""
    tested = [pair for pair in compared.pairs if pair.found is not None and pair.found.p_adjusted is not None]
    a, b, digits = compared.a.label, compared.b.label, compared.a.numbers.digits
    apart = [
        f"“{pair.name}” ({signed(pair.found.mean, digits)})"
        for pair in tested
        if pair.found is not None and (pair.found.p_adjusted or 0.0) < SIGNIFICANT
    ]
    if not compared.pairs:
        return f"{a} and {b} have no row in common."
    if all(pair.same_runs for pair in compared.pairs):
        most = max((abs(pair.found.mean) for pair in compared.pairs if pair.found is not None), default=0.0)
        return f"{a} and {b} hold the same runs; their {compared.metric} differs by {plain(most, digits)} at most."
    if not tested:
        return f"{compared.metric} of {a} and {b} cannot be told apart or alike: too few seeds."
    if not apart:
        return f"No row of {b} differs significantly from its counterpart in {a} ({len(tested)} compared)."
    rows = f"{len(apart)} of {len(tested)} rows"
    return f"{compared.metric} of {b} differs significantly from that of {a} in {rows}: {listed(apart)}."


def _opening(compared: Compared) -> Opening:
    a, b = compared.a, compared.b
    runs = {run.run_id: run for side in (a, b) for run in side.numbers.runs}.values()
    return Opening(
        title=f"{a.label} against {b.label}",
        sweep=f"{a.label} and {b.label}",
        profile=" and ".join(dict.fromkeys(side.numbers.plan.profile for side in (a, b))),
        headline=headline(compared),
        support=tuple(_support(compared)),
        finished=f"{sum(run.finished for run in runs)} of {len(runs)}",
    )


def _settings(compared: Compared) -> Section:
    """Both sides' settings."""
    of_both = [side.numbers.plan.settings for side in (compared.a, compared.b)]
    lines = []
    for name in dict.fromkeys(name for settings in of_both for name in settings):
        values = tuple(dict.fromkeys(str(settings.get(name, "–")) for settings in of_both))
        lines.append(Fact(name=name, values=values, differs=len(values) > 1))
    return Section(key="settings", title="Settings", blocks=(FactList(lines=tuple(lines)),), folded=True)


def _support(compared: Compared) -> Iterator[str]:
    mixed = {identity for side in (compared.a, compared.b) for identity in _data(side)}
    if len(mixed) > 1:
        yield "The two were not trained and measured on the same people: differences are of the data, too."
    by_name = sum(not _same_recipe(compared.a, pair.row, compared.b, pair.other) for pair in compared.pairs)
    if by_name:
        count = len(compared.pairs)
        yield f"{by_name} of {count} pairs are matched by name alone, since their recipes differ (below)."


def _data(side: Side) -> set[str]:
    return {str(run.identity.get("data")) for row in side.numbers.rows for run in row.runs if run.identity}


def _after(compared: Compared) -> tuple[str, ...]:
    return tuple(
        f"Without counterpart in {label}: {listed(names)}."
        for label in (compared.a.label, compared.b.label)
        if (names := [f"“{name}”" for side, name in compared.alone if side == label])
    )


def _table(compared: Compared) -> Table:
    a, b, metric, digits = compared.a, compared.b, compared.metric, compared.a.numbers.digits

    def measured(side: Side, which: int) -> Column[Pair]:
        def cell(pair: Pair) -> Any:
            row = pair[which]
            assert isinstance(row, RowNumbers)
            found = row.measured.get(metric)
            return text("not measured") if found is None else seeds(found, len(row.runs), digits)

        return Column(metric, cell, "measured", side.label)

    def over(pair: Pair) -> str:
        if pair.same_runs:
            return "the same runs"
        return "" if pair.found is None else " and ".join(pair.found.parts) or "too few seeds"

    columns: list[Column[Pair]] = [
        Column("row", lambda pair: text(pair.name)),
        measured(a, 0),
        measured(b, 1),
        Column(
            "difference",
            lambda one: number(None if one.found is None else one.found.mean, digits, signed=True),
            "number",
        ),
        Column("95 % interval", lambda one: bounds(_interval(one), digits), "interval"),
        Column("p", lambda one: chance(None if one.found is None else one.found.p), "chance"),
        Column("Holm", lambda one: chance(None if one.found is None else one.found.p_adjusted), "chance"),
        Column("over other", lambda one: text(over(one))),
    ]
    notes = (
        f"A difference is {b.label} minus {a.label}, over the seeds that both have.",
        "Holm: p corrected over the pairs of this table.",
    )
    return fill(
        columns, compared.pairs, name="differences", caption=f"{metric} of {b.label} against {a.label}",
        notes=(*notes, *definitions(metric)),
    )  # fmt: skip


def _interval(pair: Pair) -> Interval | None:
    found = pair.found and pair.found.interval()
    return Interval(low=found[0], high=found[1]) if found else None


def _drawing(compared: Compared) -> Drawing | None:
    pairs = [pair for pair in compared.pairs if pair.found is not None and not pair.same_runs]
    if not pairs:
        return None
    figure, axes = one_panel(WIDTH, 0.9 + 0.32 * len(pairs))
    axes.axvline(0, color=INK, linewidth=0.9)
    for place, pair in enumerate(pairs):
        assert pair.found is not None
        if (interval := _interval(pair)) is not None:
            axes.plot([interval.low, interval.high], [place, place], color=OURS, linewidth=1.6)
        axes.plot([pair.found.mean], [place], "o", color=OURS, markersize=5)
    axes.set_yticks(range(len(pairs)), [pair.name for pair in pairs], fontsize=LABEL, color=INK)
    axes.set_ylim(len(pairs) - 0.5, -0.5)
    axes.set_xlabel(f"{compared.metric}: {compared.b.label} minus {compared.a.label}")
    caption = f"Differences in {compared.metric}; lines are 95 % intervals, where there are any."
    return draw(figure, name="differences-drawn", caption=caption)


class _Differing(NamedTuple):
    field: str
    mine: str
    theirs: str
    rows: tuple[str, ...]


def _differing(compared: Compared) -> Table | None:
    """The fields of recipes and versions of code in which pairs differ."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for pair in compared.pairs:
        mine, theirs = _what(compared.a.numbers, pair.row), _what(compared.b.numbers, pair.other)
        for name in dict.fromkeys([*mine, *theirs]):
            if mine.get(name) != theirs.get(name):
                found.setdefault((name, mine.get(name, "–"), theirs.get(name, "–")), []).append(pair.name)
    if not found:
        return None
    lines = [_Differing(*fields, tuple(rows)) for fields, rows in found.items()]
    every = tuple(pair.name for pair in compared.pairs)
    columns: list[Column[_Differing]] = [
        Column("field", lambda one: text(one.field)),
        Column(compared.a.label, lambda one: text(one.mine[:60])),
        Column(compared.b.label, lambda one: text(one.theirs[:60])),
        Column("rows", lambda one: text("all" if one.rows == every else listed(one.rows))),
    ]
    notes = (f"The first {_MOST_FIELDS} of {len(lines)}.",) if len(lines) > _MOST_FIELDS else ()
    return fill(
        columns, lines[:_MOST_FIELDS], name="differing", caption="What differs between the recipes", notes=notes
    )
