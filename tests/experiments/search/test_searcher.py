"""Searches carried out: batches, resumption, races, prunings, confirmation. Runs are scored by a formula."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fake_trial
import pytest
from small_searches import CONFIRMED, PRUNED, SEARCH, small_search, small_searcher
from small_sweeps import SMALL, facts, small_plan

from experiments.launch.inline import InlineLauncher
from experiments.launch.records import LaunchSettings, Outcome
from experiments.launch.scheduler import launch_plan
from experiments.plan.plan import Plan
from experiments.runs.store import Store
from experiments.search.searcher import Searcher
from experiments.sweep.sweep_file import SpecError
from reports.numbers.sweep import aggregate
from reports.sections.search.numbers import search_numbers

HERE = Path(__file__).parent
SETTINGS = LaunchSettings(data_root=lambda data: Path("x"), poll_seconds=0.001, backoff_seconds=0)


def searched(folder: Path, text: str = SEARCH, **settings: Any) -> tuple[Outcome, Plan]:
    """How a search in this process ended, and its plan then."""
    searcher = small_searcher(folder, text)
    outcome = launch_plan(
        searcher.begin(), Store(folder / "runs"), InlineLauncher(work=fake_trial.main), SETTINGS, grow=searcher.grow
    )
    return outcome, searcher.plan()


def ledger(folder: Path) -> Counter[str]:
    """How often each epoch of each run was done."""
    file = folder / "runs" / "ledger"
    return Counter(file.read_text().splitlines() if file.exists() else ())


def trials_of(plan: Plan) -> list[dict[str, Any]]:
    assert plan.search is not None
    found: list[dict[str, Any]] = plan.search["trials"]
    return found


def test_every_trial_is_an_ordinary_run_and_the_files_own_row_is_the_first(tmp_path: Path) -> None:
    outcome, plan = searched(tmp_path)
    assert outcome.complete
    trials = trials_of(plan)
    assert [trial["row"] for trial in trials] == ["ours", *(f"trial {number}" for number in range(1, 12))]
    assert [trial["batch"] for trial in trials] == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
    assert trials[0]["params"] == {"losses.KT": 5e-4}
    assert len({trial["run_id"] for trial in trials}) == 12
    weight = trials[5]["params"]["losses.KT"]
    ordinary = small_plan(tmp_path, SMALL.replace("seeds: [0, 1]", "seeds: [0]").replace("5e-4", f"{weight:g}"))
    assert ordinary.rows[1].runs[0].run_id == trials[5]["run_id"]
    assert float(f"{weight:.3g}") == weight


def test_a_batch_trains_in_one_cohort_under_one_teacher_with_the_files_other_rows_in_the_first(tmp_path: Path) -> None:
    _, plan = searched(tmp_path)
    assert [len(cohort.run_ids) for cohort in plan.cohorts] == [1, 4, 3, 3, 3]
    assert len(plan.teachers) == 1
    saved = json.loads((tmp_path / "runs/sweeps/hunt.default.json").read_text())["search"]
    assert (saved["budget"], saved["own"]) == (12, ["ours", "none"])


def test_a_search_that_is_over_asks_for_nothing_more(tmp_path: Path) -> None:
    searched(tmp_path)
    done = ledger(tmp_path)
    outcome, plan = searched(tmp_path)
    assert outcome.complete
    assert len(trials_of(plan)) == 12
    assert ledger(tmp_path) == done
    assert set(done.values()) == {1}


def test_more_trials_are_asked_after_those_that_were(tmp_path: Path) -> None:
    first = trials_of(searched(tmp_path)[1])
    more = trials_of(searched(tmp_path, SEARCH.replace("trials: 12", "trials: 14"))[1])
    assert more[:12] == first
    assert len(more) == 14


def test_another_base_is_another_search(tmp_path: Path) -> None:
    searched(tmp_path)
    _, plan = searched(tmp_path, SEARCH.replace("epochs: 2", "epochs: 3"))
    assert len(trials_of(plan)) == 12
    assert len(list((tmp_path / "runs/searches").iterdir())) == 2


def test_a_suggestion_that_another_sweep_has_trained_is_told_at_once(tmp_path: Path) -> None:
    ordinary = small_plan(tmp_path, SMALL)
    store = Store(tmp_path / "runs")
    assert launch_plan(ordinary, store, InlineLauncher(work=fake_trial.main), SETTINGS).complete
    done = ledger(tmp_path)
    _, plan = searched(tmp_path)
    assert trials_of(plan)[0]["run_id"] in ordinary.runs
    assert all(ledger(tmp_path)[line] == 1 for line in done)


def test_a_grid_is_counted_off_and_no_cell_comes_twice(tmp_path: Path) -> None:
    text = (
        SEARCH.replace("log: true}", "log: true, points: 7}")
        .replace("random: {}", "grid: {}")
        .replace("  trials: 12\n", "")
    )
    _, plan = searched(tmp_path, text)
    weights = [trial["params"]["losses.KT"] for trial in trials_of(plan)]
    # The file's own row lies between the points, and is a trial all the same.
    assert weights == [5e-4, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1]


def test_a_space_with_nothing_left_ends_the_search(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = SEARCH.replace("{low: 1e-6, high: 1, log: true}", "[5e-4, 1e-3, 0.01, 0.1]")
    outcome, plan = searched(tmp_path, text)
    assert outcome.complete
    assert sorted(trial["params"]["losses.KT"] for trial in trials_of(plan)) == [5e-4, 1e-3, 0.01, 0.1]
    assert "nothing is left to try after 4 trials" in caplog.text


def test_a_pruned_run_is_no_failure_and_goes_on_for_a_sweep_that_wants_all_of_it(tmp_path: Path) -> None:
    outcome, plan = searched(tmp_path, PRUNED)
    store = Store(tmp_path / "runs")
    assert outcome.complete
    assert outcome.pruned
    states = Counter(store.run(trial["run_id"]).state() for trial in trials_of(plan))
    assert set(states) == {"finished", "pruned"}
    assert states["pruned"] == len(outcome.pruned)
    pruned = next(trial for trial in trials_of(plan) if trial["run_id"] in outcome.pruned)
    run = store.run(pruned["run_id"])
    why = run.pruning
    assert why is not None
    reached = ledger(tmp_path)
    weight = pruned["params"]["losses.KT"]
    ordinary = small_plan(tmp_path, SMALL.replace("seeds: [0, 1]", "seeds: [0]").replace("5e-4", f"{weight:g}"))
    assert run.run_id in ordinary.runs
    assert launch_plan(ordinary, store, InlineLauncher(work=fake_trial.main), SETTINGS).complete
    assert run.state() == "finished"
    assert run.pruning is None
    # Only the epochs that were lacking were done.
    assert {line: n for line, n in (ledger(tmp_path) - reached).items() if line.startswith(run.run_id)} == {
        f"{run.run_id} {epoch}": 1 for epoch in range(why["epoch"] + 1, fake_trial.EPOCHS + 1)
    }


def test_the_files_own_rows_are_never_pruned(tmp_path: Path) -> None:
    _, plan = searched(tmp_path, PRUNED.replace("KT: 5e-4", "KT: 1e-6"))
    assert trials_of(plan)[0]["run_id"] not in plan.prunable
    assert Store(tmp_path / "runs").run(trials_of(plan)[0]["run_id"]).finished


def test_the_best_are_trained_again_from_other_seeds_beside_the_files_rows(tmp_path: Path) -> None:
    outcome, plan = searched(tmp_path, SEARCH + "  confirm: {best: 2, seeds: [1, 2]}\n")
    assert outcome.complete
    rows = {row.name: row for row in plan.rows}
    again = [name for name in rows if name.endswith(" again")]
    assert len(again) == 2
    assert [run.seed for run in rows[again[0]].runs] == [1, 2]
    assert [run.seed for run in rows["ours"].runs] == [0, 1, 2]
    scored = {
        row: fake_trial.score(plan.runs[rows[row].runs[0].run_id].recipe) for row in rows if row.startswith("trial")
    }
    plain = {row: value for row, value in scored.items() if not row.endswith(" again")}
    assert max(plain, key=lambda row: plain[row]) == again[0].removesuffix(" again")


def test_a_search_in_which_all_fails_stops_asking(tmp_path: Path) -> None:
    def broken(job_file: Path, should_stop: Callable[[], bool]) -> int:
        job = json.loads(job_file.read_text())
        store = Store(job_file.parent.parent)
        for run_id in job["run_ids"]:
            if store.run(run_id).spec()["role"] == "teacher":
                return fake_trial.main(job_file, should_stop)
            store.run(run_id).fail("no good", "nan")
        return 1

    searcher = small_searcher(tmp_path)
    outcome = launch_plan(
        searcher.begin(), Store(tmp_path / "runs"), InlineLauncher(work=broken), SETTINGS, grow=searcher.grow
    )
    assert not outcome.complete
    assert len(trials_of(searcher.plan())) == 3


def test_a_search_whose_teacher_fails_stops_asking(tmp_path: Path) -> None:
    def broken(job_file: Path, should_stop: Callable[[], bool]) -> int:
        job = json.loads(job_file.read_text())
        Store(job_file.parent.parent).run(job["run_ids"][0]).fail("no good", "nan")
        return 1

    searcher = small_searcher(tmp_path)
    outcome = launch_plan(
        searcher.begin(), Store(tmp_path / "runs"), InlineLauncher(work=broken), SETTINGS, grow=searcher.grow
    )
    assert outcome.blocked
    assert len(trials_of(searcher.plan())) == 3


def test_costs_are_objectives_known_before_training(tmp_path: Path) -> None:
    asked: list[str] = []

    def costs(recipe: Any, wanted: Any) -> dict[str, float]:
        asked.append(recipe.model.get("depth"))
        return {"gflops": float(recipe.model.get("depth"))}

    text = SEARCH.replace("log: true}\n", "log: true}\n    student.depth: [1, 2]\n  objectives: [AP, gflops]\n")
    sweep = small_search(tmp_path, text + "  confirm: {best: 9, seeds: [1]}\n")
    store = Store(tmp_path / "runs")
    searcher = Searcher(sweep, store, facts, costs)
    assert launch_plan(
        searcher.begin(), store, InlineLauncher(work=fake_trial.main), SETTINGS, grow=searcher.grow
    ).complete
    plan = searcher.plan()
    assert {trial["costs"]["gflops"] for trial in trials_of(plan)} == {1.0, 2.0}
    assert sorted(asked) == [1, 2]  # once for each size
    # The formula knows no depth, so that of the small ones the best alone is on the front, and a large one at most.
    again = [row for row in plan.rows if row.name.endswith(" again") or (row.name == "ours" and len(row.runs) > 1)]
    assert 1 <= len({row.name for row in again} - {"ours"}) <= 2


def _racing(folder: Path, *arguments: str) -> int:
    """The exit code of launchers at work in the store of a folder, where every epoch takes a while."""
    (folder / "runs").mkdir()
    (folder / "runs" / "slow").touch()
    return subprocess.run([sys.executable, str(HERE.parent / "racing_searches.py"), str(folder), *arguments]).returncode


def test_a_killed_search_goes_on_with_no_trial_lost_or_repeated(tmp_path: Path) -> None:
    assert _racing(tmp_path, "kill", "2", "6", "13", "30") == 0
    asked = trials_of(small_searcher(tmp_path, CONFIRMED).plan())
    outcome, plan = searched(tmp_path, CONFIRMED)
    assert outcome.complete
    assert trials_of(plan)[: len(asked)] == asked
    assert len({trial["run_id"] for trial in trials_of(plan)}) == 12
    done = ledger(tmp_path)
    assert {line.partition(" ")[0] for line in done} == set(plan.runs)
    # The step that was being done at a kill may be done again, and no other.
    assert sum(done.values()) - len(done) <= 4


def test_launchers_that_race_share_the_trials(tmp_path: Path) -> None:
    assert _racing(tmp_path, "race", "3") == 0
    plan = small_searcher(tmp_path, CONFIRMED).plan()
    assert [trial["number"] for trial in trials_of(plan)] == list(range(12))
    assert len({trial["run_id"] for trial in trials_of(plan)}) == 12
    store = Store(tmp_path / "runs")
    assert {store.run(run_id).state() for run_id in plan.runs} <= {"finished", "pruned"}
    assert set(ledger(tmp_path).values()) == {1}
    assert {line.partition(" ")[0] for line in ledger(tmp_path)} == set(plan.runs)


def test_values_that_make_no_sense_together_are_refused_at_their_place(tmp_path: Path) -> None:
    text = SEARCH.replace("log: true}\n", "log: true}\n    student.dim: [16, 32]\n")
    with pytest.raises(SpecError, match=r"hunt.yaml:\d+:\d+: .*KT: needs student and teacher to have tokens of one"):
        small_search(tmp_path, text)


def test_the_report_reads_what_a_search_left(tmp_path: Path) -> None:
    _, plan = searched(tmp_path, CONFIRMED)
    numbers = aggregate(Store(tmp_path / "runs"), plan.saved())
    search = search_numbers(numbers)
    assert search is not None
    assert [row.name for row in numbers.rows][:2] == ["ours", "none"]
    assert len(numbers.rows) == 3
    assert len(search.trials) == 12
    assert {trial.state for trial in search.trials} == {"finished", "pruned"}
