"""A search in numbers: its trials, how the best grew, which fields mattered, and the front of several objectives."""

import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Literal, NamedTuple

import numpy as np

from experiments.runs.saved_plan import SavedTrial
from reports.numbers.sweep import SweepNumbers
from reports.read.reader import RunReader, State, metric_scale
from reports.statistics.resampling import Interval

Direction = Literal["minimize", "maximize"]
LEAST_FOR_IMPORTANCE = 10
_TOP = 5  # trials of the best share, below which PED-ANOVA's densities rest on next to nothing
_RESAMPLES = 100


class Axis(NamedTuple):
    """One searched field: its dotted name, a short one for people, and its range or its choices."""

    field: str
    label: str
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    choices: tuple[Any, ...] = ()

    def place(self, value: Any) -> float:
        """Where a value stands on the axis, from 0 (lowest or first) to 1."""
        if self.choices:
            return self.choices.index(value) / (len(self.choices) - 1)
        scale = math.log if self.log else float
        return (scale(value) - scale(self.low)) / (scale(self.high) - scale(self.low))

    def holds(self, value: Any) -> bool:
        """Whether the value lies in the space."""
        return value in self.choices if self.choices else self.low <= value <= self.high


class TrialNumbers(NamedTuple):
    """One trial. `values` are its objectives once it has finished, in shown units; `reached` the best of the first
    objective so far, and `epoch` how far it has come.
    """

    number: int
    row: str
    run_id: str
    state: State
    params: Mapping[str, Any]
    values: tuple[float, ...] | None
    reached: float | None
    epoch: float | None
    batch: int


class Importance(NamedTuple):
    """How much a field tells good trials from the others, of a total of 1; `interval` over resampled trials."""

    label: str
    share: float
    interval: Interval


class SearchNumbers(NamedTuple):
    """A search as far as it has come.

    `low` are the metrics and costs of which low values are good. `own` are the rows of the sweep file, `again` the row
    that confirms a row by name. `front` are the numbers of the trials that no other beats in every objective; of one
    objective, that of the best. `epochs` is the length of a whole trial.
    """

    objectives: tuple[str, ...]
    low: frozenset[str]
    budget: int
    sampler: str
    pruner: str
    axes: tuple[Axis, ...]
    trials: tuple[TrialNumbers, ...]
    own: tuple[str, ...]
    again: Mapping[str, str]
    front: tuple[int, ...]
    importances: tuple[Importance, ...]
    epochs: float | None
    seed: int

    @property
    def sign(self) -> int:
        """1 where more of the first objective is better, -1 where less is."""
        return -1 if self.objectives[0] in self.low else 1

    @property
    def own_trials(self) -> tuple[str, ...]:
        """The rows of the sweep file that are trials: they lie in the space."""
        rows = {trial.row for trial in self.trials}
        return tuple(name for name in self.own if name in rows)

    @property
    def finished(self) -> tuple[TrialNumbers, ...]:
        """The trials with a value, the best of the first objective first."""
        known = [trial for trial in self.trials if trial.values is not None]
        return tuple(sorted(known, key=lambda trial: -self.sign * (trial.values or (0.0,))[0]))

    @property
    def epochs_saved(self) -> float | None:
        """The share of the epochs of all settled trials that pruning saved."""
        settled = [trial for trial in self.trials if trial.state in ("finished", "pruned")]
        if not settled or not self.epochs:
            return None
        return 1 - sum(trial.epoch or 0 for trial in settled) / (self.epochs * len(settled))


def search_numbers(numbers: SweepNumbers) -> SearchNumbers | None:
    """The numbers of a plan's search; None for a sweep that is none."""
    search, reader = numbers.plan.search, numbers.reader
    if search is None:
        return None
    objectives, entry, seed = tuple(search["objectives"]), search["entry"], search["seed"]
    low = frozenset(search["lower_is_better"])
    trials = tuple(_trial(trial, objectives, low, seed, reader) for trial in search["trials"])
    axes = _axes(entry["space"])
    lengths = (reader.read(trial.run_id, trial.row, seed, "student").epochs for trial in trials)
    return SearchNumbers(
        objectives=objectives,
        low=low,
        budget=search["budget"],
        sampler=_kind(entry["sampler"]),
        pruner=_kind(entry["pruner"] or {}),
        axes=axes,
        trials=trials,
        own=tuple(search["own"]),
        again={one["row"]: one["again"] for one in search["confirmed"]},
        front=front(trials, objectives, low),
        importances=importances(trials, objectives, low, axes),
        epochs=next(filter(None, lengths), None),
        seed=seed,
    )


def _kind(entry: Mapping[str, Any]) -> str:
    """Which of several kinds an entry chose."""
    return next((kind for kind, value in entry.items() if value is not None), "")


def _axes(space: Mapping[str, Any]) -> tuple[Axis, ...]:
    ends = [name.rpartition(".")[2] for name in space]
    axes = []
    for (name, dimension), end in zip(space.items(), ends, strict=True):
        label = end if ends.count(end) == 1 else name
        if isinstance(dimension, list):
            axes.append(Axis(name, label, choices=tuple(dimension)))
        else:
            axes.append(Axis(name, label, dimension["low"], dimension["high"], dimension["log"]))
    return tuple(axes)


def _trial(
    trial: SavedTrial, objectives: Sequence[str], low: AbstractSet[str], seed: int, reader: RunReader
) -> TrialNumbers:
    run = reader.read(trial["run_id"], trial["row"], seed, "student")
    curve = reader.details(run).curves.get(f"val/{objectives[0]}", {})
    known = {**run.metrics, **trial["costs"]}
    values = tuple(float(known[objective]) for objective in objectives) if run.finished else None
    best = min if objectives[0] in low else max
    scale = metric_scale(objectives[0])
    return TrialNumbers(
        number=trial["number"],
        row=trial["row"],
        run_id=trial["run_id"],
        state=run.state,
        params=trial["params"],
        values=values,
        reached=values[0] if values else best((value * scale for value in curve.values()), default=None),
        epoch=run.epochs if values else max(curve, default=None),
        batch=trial["batch"],
    )


def front(trials: Sequence[TrialNumbers], objectives: Sequence[str], low: AbstractSet[str]) -> tuple[int, ...]:
    """The finished trials that no other is better than in one objective and as good as in the rest."""
    signs = [-1 if objective in low else 1 for objective in objectives]
    known = {
        trial.number: tuple(sign * value for sign, value in zip(signs, trial.values, strict=True))
        for trial in trials
        if trial.values is not None
    }

    def beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
        return one != other and all(a >= b for a, b in zip(one, other, strict=True))

    found = [number for number, values in known.items() if not any(beats(other, values) for other in known.values())]
    return tuple(found[:1] if len(objectives) == 1 else found)


def importances(
    trials: Sequence[TrialNumbers], objectives: Sequence[str], low: AbstractSet[str], axes: Sequence[Axis]
) -> tuple[Importance, ...]:
    """PED-ANOVA's importances of the fields over the finished trials, the greatest first; none for too few of them.

    It compares where the best trials lie with where all lie, the best being a tenth of them or five, whichever is more.
    The interval holds 90 % of the same over resampled trials.
    """
    known = [trial for trial in trials if trial.values is not None]
    if len(known) < LEAST_FOR_IMPORTANCE:
        return ()
    directions: list[Direction] = ["minimize" if name in low else "maximize" for name in objectives]
    shares = _shares(known, directions, axes)
    draw = np.random.default_rng(0)
    again = [
        _shares([known[index] for index in draw.integers(0, len(known), len(known))], directions, axes)
        for _ in range(_RESAMPLES)
    ]
    found = []
    for axis in axes:
        ends = np.quantile([one[axis.field] for one in again], [0.05, 0.95]).tolist()
        found.append(Importance(axis.label, shares[axis.field], Interval(low=ends[0], high=ends[1])))
    return tuple(sorted(found, key=lambda one: -one.share))


def _shares(trials: Sequence[TrialNumbers], directions: Sequence[Direction], axes: Sequence[Axis]) -> dict[str, float]:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(directions=directions)
    distributions: dict[str, Any] = {
        axis.field: optuna.distributions.CategoricalDistribution(axis.choices)
        if axis.choices
        else optuna.distributions.FloatDistribution(axis.low, axis.high, log=axis.log)
        for axis in axes
    }
    inside = [trial for trial in trials if all(axis.holds(trial.params[axis.field]) for axis in axes)]
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
