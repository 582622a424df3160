"""A sweep whose runs are chains of digests, and what must hold of it whatever happened."""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "experiments"))

from small_sweeps import MINI, SMALL, small_plan  # noqa: E402 (beside the engine's tests)

from experiments.launch.records import LaunchSettings  # noqa: E402
from experiments.plan.plan import Plan  # noqa: E402
from experiments.runs.store import Store  # noqa: E402

__all__ = ["MINI"]  # for the sweep of real trainings
COMMAND = (sys.executable, str(HERE / "chain_job.py"))
SWEEP = SMALL.replace("seeds: [0, 1]", "seeds: [0, 1, 2, 3]")


def chain_plan(folder: Path) -> Plan:
    """One teacher, and four cohorts of two students."""
    return small_plan(folder, SWEEP)


def settings(**changes: Any) -> LaunchSettings:
    """How chains are launched: a kill counts as a failure, and here there are many."""
    values: dict[str, Any] = {"retries": 10**6, "backoff_seconds": 0.0, "poll_seconds": 0.02, **changes}
    return LaunchSettings(data_root=lambda data: Path("nowhere"), **values)


def story(store: Store, plan: Plan) -> dict[str, Any]:
    """All that a sweep came to: its table, and every run's result and measurements."""
    from reports.numbers.sweep import aggregate  # not needed by the launchers, which should start quickly
    from reports.sections.results import results_table

    runs = {run_id: store.run(run_id) for run_id in plan.runs}
    return {
        "table": results_table(aggregate(store, plan.saved())).rows,
        "results": {run_id: result and result.metrics for run_id, run in runs.items() for result in [run.result()]},
        "rows": {run_id: [(row.step, row.epoch, row.values) for row in run.metrics()] for run_id, run in runs.items()},
    }


def faults(store: Store, plan: Plan, undisturbed: dict[str, Any]) -> dict[str, int]:
    """How many runs were lost, duplicated, done again though finished, or read or written by half; all must be 0."""
    lines = (store.root / "ledger").read_text().splitlines()
    ends = Counter(line.split()[1] for line in lines if line.startswith("end "))
    again, ended = 0, set()
    for line in lines:
        what, run_id = line.split()
        again += what == "begin" and run_id in ended
        ended |= {run_id} if what == "end" else set()
    mine = story(store, plan)
    return {
        "lost": sum(not store.run(run_id).finished for run_id in plan.runs),
        "duplicated": sum(count - 1 for count in ends.values()),
        "done again": again,
        "half": sum(not _whole(path) for path in store.root.rglob("*.json") if not path.name.startswith(".")),
        "other numbers": sum(mine["results"][run_id] != value for run_id, value in undisturbed["results"].items()),
        "other journals": sum(mine["rows"][run_id] != rows for run_id, rows in undisturbed["rows"].items()),
        "other tables": int(mine["table"] != undisturbed["table"]),
    }


def _whole(path: Path) -> bool:
    try:
        json.loads(path.read_text())
    except ValueError:
        return False
    return True
