"""What differs from the published setting is said, and what does not is not."""

import copy
from typing import Any

from made_up_store import LOSSES, recipe

from reports.published import data_words, deviations, on_published_data


def published_recipe() -> dict[str, Any]:
    values = recipe("student", 0, LOSSES)
    values["model"] = {"model": "distilpose_s", "width": None, "dim": None, "depth": None, "heads": None, "patch": None}
    values["losses"]["SH"]["form"] = values["losses"]["CS"]["cell"] = "official"
    values["input_size"] = [192, 256]
    values["data"] = {"root": "some/where/coco", "train": "train2017", "val": "val2017", "synthetic": None}
    values["schedule"] = {
        "epochs": 300,
        "batch_size": 256,
        "lr": 1e-3,
        "warmup_steps": 500,
        "milestones": [200, 260],
    }
    values["evaluation"] = {"flip_test": True, "boxes": "x/COCO_val2017_detections_AP_H_56_person.json"}
    return values


def test_the_published_setting_does_not_differ_from_itself() -> None:
    assert deviations([published_recipe()], [], seeds=0) == ()


def test_a_difference_names_the_setting_the_papers_value_and_ours() -> None:
    ours = published_recipe()
    ours["schedule"]["epochs"] = 30
    (found,) = deviations([ours], [], seeds=0)
    assert (found.setting, found.paper, found.here) == ("epochs", "300", "30")


def test_a_run_that_learns_by_circulation_is_held_against_sdpose() -> None:
    ours = published_recipe() | {"losses": None, "circulation": {"heatmap": 1.0, "KT": 5e-6, "VT": 5e-6}}
    ours["model"] = ours["model"] | {"model": "sdpose_t", "cycles": 3, "depth": 2}
    for batch in (512, 192, 256):
        ours["schedule"]["batch_size"] = batch
        (found,) = deviations([ours], [], seeds=0)
        assert (found.setting, found.paper, found.here) == ("encoder layers", "12 (SDPose-T: 6)", "2")


def test_runs_that_differ_among_themselves_are_all_named() -> None:
    other = copy.deepcopy(published_recipe())
    other["model"]["width"] = 24
    (found,) = deviations([published_recipe(), other], [], seeds=0)
    assert (found.setting, found.here) == ("stem channels", "64; 24")


def test_the_number_of_seeds_is_said() -> None:
    assert deviations([published_recipe()], [], seeds=3)[-1].here == "3"


def test_the_teacher_is_compared_too() -> None:
    found = {one.setting: one.here for one in deviations([], [recipe("teacher", 0)], seeds=0)}
    assert found["teacher's batch"] == "64"
    assert found["teacher's token dimensions"] == "96"


def test_data_is_told_without_where_it_lies() -> None:
    assert data_words({"root": "/home/someone/data/lspet", "train": "train", "val": "val"}) == "lspet, train / val"
    assert data_words(recipe("student", 0)["data"]).startswith("synthetic people: 1,200")
    assert data_words(None) == "unknown"


def test_a_recipe_without_a_field_is_not_said_to_differ_in_it() -> None:
    assert deviations([{}], [{}], seeds=0) == ()


def test_a_stemnet_teacher_is_published_only_beside_the_large_one() -> None:
    small, large = recipe("teacher", 0), recipe("teacher", 0)
    large["model"]["model"] = "teacher_tokenpose_l"
    assert "teacher" in {one.setting for one in deviations([], [small], seeds=0)}
    assert "teacher" not in {one.setting for one in deviations([], [small, large], seeds=0)}


def test_deeppose_is_held_against_the_table_of_generalisation() -> None:
    ours = published_recipe()
    ours["model"] = {"model": "deeppose_r50", "width": None}
    taught = {"model": {"model": "simplebaseline_r50", "width": None}}
    found = {one.setting: (one.paper, one.here) for one in deviations([ours], [taught], seeds=0)}
    assert found == {"epochs": ("not stated", "300"), "batch": ("not stated", "256")}
    ours["model"]["width"] = 16
    narrow = {one.setting: one.here for one in deviations([ours], [], seeds=0)}
    assert narrow["first channels"] == "16"
    assert "student" not in narrow


def test_only_coco_is_the_papers_data() -> None:
    assert on_published_data(published_recipe())
    assert not on_published_data(recipe("student", 0))
