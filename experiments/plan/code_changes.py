"""Finished runs and today's code: which were trained by other code, and which may have been."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from distilpose.evaluation.metrics import metric_of
from distilpose.versions import ALL, source_digest
from experiments.plan.plan import Plan
from experiments.runs.atomic import DamagedError
from experiments.runs.digest import canonical
from experiments.runs.store import RunDir, Store

log = logging.getLogger(__name__)


def code_changes(plan: Plan, store: Store) -> list[str]:
    """What a user should know before finished runs are skipped or trained again, one sentence each."""
    return [*_set_aside(plan, store), *_in_doubt(plan, store), *_to_measure(plan, store)]


def _to_measure(plan: Plan, store: Store) -> Iterable[str]:
    """The finished runs that the sweep's own metric has still to measure."""
    if count := sum(1 for _ in unmeasured(store, plan.measured, plan.runs)):
        runs_are = "1 finished run is" if count == 1 else f"{count} finished runs are"
        yield f"{runs_are} not measured by this {plan.metric}: launch works it out, without training"


def unmeasured(store: Store, metric: str | Mapping[str, Any] | None, run_ids: Iterable[str]) -> Iterator[RunDir]:
    """The finished runs whose value by a plan's own metric, and by this code of it, is not known."""
    use = None if metric is None else metric_of(metric)
    there = store.names() if use is not None else set()
    for run in map(store.run, run_ids):
        try:
            if use is not None and run.run_id in there and run.state() == "finished":
                measured = run.measured.read()
                known = None if measured is None else measured["metrics"].get(use.title)
                if known is None or known["code"] != use.code:
                    yield run
        except DamagedError as error:
            log.warning("%s; passed over: remove it", error)


def _set_aside(plan: Plan, store: Store) -> Iterable[str]:
    """Runs of the sweep's earlier plan that this one wants by other code."""
    if (plan.sweep, plan.profile) not in store.plans():
        return
    earlier = store.load_plan(plan.sweep, plan.profile)
    runs = [run.run_id for row in earlier.rows for run in row.runs]
    old = [run_id for run_id in (*runs, *(teacher.run_id for teacher in earlier.teachers)) if run_id not in plan.runs]
    wanted = {_but_code(run.identity): run.identity for run in plan.runs.values()}
    changed: Counter[str] = Counter()
    for run_id in old:
        run = store.run(run_id)
        identity = run.spec()["identity"] if run.state() == "finished" else {}
        now = wanted.get(_but_code(identity))
        if now is not None:
            changed.update(_differing(identity.get("code", {}), now["code"]) or ["their teacher"])
    for piece, count in changed.items():
        runs_were = "1 finished run was" if count == 1 else f"{count} finished runs were"
        yield f"{runs_were} trained by other code of {piece}: kept under the old id, and trained again"


def _in_doubt(plan: Plan, store: Store) -> Iterable[str]:
    """Finished runs of the plan whose code had today's version and was not the same."""
    there = store.names()
    doubtful: Counter[str] = Counter()
    for run_id in plan.runs:
        run = store.run(run_id)
        if run_id in there and run.state() == "finished":
            result = run.result()
            sources = {} if result is None else result.provenance.get("code", {})
            doubtful.update(name for name, digest in sources.items() if name in ALL and digest != source_digest(name))
    for piece, count in doubtful.items():
        runs_were = "1 finished run was" if count == 1 else f"{count} finished runs were"
        yield (
            f"{runs_were} trained by other code of {piece}, of the same version {ALL[piece].version}: skipped; "
            "raise the version (distilpose/versions.py, distilpose/losses/table.py) to train again"
        )


def _but_code(identity: Mapping[str, Any]) -> str:
    """What a run is, whatever code trains it; its teacher's id holds code too."""
    return canonical({name: value for name, value in identity.items() if name not in ("code", "teacher")})


def _differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    return [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
