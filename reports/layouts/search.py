"""The tables of a search, and its sentences: the best as they were found and as they were confirmed; every trial."""

from collections import Counter
from collections.abc import Sequence

from reports.formats.tables import Cell, Column, Gap, Measured, Number, Table, Text, change, gap, number
from reports.numbers.records import RowNumbers
from reports.numbers.search import SearchNumbers, TrialNumbers
from reports.numbers.statistics import spread
from reports.numbers.sweep_numbers import SweepNumbers

_DIGITS = {"parameters": 0, "gflops": 4, "latency_ms": 2}


def _value(value: object) -> str:
    return f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def _digits(objective: str) -> int:
    return _DIGITS.get(objective, 1)


def _first(trial: TrialNumbers, search: SearchNumbers) -> str:
    assert trial.values is not None
    return f"{trial.values[0]:.{_digits(search.objectives[0])}f}"


def search_sentences(search: SearchNumbers) -> tuple[str, ...]:
    """How far the search has come, what pruning saved, and what the best it found is worth saying."""
    states = Counter(trial.state for trial in search.trials)
    counts = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
    by = f"suggested by {search.sampler}" + (f", pruned by {search.pruner}" if search.pruner else "")
    said = [f"{len(search.trials)} of {search.budget} trials were asked, {by}: {counts or 'none yet'}."]
    if states["pruned"] and search.epochs_saved is not None:
        said.append(f"Pruning saved {100 * search.epochs_saved:.0f} % of the epochs of the settled trials.")
    if not search.finished:
        return tuple(said)
    if len(search.objectives) > 1:
        said.append(f"{len(search.front)} of the {len(search.finished)} finished trials are beaten by no other.")
    else:
        best = search.finished[0]
        values = ", ".join(f"{axis.label} {_value(best.params[axis.field])}" for axis in search.axes)
        own = [f"“{one.row}” {_first(one, search)}" for one in search.finished if one.row in search.own_trials]
        against = f", against {' and '.join(own)}" if own and best.row not in search.own_trials else ""
        reached = f"{search.objectives[0]} {_first(best, search)}"
        said.append(f"Best at seed {search.seed}: “{best.row}” ({values}), {reached}{against}.")
    if not search.again:
        said.append("The best of many noisy trials is partly luck; none has been trained again from other seeds.")
    return tuple(said)


def chosen_table(numbers: SweepNumbers, search: SearchNumbers) -> Table | None:
    """The file's rows and the confirmed trials: what the search saw, and what other seeds say; None before any."""
    if not search.again:
        return None
    rows = {row.name: row for row in numbers.rows}
    by_row = {trial.row: trial for trial in search.trials}
    metric, digits = search.objectives[0], _digits(search.objectives[0])
    columns = (
        Column(title="row"),
        *(Column(title=axis.label, group="values") for axis in search.axes),
        Column(title=f"{metric}, seed {search.seed}", group="as found", kind="number"),
        Column(title=metric, group="trained again, other seeds", kind="measured"),
        Column(title=numbers.over, group="trained again, other seeds", kind="change"),
    )
    lines: list[tuple[Cell, ...]] = []
    for name in dict.fromkeys((*search.own_trials, *search.again)):
        trial, again = by_row.get(name), rows.get(search.again.get(name, name))
        if trial is None or again is None:
            continue
        lines.append(
            (
                Text(name),
                *(Text(_value(trial.params[axis.field])) for axis in search.axes),
                number(trial.values[0] if trial.values else None, digits, reason=trial.state),
                _other_seeds(again, search, digits),
                change(again.improvement, digits) if again.name != name else Gap(),
            )
        )
    notes = (
        f"As found is one seed, chosen from {len(search.finished)} finished trials for being high: it is too high. The "
        f"other seeds had no part in the choice; differences are paired with the same seeds of {numbers.against}.",
    )
    return Table(
        name="search-chosen", caption="The chosen values, confirmed", columns=columns, rows=tuple(lines), notes=notes
    )


def _other_seeds(row: RowNumbers, search: SearchNumbers, digits: int) -> Cell:
    """What the seeds that had no part in the search measured."""
    found = row.measured.get(search.objectives[0])
    values = {} if found is None else {seed: value for seed, value in found.values.items() if seed != search.seed}
    if not values:
        return gap(row)
    return Measured(spread(values), sum(run.seed != search.seed for run in row.runs), digits)


def trials_table(search: SearchNumbers) -> Table:
    """Every trial, the best of the first objective first, the unfinished ones last."""
    columns = (
        Column(title="trial", kind="number"),
        Column(title="row"),
        *(Column(title=axis.label, group="values") for axis in search.axes),
        *(Column(title=objective, group="objectives", kind="number") for objective in search.objectives),
        Column(title="state"),
        Column(title="epoch", kind="number"),
        Column(title="run"),
    )
    rest = [trial for trial in search.trials if trial.values is None]
    ordered = [*search.finished, *sorted(rest, key=lambda trial: -(trial.reached or -1.0))]
    return Table(
        name="search-trials",
        caption="Every trial",
        columns=columns,
        rows=tuple(_line(trial, search) for trial in ordered),
        notes=_notes(search),
    )


def _line(trial: TrialNumbers, search: SearchNumbers) -> tuple[Cell, ...]:
    objectives: Sequence[Cell]
    if trial.values is not None:
        objectives = [
            Number(value, _digits(objective)) for objective, value in zip(search.objectives, trial.values, strict=True)
        ]
    else:
        first = number(trial.reached, _digits(search.objectives[0]), reason=trial.state)
        objectives = [first, *(Gap() for _ in search.objectives[1:])]
    return (
        Number(trial.number, 0),
        Text(trial.row),
        *(Text(_value(trial.params[axis.field])) for axis in search.axes),
        *objectives,
        Text(trial.state),
        number(trial.epoch, 0),
        Text(trial.run_id),
    )


def _notes(search: SearchNumbers) -> tuple[str, ...]:
    said = [f"One run each, seed {search.seed}: a single seed has no spread."]
    if any(trial.state == "pruned" for trial in search.trials):
        said.append("A pruned trial shows the best it had reached when it was ended, and the epoch of that.")
    if "latency_ms" in search.objectives:
        said.append("Latency is the median of single pictures on the launching machine's CPU, whatever else ran there.")
    low = [objective for objective in search.objectives if objective in search.lower_is_better]
    if low:
        said.append(f"Low is good in: {', '.join(low)}.")
    return tuple(said)
