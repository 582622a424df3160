"""What was decided of rows whose seeds grew."""

from dataclasses import replace
from pathlib import Path

from made_up_store import write_complete

from experiments.runs.saved_plan import SavedDecision, SavedUntil
from reports.formats.table import Table
from reports.numbers.sweep import aggregate
from reports.sections.decisions import decisions


def test_each_row_has_its_verdict_and_the_interval_of_all_looks(tmp_path: Path) -> None:
    store, plan = write_complete(tmp_path, seeds=1)
    seen = SavedDecision(verdict="better", seeds=5, wanted=5, gain=2.0, low=0.5, high=3.5)
    until = SavedUntil(
        margin=0.5,
        alpha=0.05,
        looks=(3, 5),
        decisions={"KT": seen, "VT": SavedDecision(verdict="undecided", seeds=0, wanted=3)},
    )
    section = decisions(aggregate(store, replace(plan, until=until)))
    assert section is not None
    (table,) = section.blocks
    assert isinstance(table, Table)
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["KT", "better", "5", "+2.0", "+0.5 to +3.5"],
        ["VT", "undecided", "0", "–", "–"],
    ]


def test_gains_are_named_by_the_split_that_decided(tmp_path: Path) -> None:
    store, plan = write_complete(tmp_path, seeds=1)
    until = SavedUntil(margin=0.5, alpha=0.05, looks=(3, 5), decisions={})
    numbers = replace(aggregate(store, replace(plan, until=until)), metric="AP on test")
    section = decisions(numbers)
    assert section is not None
    (table,) = section.blocks
    assert isinstance(table, Table)
    assert table.caption == "Gains in AP over the baseline"
    assert table.notes[-1] == "By AP, of the split that chose the weights: what test said decided no seed."


def test_a_sweep_of_given_seeds_has_no_such_section(tmp_path: Path) -> None:
    assert decisions(aggregate(*write_complete(tmp_path, seeds=1))) is None
