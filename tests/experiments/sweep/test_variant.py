"""`--set` makes another sweep, of a name of its own, and never a silent change."""

from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Said
from small_sweeps import MINI, SMALL, facts

from experiments.plan.plan import make_plan
from experiments.runs.store import Store
from experiments.sweep.sweep_file import Sweep, read_sweep
from experiments.sweep.variant import changed_sweep


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "small.yaml"
    file.write_text(SMALL)
    return file


def changed(file: Path, *changes: str, name: str | None = None) -> Sweep:
    return changed_sweep(file, None, changes, name, source="small.yaml")


def test_a_changed_base_makes_a_sweep_that_says_what_was_changed(file: Path) -> None:
    sweep = changed(file, "schedule.lr=1e-2", "augmentation={flip: 0}")
    assert (sweep.sweep, sweep.title) == (
        "small-lr-1e-2-augmentation-flip-0-",
        "A small sweep, with schedule.lr=0.01, augmentation=a mapping of flip",
    )
    assert {(row.recipe.schedule.lr, row.recipe.augmentation.flip) for row in sweep.rows} == {(0.01, 0.0)}
    plan = make_plan(sweep, facts)
    assert plan.settings["changed"] == "small: schedule.lr=0.01, augmentation=a mapping of flip"
    assert plan.runs.keys().isdisjoint(make_plan(read_sweep(file).profile(), facts).runs)


def test_what_rows_set_themselves_stands_and_their_runs_are_shared(file: Path) -> None:
    sweep = changed(file, "losses.KT=1e-3", name="stronger")
    plain = read_sweep(file).profile()
    assert sweep.sweep == "stronger"
    assert sweep.rows[0].recipe == plain.rows[0].recipe
    plans = [make_plan(one, facts) for one in (plain, sweep)]
    shared = plans[0].runs.keys() & plans[1].runs.keys()
    assert shared == {plans[0].teachers[0].run_id, *(run.run_id for run in plans[0].rows[0].runs)}


@pytest.mark.parametrize(
    ("change", "name", "said"),
    [
        ("schedule.lr", None, "--set: must be FIELD=VALUE, got 'schedule.lr'"),
        ("schedule.rate=1", None, "--set schedule.rate: no such field, valid: epochs"),
        ("losses.KD=1", None, "--set losses.KD: no such loss, did you mean RKD?"),
        ("schedule.epochs=many", None, "with --set schedule.epochs='many':\nsmall.yaml:5:3: schedule.epochs: must be"),
        ("schedule.epochs=[", None, "--set schedule.epochs:1:"),
        ("schedule.epochs=2", None, "changes nothing: every row has this value, or sets the field itself"),
        ("schedule.epochs=3", "small", "--name: must be a name of its own"),
        ("schedule.epochs=3", "a.b", "letters, digits, _, - and +, got 'a.b'"),
    ],
)
def test_a_change_that_is_none_or_wrong_is_refused(file: Path, change: str, name: str | None, said: str) -> None:
    with pytest.raises(ValueError, match="--") as error:
        changed(file, change, name=name)
    assert said in str(error.value)


def test_the_name_of_another_sweep_is_refused_and_that_of_the_same_one_is_not(
    distilpose: Callable[..., Said], tmp_path: Path
) -> None:
    file, runs = tmp_path / "mini.yaml", tmp_path / "runs"
    file.write_text(MINI)
    Store(runs).save_plan(
        make_plan(changed_sweep(file, None, ["schedule.epochs=3"], "longer", source="mini.yaml"), facts).saved()
    )
    code, _, err = distilpose("plan", file, "--set", "schedule.epochs=4", "--name", "longer", "--runs", runs)
    assert (code, "--name: longer is the name of another sweep, of mini: schedule.epochs=3" in err) == (2, True)
    file.write_text(MINI.replace("sweep: mini", "sweep: longer"))
    assert "is the name of another sweep, of mini: schedule.epochs=3" in distilpose("plan", file, "--runs", runs)[2]
    file.write_text(MINI)
    assert distilpose("plan", file, "--set", "schedule.epochs=3", "--name", "longer", "--runs", runs)[0] == 0
    code, out, _ = distilpose("status", "longer", "--runs", runs)
    assert (code, "planned" in out) == (0, True)
    assert "give --set too" in distilpose("plan", file, "--name", "other", "--runs", runs)[2]
