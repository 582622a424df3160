"""The tables of a search: the best as they were found and as they were confirmed; every trial."""

from reports.formats.cells import Cell, change, gap, number, seeds, text
from reports.formats.table import Column, Table, fill
from reports.numbers.sweep import RowNumbers, SweepNumbers
from reports.read.reader import metric_digits
from reports.sections.row_cells import state_gap
from reports.sections.search.numbers import Axis, SearchNumbers, TrialNumbers
from reports.statistics.differences import spread

_DIGITS = {"parameters": 0, "gflops": 4, "latency_ms": 2}


def value_text(value: object) -> str:
    """A searched value."""
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def digits_of(objective: str) -> int:
    """How many decimals an objective is shown with."""
    return _DIGITS.get(objective, metric_digits(objective))


def chosen_table(numbers: SweepNumbers, search: SearchNumbers) -> Table | None:
    """The file's rows and the confirmed trials: what the search saw, and what other seeds say; None before any."""
    if not search.again:
        return None
    rows = {row.name: row for row in numbers.rows}
    by_row = {trial.row: trial for trial in search.trials}
    metric, digits = search.objectives[0], digits_of(search.objectives[0])
    named = {name: search.again.get(name, name) for name in (*search.own_trials, *search.again)}
    chosen = [by_row[name] for name, again in named.items() if name in by_row and again in rows]
    others = "trained again, other seeds"

    def found(trial: TrialNumbers) -> Cell:
        return number(trial.values[0] if trial.values else None, digits, reason=trial.state)

    def improved(trial: TrialNumbers) -> Cell:
        again = named[trial.row]
        return change(rows[again].improvement, digits) if again != trial.row else gap()

    columns: list[Column[TrialNumbers]] = [
        Column("row", lambda trial: text(trial.row)),
        *_axis_columns(search),
        Column(f"{metric}, seed {search.seed}", found, "number", "as found"),
        Column(metric, lambda trial: _other_seeds(rows[named[trial.row]], search, digits), "measured", others),
        Column(numbers.over, improved, "change", others),
    ]
    high = "high" if search.sign > 0 else "low"
    notes = (
        f"As found is one seed, chosen from {len(search.finished)} finished trials for being {high}: it is too {high}. "
        f"The other seeds had no part in the choice; differences are paired with the same seeds of {numbers.against}.",
    )
    return fill(columns, chosen, name="search-chosen", caption="The chosen values, confirmed", notes=notes)


def _axis_columns(search: SearchNumbers) -> list[Column[TrialNumbers]]:
    """A trial's value of every searched field."""

    def column(axis: Axis) -> Column[TrialNumbers]:
        return Column(axis.label, lambda trial: text(value_text(trial.params[axis.field])), group="values")

    return [column(axis) for axis in search.axes]


def _other_seeds(row: RowNumbers, search: SearchNumbers, digits: int) -> Cell:
    """What the seeds that had no part in the search measured."""
    found = row.measured.get(search.objectives[0])
    values = {} if found is None else {seed: value for seed, value in found.values.items() if seed != search.seed}
    if not values:
        return state_gap(row)
    return seeds(spread(values), sum(run.seed != search.seed for run in row.runs), digits)


def trials_table(search: SearchNumbers) -> Table:
    """Every trial, the best of the first objective first, the unfinished ones last."""

    def objective(place: int, name: str) -> Column[TrialNumbers]:
        def cell(trial: TrialNumbers) -> Cell:
            if trial.values is not None:
                return number(trial.values[place], digits_of(name))
            return gap() if place else number(trial.reached, digits_of(name), reason=trial.state)

        return Column(name, cell, "number", "objectives")

    columns: list[Column[TrialNumbers]] = [
        Column("trial", lambda trial: number(trial.number, 0), "number"),
        Column("row", lambda trial: text(trial.row)),
        *_axis_columns(search),
        *(objective(place, name) for place, name in enumerate(search.objectives)),
        Column("state", lambda trial: text(trial.state)),
        Column("epoch", lambda trial: number(trial.epoch, 0), "number"),
        Column("run", lambda trial: text(trial.run_id)),
    ]
    rest = [trial for trial in search.trials if trial.values is None]
    ordered = [
        *search.finished,
        *sorted(rest, key=lambda trial: float("inf") if trial.reached is None else -search.sign * trial.reached),
    ]
    notes = [f"One run each, seed {search.seed}: a single seed has no spread."]
    if any(trial.state == "pruned" for trial in search.trials):
        notes.append("A pruned trial shows the best it had reached when it was ended, and the epoch of that.")
    if "latency_ms" in search.objectives:
        notes.append(
            "Latency is the median of single pictures on the launching machine's CPU, whatever else ran there."
        )
    low = [objective for objective in search.objectives if objective in search.low]
    if low:
        notes.append(f"Low is good in: {', '.join(low)}.")
    return fill(columns, ordered, name="search-trials", caption="Every trial", notes=notes)
