"""A search in numbers, tables and drawings, from runs written by hand."""

from pathlib import Path
from typing import Any

import pytest
from made_up_store import EPOCHS, begin_run, write_run

from experiments.runs.saved_plan import SavedPlan
from experiments.runs.store import Store
from reports.numbers.sweep import SweepNumbers, aggregate
from reports.sections.search.drawings import search_drawings
from reports.sections.search.numbers import SearchNumbers, TrialNumbers, front, search_numbers
from reports.sections.search.section import search_sentences
from reports.sections.search.tables import chosen_table, trials_table
from reports.sections.settings import computing_time
from reports.write import write_report

TRIALS = 16


def searched(root: Path, *, pruned: int = 0, confirmed: bool = True, objectives: tuple[str, ...] = ("AP",)) -> Any:
    """A store and a plan: KT decides, SH does not; the last `pruned` trials ended at a third of the way."""
    trials, rows = [], []
    for number in range(TRIALS):
        row, weight = "ours" if number == 0 else f"trial {number}", 10 ** (-5 + number * 0.25)
        run_id, ap = f"{number:012x}", 0.5 - 0.02 * abs(number - 7)
        if number >= TRIALS - pruned:
            path = begin_run(root, run_id, role="student", row=row, seed=0, ap=ap, epochs=EPOCHS // 3)
            (path / "pruned.json").write_text('{"epoch": 10, "by": "made.up"}')
        else:
            write_run(root, run_id, role="student", row=row, seed=0, ap=ap)
        params = {"losses.KT": weight, "losses.SH": (number * 7 % 5) / 4, "size": "S"}
        costs = {"gflops": 1.0 + number % 3} if "gflops" in objectives else {}
        trials.append(
            {"number": number, "row": row, "run_id": run_id, "params": params, "costs": costs, "batch": number // 4}
        )
        rows.append({"name": row, "ticks": {}, "factors": {}, "paper": {}, "baseline": "ours"})
        rows[-1]["runs"] = [{"run_id": run_id, "seed": 0}]
    again = []
    if confirmed:
        for seed in (1, 2):
            for name, base in (("ours", 0.35), ("trial 7 again", 0.45)):
                write_run(root, f"{name[0]}{seed:011x}", role="student", row=name, seed=seed, ap=base + 0.01 * seed)
        runs = [{"run_id": f"t{seed:011x}", "seed": seed} for seed in (1, 2)]
        rows[0]["runs"] += [{"run_id": f"o{seed:011x}", "seed": seed} for seed in (1, 2)]
        rows.append(
            {"name": "trial 7 again", "ticks": {}, "factors": {}, "paper": {}, "baseline": "ours", "runs": runs}
        )
        again = [{"row": "trial 7", "again": "trial 7 again"}]
    plan = {
        "sweep": "made", "profile": "up", "title": "A search", "table": "rows", "metric": "AP", "baseline": "ours",
        "source": "made.yaml", "rows": rows, "teachers": [], "cohorts": [], "settings": {},
        "search": {
            "name": "made.up", "objectives": list(objectives), "budget": 20, "seed": 0, "own": ["ours"],
            "trials": trials, "confirmed": again, "lower_is_better": ["parameters", "gflops", "latency_ms"],
            "entry": {
                "space": {
                    "losses.KT": {"low": 1e-5, "high": 1, "log": True, "step": None, "points": None},
                    "losses.SH": {"low": 0, "high": 1, "log": False, "step": None, "points": None},
                    "size": ["S", "L"],
                },
                "sampler": {"tpe": {"startup": 4, "seed": 0}, "random": None, "grid": None},
                "pruner": {"median": {"startup": 4, "warmup": 0}, "hyperband": None},
            },
        },
    }  # fmt: skip
    return Store(root), SavedPlan.from_json(plan)


def both(root: Path, **options: Any) -> tuple[SweepNumbers, SearchNumbers]:
    numbers = aggregate(*searched(root, **options))
    search = search_numbers(numbers)
    assert search is not None
    return numbers, search


def test_the_tables_of_the_sweep_show_its_own_rows_and_the_confirmed_ones_alone(tmp_path: Path) -> None:
    numbers, search = both(tmp_path)
    assert [row.name for row in numbers.rows] == ["ours", "trial 7 again"]
    assert len(search.trials) == TRIALS
    assert len(numbers.all_runs) == TRIALS + 4
    assert computing_time(numbers) == "40 min"


def test_a_sweep_that_is_no_search_has_no_such_section(complete_numbers: SweepNumbers) -> None:
    assert search_numbers(complete_numbers) is None


def test_trials_have_their_values_in_points_and_pruned_ones_what_they_reached(tmp_path: Path) -> None:
    _, search = both(tmp_path, pruned=4)
    assert search.trials[7].values == (50.0,)
    last = search.trials[-1]
    assert (last.state, last.values, last.epoch) == ("pruned", None, EPOCHS // 3)
    assert 0 < (last.reached or 0) < 34
    assert search.finished[0].number == 7
    assert search.epochs_saved == pytest.approx(4 / TRIALS * 2 / 3)


def test_the_field_that_decides_is_the_important_one_and_too_few_trials_tell_nothing(tmp_path: Path) -> None:
    _, search = both(tmp_path / "enough")
    assert search.importances[0].label == "KT"
    assert sum(one.share for one in search.importances) == pytest.approx(1)
    assert all(0 <= one.interval.low <= one.interval.high <= 1 for one in search.importances)
    _, few = both(tmp_path / "few", pruned=8)
    assert few.importances == ()


def test_the_front_holds_what_no_other_beats_and_low_costs_are_good() -> None:
    def trial(number: int, *values: float) -> TrialNumbers:
        return TrialNumbers(number, "", "", "finished", {}, values, reached=0, epoch=1, batch=0)

    trials = [trial(0, 50, 2), trial(1, 60, 2), trial(2, 70, 3), trial(3, 65, 4)]
    assert front(trials, ("AP", "gflops"), {"gflops"}) == (1, 2)
    assert front([trial(0, 50), trial(1, 60), trial(2, 60)], ("AP",), set()) == (1,)


def test_the_chosen_are_shown_as_found_and_by_the_seeds_that_had_no_part_in_choosing(tmp_path: Path) -> None:
    numbers, search = both(tmp_path)
    table = chosen_table(numbers, search)
    assert table is not None
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["ours", "1e-05", "0", "S", "36.0", "36.5 ± 0.7 (2)", "–"],
        ["trial 7", "0.000562341", "1", "S", "50.0", "46.5 ± 0.7 (2)", "+10.0 ± 0.0"],
    ]
    assert "too high" in table.notes[0]


def test_every_trial_is_in_the_table_the_best_first_the_pruned_last(tmp_path: Path) -> None:
    _, search = both(tmp_path, pruned=4)
    table = trials_table(search)
    lines = [[cell.text for cell in row] for row in table.rows]
    assert len(lines) == TRIALS
    assert lines[0][1] == "trial 7"
    assert {line[6] for line in lines[-4:]} == {"pruned"}


def test_sentences_say_how_far_and_how_sure(tmp_path: Path) -> None:
    said = " ".join(search_sentences(both(tmp_path / "one", pruned=4, confirmed=False)[1]))
    assert "16 of 20 trials were asked, suggested by tpe, pruned by median: 12 finished, 4 pruned." in said
    assert "Pruning saved 17 %" in said
    assert "“trial 7” (KT 0.000562341, SH 1, size S), AP 50.0, against “ours” 36.0" in said
    assert "none has been trained again" in said
    assert "none has been trained again" not in " ".join(search_sentences(both(tmp_path / "two")[1]))


def test_there_is_a_drawing_for_each_question_and_a_front_only_of_several_objectives(tmp_path: Path) -> None:
    def names(**options: Any) -> list[str]:
        return [one.name for one in search_drawings(both(tmp_path / str(len(options)), **options)[1])]

    assert names() == ["search-history", "search-importance", "search-parallel"]
    assert names(objectives=("AP", "gflops")) == [
        "search-history",
        "search-importance",
        "search-parallel",
        "search-front",
    ]


def test_a_search_that_has_measured_nothing_draws_nothing(tmp_path: Path) -> None:
    _, plan = searched(tmp_path / "x")
    numbers = aggregate(Store(tmp_path / "empty"), plan)
    search = search_numbers(numbers)
    assert search is not None
    assert search_drawings(search) == ()
    assert chosen_table(numbers, search) is not None


def test_the_report_of_a_search_is_written_whole(tmp_path: Path) -> None:
    files = write_report(*searched(tmp_path / "runs", pruned=3), tmp_path / "report")
    text = files.markdown.read_text()
    assert "## Search" in text
    assert "plots/search-parallel.svg" in text
    assert 'id="search"' in files.html.read_text()
    assert (tmp_path / "report/tables/search-trials.parquet").exists()
