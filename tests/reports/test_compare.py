"""Two sweeps held against each other, and several as one."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_up_store import ROWS, made_up_plan, write_run

from experiments.runs.saved_plan import SavedPlan, SavedRun
from experiments.runs.store import Store
from reports.compare import Compared, before, compare, headline, write_comparison
from reports.numbers.sweep import aggregate
from reports.together import together

FEW = (ROWS[0], ROWS[4], ROWS[7])
SEEDS = 3


def write_sweep(
    root: Path, sweep: str, letter: str, *, more: float = 0.0, lr: float = 1e-3, code: Any = 1, rows: Any = FEW
) -> tuple[str, Store, SavedPlan]:
    """A finished sweep whose ids begin with a letter; every run has `more` than the made-up one."""
    plan = made_up_plan(SEEDS, rows)
    renamed = []
    for place, (row, (name, ticks, _, ap)) in enumerate(zip(plan.rows, rows, strict=True)):
        runs = []
        for seed in range(SEEDS):
            run_id = f"{letter}{place:05x}{seed:06x}"
            path = write_run(
                root, run_id, role="student", row=name, seed=seed, ticks=ticks,
                ap=ap + (more * (1 + 0.1 * seed) if place else 0) + 0.004 * seed,
            )  # fmt: skip
            spec = json.loads((path / "run.json").read_text())
            identity = {"losses": list(ticks), "schedule": {"lr": lr}, "seed": seed, "code": {"training": code}}
            (path / "run.json").write_text(json.dumps({**spec, "identity": identity}))
            runs.append(SavedRun(run_id=run_id, seed=seed))
        renamed.append(replace(row, runs=tuple(runs)))
    store, saved = Store(root), replace(plan, sweep=sweep, rows=tuple(renamed), teachers=())
    store.save_plan(saved)
    return f"{sweep}.tiny", store, saved


def by_name(compared: Compared) -> dict[str, Any]:
    return {pair.name: pair for pair in compared.pairs}


def test_rows_of_other_recipes_are_matched_by_name_with_differences_and_intervals(tmp_path: Path) -> None:
    a = write_sweep(tmp_path, "one", "a")
    b = write_sweep(tmp_path, "two", "b", more=0.05, lr=5e-4)
    found = compare(a, b)
    pair = by_name(found)["KT"].found
    assert pair.mean == pytest.approx(5.5)
    low, high = pair.interval()
    assert low < 5.5 < high
    assert pair.seeds == SEEDS
    assert by_name(found)["none"].found.mean == pytest.approx(0)
    assert headline(found).startswith("AP of two.tiny differs significantly from that of one.tiny in 2 of")


def test_rows_of_one_recipe_are_matched_whatever_they_are_called(tmp_path: Path) -> None:
    a = write_sweep(tmp_path, "one", "a")
    b = write_sweep(tmp_path, "two", "b", more=0.05, code=2, rows=(("plain", *ROWS[0][1:]), ROWS[7], ROWS[2]))
    found = compare(a, b)
    assert set(by_name(found)) == {"none / plain", "all"}
    assert found.alone == (("one.tiny", "KT"), ("two.tiny", "SH"))


def test_one_page_says_what_differs_and_who_has_no_counterpart(tmp_path: Path) -> None:
    a = write_sweep(tmp_path, "one", "a")
    b = write_sweep(tmp_path, "two", "b", lr=5e-4, rows=FEW[:2])
    markdown, html = write_comparison(compare(a, b), tmp_path / "out")
    text = markdown.read_text()
    assert "| schedule.lr | 0.001 | 0.0005 | all |" in text
    assert "Without counterpart in one.tiny: “all”." in text
    assert "2 of 2 pairs are matched by name alone" in text
    assert "two.tiny" in html.read_text()


def test_the_same_runs_in_two_stores_have_no_interval(tmp_path: Path) -> None:
    a = write_sweep(tmp_path / "here", "one", "a")
    b = write_sweep(tmp_path / "there", "one", "a", more=0.01)
    found = compare(a, b)
    assert headline(found).startswith("one.tiny and one.tiny hold the same runs; their AP differs by 1.1 at most")
    assert all(pair.found.p is None for pair in found.pairs)


def test_a_metric_that_one_side_lacks_is_refused_with_those_that_both_have(tmp_path: Path) -> None:
    a, b = write_sweep(tmp_path, "one", "a"), write_sweep(tmp_path, "two", "b")
    with pytest.raises(ValueError, match=r"metric: both must have .* EPE, one.tiny has none; both have: AP, AP50, PCK"):
        compare(a, b, "EPE")


def test_earlier_code_of_a_sweep_is_found_by_its_recipes(tmp_path: Path) -> None:
    old = write_sweep(tmp_path, "one", "a")
    label, store, now = write_sweep(tmp_path, "one", "b", more=0.02, code="3fa2")
    earlier = before(now, store)
    assert [row.runs for row in earlier.rows] == [row.runs for row in old[2].rows]
    assert by_name(compare(("before", store, earlier), (label, store, now)))["all"].found.mean == pytest.approx(2.2)
    with pytest.raises(ValueError, match="has no finished run of its rows by other code"):
        before(replace(now, rows=()), store)


def test_several_sweeps_are_one_table_and_a_shared_row_stands_once(tmp_path: Path) -> None:
    _, store, one = write_sweep(tmp_path, "one", "a")
    _, _, two = write_sweep(tmp_path, "two", "b", more=0.05)
    shared = replace(two, rows=(one.rows[0], *two.rows[1:]))
    joined = together({"one": one, "two": shared})
    assert [(row.name, row.baseline) for row in joined.rows] == [
        ("none", "none"),
        ("KT (one)", "none"),
        ("all (one)", "none"),
        ("KT (two)", "none"),
        ("all (two)", "none"),
    ]
    numbers = aggregate(store, joined)
    assert len(numbers.measured) == 5
    assert all(row.improvement is not None for row in numbers.rows[1:])
