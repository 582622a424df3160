"""A sweep of real trainings, as small as can be."""

from pathlib import Path
from typing import Any

from experiments.build.data import data_facts, data_root, prepare
from experiments.launch.inline import InlineLauncher
from experiments.launch.protocol import Launcher
from experiments.launch.records import LaunchSettings, Outcome
from experiments.launch.scheduler import launch_plan
from experiments.plan.plan import Plan, make_plan
from experiments.runs.store import Store
from experiments.sweep.sweep_file import read_sweep


def planned(folder: Path, text: str = "") -> Plan:
    """The plan of the folder's sweep, written there first where its text is given; its people are drawn."""
    file, runs = folder / "mini.yaml", folder / "runs"
    if text:
        file.write_text(text)
    sweep = read_sweep(file, source="mini.yaml").profile()
    for row in sweep.rows:
        assert prepare(row.recipe.data, root=None, runs=runs) == ()
    return make_plan(sweep, lambda data, boxes: data_facts(data, boxes, root=None, runs=runs))


def launched(plan: Plan, runs: Path, launcher: Launcher | None = None, **changes: Any) -> Outcome:
    """What comes of a launch, in this process where no other launcher is given."""
    values: dict[str, Any] = {"backoff_seconds": 0.0, "poll_seconds": 0.02, **changes}
    settings = LaunchSettings(data_root=lambda data: data_root(data, root=None, runs=runs), **values)
    return launch_plan(plan, Store(runs), launcher or InlineLauncher(), settings)
