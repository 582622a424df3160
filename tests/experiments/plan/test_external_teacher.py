"""Teachers that come trained: what they are by content, and how runs are planned under them."""

from pathlib import Path

import pytest
from small_sweeps import SMALL, recipe_of, small_plan

from experiments.plan.external_teacher import given_teacher_id
from experiments.sweep.choices import MMPoseChoice
from experiments.sweep.recipe_json import run_recipe_from_json, to_json

TRAINED = "{model: teacher_stemnet, width: 8, dim: 16, depth: 1, heads: 2}"


@pytest.fixture
def files(tmp_path: Path) -> MMPoseChoice:
    """A configuration with a base, and a checkpoint."""
    (tmp_path / "base.py").write_text("codec = dict(sigma=2)\n")
    (tmp_path / "config.py").write_text("_base_ = ['base.py', 'mmpose::_base_/default_runtime.py']\nmodel = dict()\n")
    (tmp_path / "weights.pth").write_bytes(b"weights")
    return MMPoseChoice(config=str(tmp_path / "config.py"), checkpoint=str(tmp_path / "weights.pth"))


def _text(files: MMPoseChoice) -> str:
    given = f"{{mmpose: {{config: {files.config}, checkpoint: {files.checkpoint}}}}}"
    return SMALL.replace(TRAINED, given).replace("KT: 5e-4", "SH: 1").replace("KT: 0", "SH: 0")


def test_an_id_is_of_the_content_and_not_of_the_place(files: MMPoseChoice, tmp_path: Path) -> None:
    before = given_teacher_id(files)
    assert before.startswith("mmpose-")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("base.py", "config.py", "weights.pth"):
        (elsewhere / name).write_bytes((tmp_path / name).read_bytes())
    moved = MMPoseChoice(config=str(elsewhere / "config.py"), checkpoint=str(elsewhere / "weights.pth"))
    assert given_teacher_id(moved) == before
    for name in ("base.py", "config.py", "weights.pth"):
        old = (elsewhere / name).read_bytes()
        (elsewhere / name).write_bytes(old + b"# more\n")
        assert given_teacher_id(moved) != before
        (elsewhere / name).write_bytes(old)


def test_files_that_are_not_there_are_a_problem_of_the_plan_said_once(files: MMPoseChoice, tmp_path: Path) -> None:
    Path(files.checkpoint).unlink()
    plan = small_plan(tmp_path, _text(files))
    rule = f"teacher.mmpose.checkpoint: must be a file, got {files.checkpoint!r} and none there"
    assert plan.problems == (f"{rule}; `distilpose data teachers SWEEP` fetches published ones",)
    Path(files.checkpoint).touch()
    (tmp_path / "base.py").unlink()
    assert "has the base 'base.py', and no such file is there" in small_plan(tmp_path, _text(files)).problems[0]
    Path(files.config).write_text("model = (")
    assert "must be Python" in small_plan(tmp_path, _text(files)).problems[0]
    Path(files.config).write_text("with read_base():\n    from .base import *\n")
    assert "must name its bases in `_base_`" in small_plan(tmp_path, _text(files)).problems[0]


def test_a_configuration_that_mmpose_ships_counts_by_name(files: MMPoseChoice) -> None:
    shipped = [MMPoseChoice(config=f"mmpose::{name}.py", checkpoint=files.checkpoint) for name in ("one", "two")]
    assert given_teacher_id(shipped[0]) == given_teacher_id(shipped[0])
    assert given_teacher_id(shipped[0]) != given_teacher_id(shipped[1])


def test_it_is_part_of_the_ids_of_the_rows_that_use_it_and_no_run(files: MMPoseChoice, tmp_path: Path) -> None:
    plan = small_plan(tmp_path, _text(files))
    trained = small_plan(tmp_path)
    assert plan.teachers == ()
    assert [cohort.teacher_id for cohort in plan.cohorts] == [None, None]
    ids = {row.name: [run.run_id for run in row.runs] for row in plan.rows}
    assert ids["none"] == [run.run_id for run in trained.rows[0].runs]
    assert {plan.runs[run.run_id].teacher_id for run in plan.rows[1].runs} == {given_teacher_id(files)}
    assert plan.settings["teachers"] == "mmpose config"
    Path(files.checkpoint).write_bytes(b"other weights")
    again = {row.name: [run.run_id for run in row.runs] for row in small_plan(tmp_path, _text(files)).rows}
    assert again["none"] == ids["none"]
    assert not set(again["KT"]) & set(ids["KT"])


def test_a_run_recipe_keeps_the_files_only_where_they_are_used(files: MMPoseChoice) -> None:
    values = {
        "student": {"model": "deeppose_r50"},
        "teacher": {"mmpose": to_json(files)},
        "losses": {"SH": 1},
        "input_size": [64, 64],
        "data": {"root": "data/people"},
        "augmentation": {},
        "schedule": {"epochs": 2, "batch_size": 4},
        "evaluation": {},
    }
    recipe = recipe_of(values).student_run(0)
    assert run_recipe_from_json(to_json(recipe)).given_teacher == files
    assert recipe_of(values | {"losses": {"SH": 0}}).student_run(0).given_teacher is None
