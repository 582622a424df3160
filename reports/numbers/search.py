"""A search in numbers: its trials, how the best grew, which fields mattered, and the front of several objectives."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reports.numbers.records import Interval, State
from reports.read.reader import RunReader, metric_scale

COSTS = ("parameters", "gflops", "latency_ms")
LEAST_FOR_IMPORTANCE = 10
_TOP = 5  # trials of the best share, below which PED-ANOVA's densities rest on next to nothing
_RESAMPLES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One searched field: its dotted name, a short one for people, and its range or its choices."""

    field: str
    label: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    choices: tuple[Any, ...] = ()

    def place(self, value: Any) -> float:
        """Where a value stands on the axis, from 0 (lowest or first) to 1."""
        if self.choices:
            return self.choices.index(value) / (len(self.choices) - 1)
        assert self.low is not None
        assert self.high is not None
        scale = math.log if self.log else float
        return (scale(value) - scale(self.low)) / (scale(self.high) - scale(self.low))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialNumbers:
    """One trial. `values` are its objectives once it has finished, in shown units; `reached` the best of the first
    objective so far, and `epoch` how far it has come.
    """

    number: int
    row: str
    run_id: str
    state: State
    reason: str
    params: Mapping[str, Any]
    values: tuple[float, ...] | None
    reached: float | None
    epoch: float | None
    batch: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Importance:
    """How much a field tells good trials from the others, of a total of 1; `interval` over resampled trials."""

    label: str
    share: float
    interval: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchNumbers:
    """A search as far as it has come.

    `own` are the rows of the sweep file, `again` the row that confirms a row by name. `front` are the numbers of the
    trials that no other beats in every objective; of one objective, that of the best. `epochs` is what a whole trial
    trains.
    """

    objectives: tuple[str, ...]
    budget: int
    sampler: str
    pruner: str | None
    axes: tuple[Axis, ...]
    trials: tuple[TrialNumbers, ...]
    own: tuple[str, ...]
    again: Mapping[str, str]
    front: tuple[int, ...]
    importances: tuple[Importance, ...]
    epochs: float | None
    seed: int
    lower_is_better: tuple[str, ...] = COSTS
    """Objectives that are to be low."""

    @property
    def own_trials(self) -> tuple[str, ...]:
        """The rows of the sweep file that are trials: they lie in the space."""
        rows = {trial.row for trial in self.trials}
        return tuple(name for name in self.own if name in rows)

    @property
    def finished(self) -> tuple[TrialNumbers, ...]:
        """The trials with a value, the best of the first objective first."""
        known = [trial for trial in self.trials if trial.values is not None]
        sign = 1 if self.objectives[0] in self.lower_is_better else -1
        return tuple(sorted(known, key=lambda trial: sign * (trial.values or (0.0,))[0]))

    @property
    def epochs_saved(self) -> float | None:
        """The share of the epochs of all settled trials that pruning saved."""
        settled = [trial for trial in self.trials if trial.state in ("finished", "pruned")]
        if not settled or not self.epochs:
            return None
        return 1 - sum(trial.epoch or 0 for trial in settled) / (self.epochs * len(settled))


def table_rows(plan: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The rows of a plan that its tables show: of a search the file's own and those that confirm."""
    if "search" not in plan:
        return list(plan["rows"])
    trials = {trial["row"] for trial in plan["search"]["trials"]} - set(plan["search"]["own"])
    return [row for row in plan["rows"] if row["name"] not in trials]


def search_numbers(plan: Mapping[str, Any], reader: RunReader) -> SearchNumbers | None:
    """The numbers of a plan's search; None for a sweep that is none."""
    search = plan.get("search")
    if search is None:
        return None
    objectives = tuple(search["objectives"])
    entry = search["entry"]
    lower = tuple(search.get("lower_is_better", COSTS))
    trials = tuple(_trial(trial, objectives, search["seed"], reader, lower) for trial in search["trials"])
    axes = _axes(entry["space"])
    lengths = [
        run.numbers.epochs
        for trial in trials
        if (run := reader.read(trial.run_id, trial.row, search["seed"], "student")).numbers.epochs
    ]
    return SearchNumbers(
        objectives=objectives,
        budget=search["budget"],
        sampler=_kind(entry["sampler"]) or "",
        pruner=_kind(entry["pruner"]),
        axes=axes,
        trials=trials,
        own=tuple(search["own"]),
        again={one["row"]: one["again"] for one in search["confirmed"]},
        front=front(trials, objectives, lower),
        importances=importances(trials, objectives, axes, lower),
        lower_is_better=lower,
        epochs=lengths[0] if lengths else None,
        seed=search["seed"],
    )


def _kind(entry: Mapping[str, Any] | None) -> str | None:
    """Which of several kinds an entry chose."""
    return next((kind for kind, value in (entry or {}).items() if value is not None), None)


def _axes(space: Mapping[str, Any]) -> tuple[Axis, ...]:
    ends = [name.rpartition(".")[2] for name in space]
    axes = []
    for name, end in zip(space, ends, strict=True):
        label = end if ends.count(end) == 1 else name
        dimension = space[name]
        if isinstance(dimension, list):
            axes.append(Axis(field=name, label=label, choices=tuple(dimension)))
        else:
            bounds = {key: dimension[key] for key in ("low", "high", "log")}
            axes.append(Axis(field=name, label=label, **bounds))
    return tuple(axes)


def _trial(
    trial: Mapping[str, Any], objectives: Sequence[str], seed: int, reader: RunReader, lower: Sequence[str]
) -> TrialNumbers:
    read = reader.read(trial["run_id"], trial["row"], seed, "student")
    run = read.numbers
    curve = reader.details(read).curves.get(f"val/{objectives[0]}", {})
    values = None
    if run.state == "finished":
        known = {**run.metrics, **trial["costs"]}
        values = tuple(float(known[objective]) for objective in objectives)
    scale = metric_scale(objectives[0])
    return TrialNumbers(
        number=trial["number"],
        row=trial["row"],
        run_id=trial["run_id"],
        state=run.state,
        reason=run.reason,
        params=trial["params"],
        values=values,
        reached=values[0] if values else _best([value * scale for value in curve.values()], objectives[0] in lower),
        epoch=run.epochs if values else max(curve, default=None),
        batch=trial["batch"],
    )


def _best(values: Sequence[float], is_lowest: bool) -> float | None:
    return (min if is_lowest else max)(values, default=None)


def better(objective: str, first: float, second: float, lower: Sequence[str] = COSTS) -> bool:
    """Whether the first value of an objective is better than the second."""
    return first < second if objective in lower else first > second


def front(trials: Sequence[TrialNumbers], objectives: Sequence[str], lower: Sequence[str] = COSTS) -> tuple[int, ...]:
    """The finished trials that no other is better than in one objective and as good as in the rest."""
    known = [(trial.number, trial.values) for trial in trials if trial.values is not None]

    def beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
        pairs = list(zip(objectives, one, other, strict=True))
        worse = any(better(objective, b, a, lower) for objective, a, b in pairs)
        return any(better(*pair, lower) for pair in pairs) and not worse

    found = [number for number, values in known if not any(beats(other, values) for _, other in known)]
    return tuple(found[:1] if len(objectives) == 1 else found)


def importances(
    trials: Sequence[TrialNumbers], objectives: Sequence[str], axes: Sequence[Axis], lower: Sequence[str] = COSTS
) -> tuple[Importance, ...]:
    """PED-ANOVA's importances of the fields over the finished trials, the greatest first; none for too few of them.

    It compares where the best trials lie with where all lie, the best being a tenth of them or five, whichever is more.
    The interval holds 90 % of the same over resampled trials.
    """
    known = [trial for trial in trials if trial.values is not None]
    if len(known) < LEAST_FOR_IMPORTANCE:
        return ()
    shares = _shares(known, objectives, axes, lower)
    draw = np.random.default_rng(0)
    again = [
        _shares([known[index] for index in draw.integers(0, len(known), len(known))], objectives, axes, lower)
        for _ in range(_RESAMPLES)
    ]
    found = []
    for axis in axes:
        low, high = np.quantile([one[axis.field] for one in again], [0.05, 0.95])
        found.append(
            Importance(label=axis.label, share=shares[axis.field], interval=Interval(low=float(low), high=float(high)))
        )
    return tuple(sorted(found, key=lambda one: -one.share))


def _shares(
    trials: Sequence[TrialNumbers], objectives: Sequence[str], axes: Sequence[Axis], lower: Sequence[str]
) -> dict[str, float]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(directions=["minimize" if name in lower else "maximize" for name in objectives])
    distributions: dict[str, Any] = {
        axis.field: optuna.distributions.CategoricalDistribution(axis.choices)
        if axis.choices
        else optuna.distributions.FloatDistribution(axis.low or 0.0, axis.high or 0.0, log=axis.log)
        for axis in axes
    }
    inside = [trial for trial in trials if _is_inside(trial.params, axes)]
    study.add_trials(
        [
            optuna.trial.create_trial(
                params={axis.field: trial.params[axis.field] for axis in axes},
                distributions=distributions,
                values=list(trial.values or ()),
            )
            for trial in inside
        ]
    )
    share = min(0.5, max(0.1, _TOP / max(1, len(inside))))
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=share)
    return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))


def _is_inside(params: Mapping[str, Any], axes: Sequence[Axis]) -> bool:
    return all(
        params[axis.field] in axis.choices
        if axis.choices
        else (axis.low or 0.0) <= params[axis.field] <= (axis.high or 0.0)
        for axis in axes
    )
