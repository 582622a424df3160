"""What differs from the published setting is said, and what does not is not."""

import copy
import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_up_coco import write_coco
from made_up_store import LOSSES, recipe

from distilpose.data.coco2017 import coco2017
from distilpose.data.codecs import gaussian_heatmaps
from distilpose.evaluation.decode import decode_heatmaps
from experiments.build.data import data_facts
from experiments.runs.saved_plan import SavedData
from experiments.sweep.choices import DataChoice, EvaluationChoice
from reports.numbers.sweep import aggregate
from reports.paper import setting as published
from reports.paper.setting import (
    COCO_ANNOTATIONS,
    DARK_KERNEL,
    DETECTIONS,
    TARGET_SIGMA,
    data_words,
    deviations,
    on_published_data,
    setting,
)
from reports.sections import make_sections
from reports.sections.settings import as_published, deviations_of

COCO = SavedData(name="anything", annotations=COCO_ANNOTATIONS)
IN_DETECTIONS = {"evaluation": {"boxes": DETECTIONS}, "model": {"patch": [4, 3]}}


def published_setting(recipe: dict[str, Any] | None = None) -> dict[str, Any]:
    return dict(setting(recipe or published_recipe(), IN_DETECTIONS, COCO))


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
    assert deviations([published_setting()], [], seeds=0) == ()


def test_a_difference_names_the_setting_the_papers_value_and_ours() -> None:
    ours = published_recipe()
    ours["schedule"]["epochs"] = 30
    (found,) = deviations([published_setting(ours)], [], seeds=0)
    assert (found.setting, found.paper, found.here) == ("epochs", "300", "30")


def test_a_run_that_learns_by_circulation_is_held_against_sdpose() -> None:
    ours = published_recipe() | {"losses": None, "circulation": {"heatmap": 1.0, "KT": 5e-6, "VT": 5e-6}}
    ours["model"] = ours["model"] | {"model": "sdpose_t", "cycles": 3, "depth": 2}
    for batch in (512, 192, 256):
        ours["schedule"]["batch_size"] = batch
        (found,) = deviations([published_setting(ours)], [], seeds=0)
        assert (found.setting, found.paper, found.here) == ("encoder layers", "12 (SDPose-T: 6)", "2")


def test_runs_that_differ_among_themselves_are_all_named() -> None:
    other = copy.deepcopy(published_recipe())
    other["model"]["width"] = 24
    (found,) = deviations([published_setting(), published_setting(other)], [], seeds=0)
    assert (found.setting, found.here) == ("stem channels", "64; 24")


def test_the_number_of_seeds_is_said() -> None:
    assert deviations([published_setting()], [], seeds=3)[-1].here == "3"


def test_the_teacher_is_compared_too() -> None:
    found = {one.setting: (one.paper, one.here) for one in deviations([], [recipe("teacher", 0)], seeds=0)}
    assert found["teacher's batch"] == ("512", "64")
    assert found["teacher's token dimensions"] == ("192", "96")
    assert found["teacher's rotation (degrees)"] == ("40", "45")
    assert found["teacher's scale jitter"] == ("0.5", "0.35")
    assert found["teacher starts from"] == ("imagenet", "fresh")
    assert found["teacher's warm-up steps"] == ("500", "50")


def test_what_is_small_beside_the_crop_is_said() -> None:
    small = setting(recipe("teacher", 0), {"model": {"patch": [4, 3]}}, None)
    found = {one.setting: (one.paper, one.here) for one in deviations([], [small], seeds=0)}
    assert found["teacher's target sigma"] == ("2 of 48 heatmap columns (4 %)", "2 of 12 heatmap columns (17 %)")
    assert found["teacher's DARK kernel"] == ("11 of 48 heatmap columns (23 %)", "11 of 12 heatmap columns (92 %)")
    assert found["teacher's visual tokens"] == ("256", "16")


def test_sigma_and_kernel_are_those_of_the_code() -> None:
    for function, name, value in ((gaussian_heatmaps, "sigma", TARGET_SIGMA), (decode_heatmaps, "kernel", DARK_KERNEL)):
        assert inspect.signature(function).parameters[name].default == value


def test_data_are_told_without_where_they_lie() -> None:
    here = {"root": "/home/someone/data/lspet", "train": "train", "val": "val"}
    assert data_words(here, None) == "lspet, train / val"
    assert data_words(here, SavedData(name="moved", annotations=())) == "moved, train / val"
    assert data_words(recipe("student", 0)["data"], None).startswith("synthetic people: 1,200")
    assert data_words(None, None) == "unknown"


def test_a_recipe_without_a_field_is_not_said_to_differ_in_it() -> None:
    assert deviations([{}], [{}], seeds=0) == ()


def test_a_stemnet_teacher_is_published_only_beside_the_large_one() -> None:
    small, large = recipe("teacher", 0), recipe("teacher", 0)
    large["model"]["model"] = "teacher_tokenpose_l"
    assert "teacher" in {one.setting for one in deviations([], [small], seeds=0)}
    assert "teacher" not in {one.setting for one in deviations([], [small, large], seeds=0)}


def test_deeppose_is_held_against_mmposes_model() -> None:
    ours = published_recipe()
    ours["model"] = {"model": "deeppose_r50", "width": None, "init": "imagenet"}
    found = {one.setting: (one.paper, one.here) for one in deviations([published_setting(ours)], [], seeds=0)}
    assert found == {
        "epochs": ("210", "300"),
        "learning rate": ("0.0005", "0.001"),
        "rate drops at epochs": ("170, 200", "200, 260"),
        "batch": ("512", "256"),
        "scale jitter": ("0.5", "0.35"),
        "rotation (degrees)": ("40", "45"),
    }
    ours["model"]["width"] = 16
    narrow = {one.setting: one.here for one in deviations([published_setting(ours)], [], seeds=0)}
    assert narrow["first channels"] == "16"
    assert "student" not in narrow


def test_cocos_files_are_known_by_the_checksums_that_downloads_are_held_to() -> None:
    release = coco2017()
    assert tuple(file.checksum for file in release.files) == COCO_ANNOTATIONS
    assert release.boxes.checksum == DETECTIONS


def test_coco_is_known_by_content_and_not_by_name() -> None:
    named_alike = published_recipe()
    assert not on_published_data(
        setting(named_alike, IN_DETECTIONS, SavedData(name="coco", annotations=("sha256:0",) * 2))
    )
    assert not on_published_data(setting(named_alike, IN_DETECTIONS, None))
    named_otherwise = published_recipe() | {"data": {"root": "data/coco2017", "train": "a", "val": "b"}}
    assert on_published_data(setting(named_otherwise, IN_DETECTIONS, COCO))
    assert not on_published_data(setting(recipe("student", 0), {}, None))


def test_coco_in_other_boxes_is_not_measured_as_published() -> None:
    in_truth = published_recipe()
    in_truth["evaluation"]["boxes"] = "gt"
    assert not on_published_data(setting(in_truth, {"evaluation": {"boxes": "gt"}}, COCO))
    renamed = setting(published_recipe(), {"evaluation": {"boxes": "sha256:0"}}, COCO)
    assert not on_published_data(renamed)
    (found,) = deviations([renamed], [], seeds=0)
    assert found.here == "another detector's (COCO_val2017_detections_AP_H_56_person.json)"


def test_a_plan_says_by_which_files_data_are_known(
    coco_mini_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder of COCO's names and layout is not COCO; a stand-in's own checksums, in the table, make it so."""
    data = DataChoice(root="data/coco", train="train2017", val="val2017")
    facts = data_facts(data, EvaluationChoice(), root=coco_mini_dir, runs=tmp_path)
    told = SavedData(name=facts.name, annotations=facts.annotations)
    words = data_words({"root": "data/coco", "train": "train2017", "val": "val2017"}, told)
    assert words == "coco_mini, train2017 / val2017 (not COCO's annotation files)"
    monkeypatch.setattr(published, "COCO_ANNOTATIONS", facts.annotations)
    assert data_words({"root": "data/coco", "train": "train2017", "val": "val2017"}, told).startswith("COCO, ")


def test_a_report_of_a_folder_named_coco_shows_no_published_comparison(tmp_path: Path) -> None:
    store, plan = write_coco(tmp_path)
    assert as_published(aggregate(store, plan))
    other = SavedData(name="coco", annotations=("sha256:1", "sha256:2"))
    numbers = aggregate(store, replace(plan, data={"c0c0": other}))
    assert not as_published(numbers)
    assert "comparison" not in {section.key for section in make_sections(numbers)}
    said = {one.setting: one.here for one in deviations_of(numbers)}
    assert said["data"] == "coco, train2017 / val2017 (not COCO's annotation files)"
