"""A whole search with real training, on a handful of synthetic people."""

from pathlib import Path

from small_sweeps import MINI, MINI_SEARCH

from experiments.build.data import data_facts, data_root, prepare
from experiments.launch.inline import InlineLauncher
from experiments.launch.records import LaunchSettings
from experiments.launch.scheduler import launch_plan
from experiments.runs.store import Store
from experiments.search.costs import student_costs
from experiments.search.searcher import Searcher
from experiments.sweep.sweep_file import read_sweep


def test_a_search_trains_its_trials_in_cohorts_and_ends_those_below_the_median(tmp_path: Path) -> None:
    file, runs = tmp_path / "mini.yaml", tmp_path / "runs"
    file.write_text(MINI_SEARCH)
    sweep = read_sweep(file, source="mini.yaml").profile()
    assert prepare(sweep.rows[0].recipe.data, root=None, runs=runs) == ()
    store = Store(runs)
    searcher = Searcher(sweep, store, lambda data, boxes: data_facts(data, boxes, root=None, runs=runs), student_costs)
    settings = LaunchSettings(data_root=lambda data: data_root(data, root=None, runs=runs), poll_seconds=0.01)
    outcome = launch_plan(searcher.begin(), store, InlineLauncher(), settings, grow=searcher.grow)
    assert outcome.complete
    assert len(outcome.finished) + len(outcome.pruned) == 4
    assert store.run(searcher.plan().rows[0].runs[0].run_id).finished
    for run_id in outcome.pruned:
        run = store.run(run_id)
        why, last = run.pruning, run.last_event()
        assert why is not None
        assert last is not None
        assert (last["event"], last["reason"]) == ("stop", "pruned")
        assert why["by"] == "mini.default"
        assert why["epoch"] == 1
        assert "PCK@0.2" in why["metrics"]
        assert run.progress() is not None


def test_a_students_costs_grow_with_its_size(tmp_path: Path) -> None:
    file = tmp_path / "mini.yaml"
    file.write_text(MINI)
    recipe = read_sweep(file).profile().rows[1].recipe
    wanted = ("parameters", "gflops", "latency_ms")
    small = student_costs(recipe.student_run(0), wanted)
    assert tuple(small) == wanted
    file.write_text(MINI.replace("depth: 1", "depth: 6"))
    large = student_costs(read_sweep(file).profile().rows[1].recipe.student_run(0), wanted[:2])
    assert all(large[name] > small[name] > 0 for name in wanted[:2])
    assert small["latency_ms"] > 0
    assert student_costs(recipe.student_run(0), ()) == {}
