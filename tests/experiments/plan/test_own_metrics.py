"""A user's own metric in a sweep: a file beside it, and no line of ours touched."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_sweeps import MINI

from experiments.runs.store import Store

Said = tuple[int, str, str]

METRICS = '''
import numpy as np


def epe(keypoints, true_keypoints, visible, skeleton, power: float = 1.0):
    """Return the mean distance in pixels."""
    distances = np.linalg.norm(keypoints - true_keypoints, axis=-1) ** power
    heads = [name in ("nose", "left_eye", "right_eye") for name in skeleton.names]
    return {"all": distances[visible > 0].mean(), "head": distances[:, heads][visible[:, heads] > 0].mean()}


epe.higher_is_better = False
'''
HEAD = MINI.partition("rows:")[0].replace("baseline: none", 'metric: "my_metrics.py:epe"\nbaseline: none')
ROWS = "rows:\n  - {row: none, set: {losses: {KT: 0, VT: 0, SH: 0, CS: 0}}}\n  - {row: all}\n"


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    file = tmp_path / "mine.yaml"
    file.write_text(HEAD + ROWS)
    (tmp_path / "my_metrics.py").write_text(METRICS)
    return file


def planned(distilpose: Callable[..., Said], sweep: Path) -> dict[str, Any]:
    code, out, error = distilpose("plan", sweep, "--runs", sweep.parent / "runs", "--json")
    assert code == 0, error
    found: dict[str, Any] = json.loads(out)
    return found


def ids(plan: dict[str, Any]) -> list[str]:
    return [row["runs"][0]["run_id"] for row in plan["rows"]]


def test_a_metric_that_only_measures_is_in_no_id_and_finished_runs_are_measured_again_not_trained(
    sweep: Path, distilpose: Callable[..., Said]
) -> None:
    runs, mine = sweep.parent / "runs", sweep.parent / "my_metrics.py"
    plain = sweep.parent / "plain.yaml"
    plain.write_text(sweep.read_text().replace('metric: "my_metrics.py:epe"\n', ""))
    wanted = ids(planned(distilpose, sweep))
    assert ids(planned(distilpose, plain)) == wanted
    code, out, error = distilpose("launch", sweep, "--runs", runs, "--track", "none", "--on", "here")
    assert code == 0, error + out
    store = Store(runs)
    results = [store.run(run_id).result() for run_id in wanted]
    before = [result.metrics["epe"] for result in results if result is not None]
    assert all(result is not None and "epe.all" not in result.metrics for result in results)
    assert all(result is not None and result.metrics["epe.head"] > 0 for result in results)
    assert '"val/epe"' in (runs / wanted[0] / "journal.jsonl").read_text()
    report = distilpose("report", sweep, "--runs", runs)
    assert report[0] == 0, report
    table = (runs / "reports" / "mini.default" / "report.md").read_text()
    assert f"{min(before):.2f}" in table
    best = ("none", "all")[before.index(min(before))]
    assert f"No row has a lower value than “{best}”" in table or f"“{best}” has the lowest value" in table

    mine.write_text(METRICS.replace("** power", "** power * 2"))
    assert ids(planned(distilpose, sweep)) == wanted
    code, out, error = distilpose("plan", sweep, "--runs", runs)
    assert "3 finished runs are not measured by this epe: launch works it out, without training" in out + error
    code, out, error = distilpose("launch", sweep, "--runs", runs, "--track", "none", "--on", "here")
    assert code == 0, error + out
    assert "3 finished runs were measured by epe; none was trained for it" in out + error
    after = [result.metrics["epe"] for run_id in wanted if (result := Store(runs).run(run_id).result()) is not None]
    assert after == pytest.approx([2 * value for value in before], rel=1e-9)
    code, out, error = distilpose("launch", sweep, "--runs", runs, "--track", "none", "--on", "here")
    assert "were measured" not in out + error


def test_a_metric_that_chooses_the_best_weights_is_in_the_id_with_its_code_and_the_lowest_is_best(
    sweep: Path, distilpose: Callable[..., Said]
) -> None:
    runs, mine = sweep.parent / "runs", sweep.parent / "my_metrics.py"
    before = ids(planned(distilpose, sweep))
    text = sweep.read_text().replace("evaluation: {}", 'evaluation: {best_by: {name: "my_metrics.py:epe", power: 2}}')
    sweep.write_text(text.replace("epochs: 2", "epochs: 3"))
    plan = planned(distilpose, sweep)
    assert not set(ids(plan)) & set(before)
    mine.write_text(METRICS.replace("mean distance", "average distance"))
    assert ids(planned(distilpose, sweep)) == ids(plan)
    mine.write_text(METRICS.replace("** power", "** power * 2"))
    assert not set(ids(planned(distilpose, sweep))) & set(ids(plan))
    mine.write_text(METRICS)
    code, out, error = distilpose("launch", sweep, "--runs", runs, "--track", "none", "--on", "here")
    assert code == 0, error + out
    for run_id in ids(plan):
        run = Store(runs).run(run_id)
        result = run.result()
        curve = {row.epoch: row.values["val/epe(power=2.0)"] for row in run.metrics() if "val/AP" in row.values}
        assert result is not None
        assert result.metrics["epe(power=2.0)"] == min(curve.values()) == curve[result.best_epoch]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "my_metrics.py:epe",
            "my_metrics.py:ep",
            "mine.yaml:3:9: metric: my_metrics.py: must define 'ep', did you mean",
        ),
        ("my_metrics.py:epe", "PCK@0.3", "mine.yaml:3:9: metric: no such metric, did you mean PCK@0.2?"),
        (
            '"my_metrics.py:epe"',
            "{name: PCK, threshold: x}",
            "3:32: metric.threshold: must be a number, got 'x' (pck.py:",
        ),
        (
            '"my_metrics.py:epe"',
            "{name: PCK@0.2, threshold: 0.3}",
            "3:36: metric.threshold: is part of the name 'PCK@0.2'",
        ),
        ("evaluation: {}", "evaluation: {best_by: APX}", "evaluation.best_by: no such metric, did you mean AP?"),
        (
            "evaluation: {}",
            "evaluation: {best_by: PCK, boxes: a.json}",
            "best_by: needs the annotated boxes, got PCK and",
        ),
    ],
)
def test_what_is_wrong_with_it_is_told_with_line_and_column(
    sweep: Path, distilpose: Callable[..., Said], old: str, new: str, message: str
) -> None:
    sweep.write_text(sweep.read_text().replace(old, new))
    code, out, error = distilpose("plan", sweep, "--runs", sweep.parent / "runs")
    assert (code, message in out + error) == (2, True), out + error


def test_a_metric_says_which_is_better(sweep: Path, distilpose: Callable[..., Said]) -> None:
    (sweep.parent / "my_metrics.py").write_text(METRICS.partition("epe.higher")[0])
    code, out, error = distilpose("plan", sweep, "--runs", sweep.parent / "runs")
    assert code == 2
    assert "my_metrics.py:5: epe: say which is better: `epe.higher_is_better = True`, or False" in out + error


def test_a_search_for_a_metric_of_which_less_is_better_looks_for_little(
    sweep: Path, distilpose: Callable[..., Said]
) -> None:
    sweep.write_text(
        HEAD.replace("baseline: none\n", "")
        + "rows:\n  - {row: all}\nsearch:\n  space: {schedule.lr: [1e-7, 1e-2]}\n  sampler: {tpe: null, grid: {}}\n"
    )
    runs = sweep.parent / "runs"
    code, out, error = distilpose("launch", sweep, "--runs", runs, "--track", "none", "--on", "here")
    assert code == 0, error + out
    saved = json.loads((runs / "sweeps" / "mini.default.json").read_text())
    assert saved["lower_is_better"] == ["EPE", "epe"]
    assert "epe" in saved["search"]["lower_is_better"]
    values = {}
    for trial in saved["search"]["trials"]:
        result = Store(runs).run(trial["run_id"]).result()
        assert result is not None
        values[trial["row"]] = result.metrics["epe"]
    report = distilpose("report", sweep, "--runs", runs)
    assert report[0] == 0, report
    table = (runs / "reports" / "mini.default" / "report.md").read_text()
    assert f"Best at seed 0: “{min(values, key=values.__getitem__)}”" in table
