"""Optuna's part of a search, the one module that imports it: a study rebuilt from the trials.

Optuna suggests and judges; it stores nothing. Its own storages would be a second record beside the runs, to be kept
equal through every kill. Its grid sampler may repeat a cell, so grids are enumerated here.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from experiments.search.trials import Told
from experiments.sweep.search_space import COSTS, Params, RangeEntry, SearchEntry, grid, rounded

if TYPE_CHECKING:
    import optuna

log = logging.getLogger(__name__)

_TRIES = 20  # suggestions for each one wanted, before the space counts as exhausted


def suggest(
    entry: SearchEntry,
    objectives: Sequence[str],
    told: Iterable[Told],
    *,
    count: int,
    epochs: int,
    lower_is_better: Collection[str] = COSTS,
    sound: Callable[[Params], bool] = lambda params: True,
) -> list[Params]:
    """New values to try, fewer than `count` where the space has no more.

    Running trials count as bad until known ("constant liar"), so that suggestions made together differ.

    Args:
        entry: the search.
        objectives: what its trials are judged by.
        told: all trials so far, by number.
        count: how many are wanted.
        epochs: how long a trial trains.
        lower_is_better: the objectives that are to be low.
        sound: whether values make sense together; others are passed over.
    """
    told = list(told)
    taken = [one.trial.params for one in told]
    if entry.sampler.grid is not None:
        return [params for params in grid(entry) if params not in taken and sound(params)][:count]
    study = _study(entry, objectives, told, epochs, lower_is_better).study
    study.sampler = _sampler(entry, len(told))
    found: list[Params] = []
    for _ in range(_TRIES * count):
        if len(found) == count:
            break
        asked = study.ask(_distributions(entry)).params
        params = {field: rounded(dimension, asked[field]) for field, dimension in entry.space.items()}
        if params not in taken:
            taken.append(params)
            if sound(params):
                found.append(params)
    return found


def to_prune(
    entry: SearchEntry,
    objectives: Sequence[str],
    told: Iterable[Told],
    candidates: Collection[str],
    *,
    epochs: int,
    lower_is_better: Collection[str] = COSTS,
) -> set[str]:
    """The runs among `candidates` that the pruner would end where they stand."""
    rebuilt = _study(entry, objectives, list(told), epochs, lower_is_better)
    if rebuilt.verdicts is not None:
        return {run_id for run_id in candidates if rebuilt.verdicts.get(run_id)}
    return {run_id for run_id in candidates if run_id in rebuilt.trials and rebuilt.trials[run_id].should_prune()}


def best(
    objectives: Sequence[str], told: Iterable[Told], count: int, lower_is_better: Collection[str] = COSTS
) -> list[Told]:
    """The `count` best of the finished trials: of several objectives, of those that no other beats in all of them."""
    signs = [-1.0 if objective in lower_is_better else 1.0 for objective in objectives]
    points = [
        (tuple(sign * value for sign, value in zip(signs, one.values, strict=True)), one)
        for one in told
        if one.values is not None
    ]
    front = [
        (point, one)
        for point, one in points
        if not any(other != point and all(o >= p for o, p in zip(other, point, strict=True)) for other, _ in points)
    ]
    chosen = front if len(objectives) > 1 else points
    return [one for point, one in sorted(chosen, key=lambda pair: (pair[0][0], -pair[1].trial.number), reverse=True)][
        :count
    ]


class _Rebuilt(NamedTuple):
    """The rebuilt study, its trials by run id and, for Hyperband, each trial's latest verdict."""

    study: optuna.Study
    trials: dict[str, optuna.Trial]
    verdicts: dict[str, bool] | None


def _study(
    entry: SearchEntry, objectives: Sequence[str], told: Sequence[Told], epochs: int, lower_is_better: Collection[str]
) -> _Rebuilt:
    """The study as it stands; trials whose values lie outside the space now are left out.

    Values are reported in the order in which they were measured: successive halving compares each rung with the earlier
    ones.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        study_name="search",
        directions=["minimize" if objective in lower_is_better else "maximize" for objective in objectives],
        sampler=optuna.samplers.RandomSampler(seed=0),  # the values are given
        pruner=_pruner(entry, epochs),
    )
    trials: dict[str, optuna.Trial] = {}
    inside = [one for one in told if entry.placed(one.trial.params) is not None]
    distributions = _distributions(entry)
    for one in inside:
        study.enqueue_trial(one.trial.params)
        trials[one.trial.run_id] = study.ask(distributions)
    verdicts: dict[str, bool] = {}
    halving = entry.pruner is not None and entry.pruner.hyperband is not None
    if len(objectives) == 1:
        steps = [(*step, one.trial.run_id) for one in inside for step in one.steps if math.isfinite(step[2])]
        for _, epoch, value, run_id in sorted(steps):
            trials[run_id].report(value, epoch)
            if halving:
                verdicts[run_id] = trials[
                    run_id
                ].should_prune()  # notes the rung, and says no more of it when asked again
    states = {"pruned": optuna.trial.TrialState.PRUNED, "failed": optuna.trial.TrialState.FAIL}
    for one in inside:
        if one.values is not None:
            study.tell(trials[one.trial.run_id], list(one.values))
        elif one.state in states:
            study.tell(trials[one.trial.run_id], state=states[one.state])
    return _Rebuilt(study, trials, verdicts if halving else None)


def _distributions(entry: SearchEntry) -> dict[str, Any]:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    def one(dimension: RangeEntry | tuple[Any, ...]) -> Any:
        if isinstance(dimension, tuple):
            return CategoricalDistribution(dimension)
        if dimension.step is not None:
            return IntDistribution(int(dimension.low), int(dimension.high), step=dimension.step)
        return FloatDistribution(dimension.low, dimension.high, log=dimension.log)

    return {field: one(dimension) for field, dimension in entry.space.items()}


def _sampler(entry: SearchEntry, known: int) -> optuna.samplers.BaseSampler:
    """The sampler; its seed depends on the number of trials, so that batches differ."""
    import optuna

    if entry.sampler.random is not None:
        return optuna.samplers.RandomSampler(seed=_mixed(entry.sampler.random.seed, known))
    tpe = entry.sampler.tpe
    assert tpe is not None
    return optuna.samplers.TPESampler(
        n_startup_trials=tpe.startup, multivariate=True, constant_liar=True, seed=_mixed(tpe.seed, known)
    )


def _mixed(seed: int, known: int) -> int:
    return (seed * 1_000_003 + known) % 2**32


def _pruner(entry: SearchEntry, epochs: int) -> optuna.pruners.BasePruner:
    import optuna

    if entry.pruner is None:
        return optuna.pruners.NopPruner()
    if entry.pruner.median is not None:
        median = entry.pruner.median
        # Optuna asks whether the step is below the warm-up; ours is whether that many epochs were trained.
        return optuna.pruners.MedianPruner(n_startup_trials=median.startup, n_warmup_steps=median.warmup)
    hyperband = entry.pruner.hyperband
    assert hyperband is not None
    return optuna.pruners.HyperbandPruner(
        min_resource=hyperband.warmup, max_resource=epochs, reduction_factor=hyperband.factor
    )
