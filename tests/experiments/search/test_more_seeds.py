"""Sweeps whose seeds grow: what is asked for follows from the store alone."""

import random

import pytest
from small_sweeps import SMALL, facts

from experiments.runs.selection import Selection
from experiments.runs.store import Store
from experiments.search.more_seeds import Undecided, with_more_seeds
from experiments.sweep.sweep_file import read_sweep
from experiments.sweep.yaml_nodes import SpecError

GROWING = (
    SMALL.replace("seeds: [0, 1]", "seeds: {until: {margin: 0.5, looks: [3, 5, 8]}}")
    + "  - {row: also, set: {losses: {KT: 1e-3}}}\n"
)


def read(folder, text=GROWING):
    file = folder / "small.yaml"
    file.write_text(text)
    return read_sweep(file, source="small.yaml").profile()


def finish(store, plan, values):
    """Finish every run of a plan, in any order, with an AP by row and seed."""
    runs = [(row.name, run) for row in plan.rows for run in row.runs]
    random.Random(len(runs)).shuffle(runs)
    for name, run in runs:
        if store.run(run.run_id).finished:
            continue
        store.run(run.run_id).write_spec(plan.runs[run.run_id].spec)
        store.run(run.run_id).write_result({"metrics": {"AP": values(name, run.seed)}})


def seeds(plan):
    return {row.name: sorted(run.seed for run in row.runs) for row in plan.rows}


def noisy(name, seed):
    """KT is better, `also` now better and now worse."""
    return 0.5 + 0.001 * seed + {"none": 0, "KT": 0.05 + 0.0001 * seed, "also": 0.03 * (-1) ** seed}[name]


def test_all_rows_begin_with_the_seeds_of_the_first_look(tmp_path):
    plan = Undecided(read(tmp_path), Store(tmp_path / "runs"), facts).plan()
    assert seeds(plan) == {"none": [0, 1, 2], "KT": [0, 1, 2], "also": [0, 1, 2]}
    assert {one.verdict for one in plan.until.decisions.values()} == {"undecided"}


def test_only_undecided_rows_and_their_baseline_go_on(tmp_path):
    store = Store(tmp_path / "runs")
    grower = Undecided(read(tmp_path), store, facts)
    first = grower.begin()
    finish(store, first, noisy)
    assert grower.grow(set()) is None  # runs are not settled yet
    longer = grower.grow(first.runs.keys())
    assert seeds(longer) == {"none": [0, 1, 2, 3, 4], "KT": [0, 1, 2], "also": [0, 1, 2, 3, 4]}
    assert longer.until.decisions["KT"].verdict == "better"
    finish(store, longer, noisy)
    last = grower.grow(longer.runs.keys())
    finish(store, last, noisy)
    assert seeds(last)["also"] == list(range(8))
    assert grower.grow(last.runs.keys()) is None
    assert grower.plan().until.decisions["also"].verdict == "undecided"


def test_the_same_store_asks_for_the_same_runs_in_the_same_cohorts(tmp_path):
    sweep, store = read(tmp_path), Store(tmp_path / "runs")
    grower = Undecided(sweep, store, facts)
    finish(store, grower.begin(), noisy)
    grown = grower.grow(grower.plan().runs.keys()) or grower.plan()
    assert Undecided(sweep, store, facts).plan() == grown


def test_a_missing_seed_holds_its_row_back_and_later_seeds_do_not_count(tmp_path):
    store = Store(tmp_path / "runs")
    plan = Undecided(read(tmp_path), store, facts).plan()
    finish(store, plan, noisy)
    (lacking,) = [run.run_id for row in plan.rows if row.name == "KT" for run in row.runs if run.seed == 1]
    (store.run(lacking).path / "result.json").unlink()
    again = Undecided(read(tmp_path), store, facts).plan()
    assert (again.until.decisions["KT"].verdict, again.until.decisions["KT"].seeds) == ("undecided", 0)
    assert seeds(again)["KT"] == [0, 1, 2]


def test_a_saved_plan_keeps_what_was_decided(tmp_path):
    store = Store(tmp_path / "runs")
    plan = Undecided(read(tmp_path), store, facts).plan()
    finish(store, plan, noisy)
    plan = Undecided(read(tmp_path), store, facts).plan()
    store.save_plan(plan.saved())
    assert store.load_plan("small", "default").until == plan.until


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ("{until: {margin: 0}}", "seeds.until.margin: must be greater than 0, got 0"),
        ("{until: {margin: 1, looks: [5, 3]}}", "seeds.until.looks: must rise, got [5, 3]"),
        ("{until: {margin: 1, looks: [2, 3]}}", "seeds.until.looks[0]: must be at least 3, got 2"),
        ("{until: {margin: 1, alpha: 1.5}}", "seeds.until.alpha: must be less than 0.5, got 1.5"),
        ("{untill: {margin: 1}}", "seeds.untill: no such field, did you mean until?"),
    ],
)
def test_a_fault_is_named_with_its_place(tmp_path, entry, said):
    with pytest.raises(SpecError, match="seeds") as error:
        read(tmp_path, SMALL.replace("[0, 1]", entry))
    assert said in str(error.value)


def test_rows_without_a_baseline_cannot_be_decided(tmp_path):
    with pytest.raises(SpecError, match=r"seeds.until: needs a baseline"):
        read(tmp_path, GROWING.replace("baseline: none\n", ""))


def test_more_seeds_are_the_next_ones_of_the_rows_named(tmp_path):
    plan = with_more_seeds(read(tmp_path, SMALL), facts, 2, Selection(rows=("KT",)))
    assert seeds(plan) == {"none": [0, 1], "KT": [0, 1, 2, 3]}
    assert seeds(with_more_seeds(read(tmp_path, SMALL), facts, 1, Selection())) == {"none": [0, 1, 2], "KT": [0, 1, 2]}


def test_more_seeds_of_an_unknown_row_or_a_growing_sweep_are_refused(tmp_path):
    with pytest.raises(ValueError, match="--rows: must be rows of the sweep, got 'KTT'"):
        with_more_seeds(read(tmp_path, SMALL), facts, 2, Selection(rows=("KTT",)))
    with pytest.raises(ValueError, match="chooses its seeds itself"):
        with_more_seeds(read(tmp_path), facts, 2, Selection())
