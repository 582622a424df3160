"""Finished runs and today's code: nothing is skipped or trained again without a word."""

from dataclasses import replace
from pathlib import Path

import pytest
from small_sweeps import small_plan

from distilpose.versions import ALL, source_digest
from experiments.plan.code_changes import code_changes
from experiments.plan.plan import Plan
from experiments.runs.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A small sweep, all of it finished by today's code."""
    store, plan = Store(tmp_path / "runs"), small_plan(tmp_path)
    store.save_plan(plan.saved())
    for run_id, run in plan.runs.items():
        store.run(run_id).write_spec(run.spec)
        code = {name: source_digest(name) for name in run.identity["code"]}
        store.run(run_id).write_result({"metrics": {"AP": 0.1}, "provenance": {"code": code}})
    return store


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return small_plan(tmp_path)


def test_nothing_is_said_where_nothing_changed(plan: Plan, store: Store) -> None:
    assert code_changes(plan, store) == []


def test_runs_of_an_earlier_version_are_counted_and_trained_again(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ALL, "loss KT", replace(ALL["loss KT"], version=ALL["loss KT"].version + 1))
    changed = small_plan(tmp_path)
    assert code_changes(changed, store) == [
        "2 finished runs were trained by other code of loss KT: kept under the old id, and trained again"
    ]
    assert sum(store.run(run_id).state() == "finished" for run_id in changed.runs) == 3  # the teacher, and `none` twice


def test_students_of_a_teacher_whose_code_changed_are_counted_with_it(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ALL, "loss heatmap", replace(ALL["loss heatmap"], version=99))
    said = code_changes(small_plan(tmp_path), store)
    assert said == [
        "2 finished runs were trained by other code of their teacher: kept under the old id, and trained again",
        "1 finished run was trained by other code of loss heatmap: kept under the old id, and trained again",
    ]


def test_code_that_changed_under_the_same_version_is_in_doubt(
    plan: Plan, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = source_digest
    monkeypatch.setattr(
        "experiments.plan.code_changes.source_digest", lambda name: "x" if name == "loss KT" else now(name)
    )
    (said,) = code_changes(plan, store)
    assert said.startswith(
        "2 finished runs were trained by other code of loss KT, of the same version 1: skipped; raise"
    )
