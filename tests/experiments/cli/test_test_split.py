"""A test split: measured once, at a run's end, by the weights chosen on val; the report's headline is of it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command_line import Said
from small_sweeps import MINI, SMALL

from distilpose.synthetic.dataset import SyntheticSpec, write_synthetic
from experiments.runs.store import Store
from experiments.sweep.sweep_file import read_sweep
from experiments.sweep.yaml_nodes import SpecError
from reports.numbers.evidence import row_evidence
from reports.numbers.sweep import aggregate

DATA = "data: {synthetic: {train: 16, val: 6, seed: 0}}"


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Three splits; `held` has the people of other pictures than `val`."""
    ours = write_synthetic(SyntheticSpec(train=16, val=6, seed=0), tmp_path / "people")
    other = write_synthetic(SyntheticSpec(train=1, val=5, seed=1), tmp_path / "other")
    shutil.copy(other / "annotations" / "val.json", ours / "annotations" / "held.json")
    shutil.copytree(other / "images" / "val", ours / "images" / "held")
    return ours


def test_runs_are_measured_on_the_test_split_and_the_report_leads_with_it(
    distilpose: Callable[..., Said], people: Path, tmp_path: Path
) -> None:
    sweep, runs = tmp_path / "mini.yaml", tmp_path / "runs"
    without = MINI.replace(DATA, f"data: {{root: {people}}}")
    without = without.replace("baseline: none", "metric: PCK@0.2\nbaseline: none")
    sweep.write_text(without)
    assert distilpose("launch", sweep, "--runs", runs, "--track", "none", "--on", "here")[0] == 0
    store = Store(runs)
    before = store.load_plan("mini", "default")
    assert aggregate(store, before).metric == "PCK@0.2"

    # named later: the runs that are there are measured and not trained, those of another seed by their own process
    sweep.write_text(without.replace(f"root: {people}", f"root: {people}, test: held") + "seeds: [0, 1]\n")
    code, _, err = distilpose("launch", sweep, "--runs", runs, "--track", "none", "--on", "here")
    assert code == 0
    assert "5 people, by 17 of 17 joints" in err
    assert "3 runs finished earlier are now measured on test too" in err
    plan = store.load_plan("mini", "default")
    assert before.run_names.keys() < plan.run_names.keys()

    numbers = aggregate(store, plan)
    assert numbers.metric == "PCK@0.2 on test"
    for row in numbers.rows:
        for run in row.runs:
            held = store.run(run.run_id).elsewhere.read()["sets"]["test"]
            assert held["people"] == 5
            assert numbers.measured[row.name].values[run.seed] == pytest.approx(100 * held["metrics"]["PCK@0.2"])
            found = numbers.reader.per_picture(run, "test")
            assert found.metric("PCK@0.2", np.ones((1, 5), np.int32)) == pytest.approx([held["metrics"]["PCK@0.2"]])
        assert set(row_evidence(numbers)[row.name].drawn) == {0, 1}
    assert "PCK@0.2" in numbers.other_metrics

    code, _, _ = distilpose("report", sweep, "--runs", runs, "--out", tmp_path / "report")
    assert code == 0
    said = (tmp_path / "report" / "report.md").read_text()
    assert "PCK@0.2 on test: measured once, on 5 people, at each run's end" in said
    assert "over PCK@0.2 on test. What rows share of this" in said
    page = (tmp_path / "report" / "report.html").read_text()
    assert "on test people" in page
    assert "on test content" in page


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (MINI.replace("seed: 0}}", "seed: 0}, test: held}"), "base.data.test: synthetic people have the splits train"),
        (SMALL.replace("data/people}", "data/people, test: val}"), "base.data.test: must be another split than train"),
        (
            SMALL.replace("data/people}", "data/people, test: held}") + "evaluate_on: {test: {root: data/b}}\n",
            "evaluate_on.test: is the name of the split that data.test gives",
        ),
    ],
)
def test_a_test_split_that_is_none_is_refused(tmp_path: Path, text: str, rule: str) -> None:
    (tmp_path / "sweep.yaml").write_text(text)
    with pytest.raises(SpecError) as error:
        read_sweep(tmp_path / "sweep.yaml")
    assert rule.removeprefix("base.") in str(error.value)
