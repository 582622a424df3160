"""The profiles named `paper`, row by row, against what was published of the training."""

from typing import Any

import pytest

from experiments.commands.options import read_profile
from experiments.recipe import Recipe, to_json

FULL = {"reg": 1.0, "KT": 5e-4, "VT": 5e-4, "SH": 1.0, "CS": 1e-2, "SH_form": "per_sample", "CS_cell": "nearest"}
NONE = {**FULL, "KT": 0.0, "VT": 0.0, "SH": 0.0, "CS": 0.0}
SCHEDULE = {
    "epochs": 300, "lr": 1e-3, "warmup_steps": 500, "warmup_ratio": 1e-3, "milestones": [200, 260], "gamma": 0.1,
    "eval_every": 10,
}  # fmt: skip
AUGMENTATION = {
    "flip": 0.5, "half_body": 0.3, "half_body_joints": 8, "scale": 0.35, "rotation": 45.0, "rotation_p": 0.6,
    "shift": 0.0,
}  # fmt: skip
OF_W48 = {**AUGMENTATION, "rotation": 40.0, "rotation_p": 0.5}
W48 = {"model": "teacher_tokenpose_l", "init": "imagenet", "batch_size": 512, "augmentation": OF_W48}
STEMNET = {"model": "teacher_stemnet", "init": "fresh", "batch_size": 512, "augmentation": AUGMENTATION}
R50 = {"model": "simplebaseline_r50", "init": "imagenet", "batch_size": 512, "augmentation": AUGMENTATION}


def off(*terms: str) -> dict[str, Any]:
    return FULL | dict.fromkeys(terms, 0.0)


# row: model, its start, its batch, its losses, its teacher, the paper's AP
DISTILPOSE = {
    "losses": {
        "none": ("distilpose_s", "fresh", 512, NONE, None, 56.0),
        "CS": ("distilpose_s", "fresh", 256, off("KT", "VT", "SH"), W48, 63.2),
        "SH": ("distilpose_s", "fresh", 256, off("KT", "VT", "CS"), W48, 56.4),
        "CS+SH": ("distilpose_s", "fresh", 256, off("KT", "VT"), W48, 64.1),
        "KT": ("distilpose_s", "fresh", 256, off("VT", "SH", "CS"), W48, 67.1),
        "VT": ("distilpose_s", "fresh", 256, off("KT", "SH", "CS"), W48, 61.7),
        "KT+VT": ("distilpose_s", "fresh", 256, off("SH", "CS"), W48, 67.5),
        "all": ("distilpose_s", "fresh", 256, FULL, W48, 71.6),
    },
    "teacher_student": {
        "stemnet, no teacher": ("distilpose_s", "fresh", 512, NONE, None, 56.0),
        "stemnet, taught by stemnet": ("distilpose_s", "fresh", 256, FULL, STEMNET, 63.6),
        "stemnet, taught by HRNet-W48": ("distilpose_s", "fresh", 256, FULL, W48, 71.6),
        "HRNet-W48-stage3, no teacher": ("distilpose_l", "imagenet", 512, NONE, None, 63.0),
        "HRNet-W48-stage3, taught by stemnet": ("distilpose_l", "imagenet", 256, FULL, STEMNET, 66.8),
        "HRNet-W48-stage3, taught by HRNet-W48": ("distilpose_l", "teacher_backbone", 256, FULL, W48, 74.4),
    },
    "generalisation": {
        "DeepPose": ("deeppose_r50", "imagenet", 256, NONE, None, 52.6),
        "DeepPose with simulated heatmaps": ("deeppose_r50", "imagenet", 256, off("KT", "VT"), R50, 59.7),
    },
}
# row: model, cycles in training (None: of its kind), its start, its batch, the weight of tokens, the paper's AP.
# A TokenPose without a published AP here trains in the batches of its SDPose.
SDPOSE = {
    "TokenPose-T": ("tokenpose_t", None, "fresh", 512, 0.0, None),
    "SDPose-T": ("sdpose_t", 3, "fresh", 512, 5e-6, 69.7),
    "TokenPose-S-V1": ("tokenpose_s", None, "fresh", 512, 0.0, 72.5),
    "SDPose-S-V1": ("sdpose_s_v1", 2, "fresh", 512, 5e-6, 72.3),
    "TokenPose-S-V2": ("tokenpose_s_v2", None, "fresh", 192, 0.0, None),
    "SDPose-S-V2": ("sdpose_s_v2", 2, "fresh", 192, 5e-6, 73.5),
    "TokenPose-B": ("tokenpose_hr32_stage3", None, "imagenet", 256, 0.0, None),
    "SDPose-B": ("sdpose_b", 2, "imagenet", 256, 5e-6, 73.7),
}


def rows_of(sweep: str) -> dict[str, tuple[Recipe, dict[str, float]]]:
    return {row.name: (row.recipe, row.paper) for row in read_profile(sweep, "paper").rows}


def assert_published(recipe: Recipe) -> None:
    """What every row of every table shares."""
    assert recipe.input_size == (192, 256)
    assert recipe.precision == "fp32"
    assert (recipe.data.train, recipe.data.val) == ("train2017", "val2017")
    assert to_json(recipe.augmentation) == AUGMENTATION
    schedule = to_json(recipe.schedule)
    del schedule["batch_size"]
    assert schedule == SCHEDULE
    assert recipe.evaluation.flip_test
    assert recipe.evaluation.best_by == "AP"
    assert recipe.evaluation.boxes == "person_detection_results/COCO_val2017_detections_AP_H_56_person.json"
    assert recipe.student.chosen.keys() <= {"cycles"}


@pytest.mark.parametrize("sweep", DISTILPOSE)
def test_every_row_of_distilposes_tables_is_trained_as_published(sweep: str) -> None:
    rows = rows_of(sweep)
    assert list(rows) == list(DISTILPOSE[sweep])
    for name, (model, init, batch, losses, teacher, ap) in DISTILPOSE[sweep].items():
        recipe, paper = rows[name]
        assert_published(recipe)
        assert (recipe.student.model, recipe.student.init, recipe.schedule.batch_size) == (model, init, batch), name
        assert to_json(recipe.losses) == losses, name
        assert paper == {"AP": ap}
        assert recipe.uses_teacher == (teacher is not None), name
        if teacher is not None:
            trained = recipe.teacher_run()
            assert to_json(trained.augmentation) == teacher["augmentation"]
            schedule = to_json(trained.schedule)
            assert schedule == {**SCHEDULE, "batch_size": teacher["batch_size"]}
            assert (trained.model.model, trained.model.init) == (teacher["model"], teacher["init"])
            assert trained.model.chosen == {}


def test_every_sdpose_and_its_tokenpose_is_trained_as_published() -> None:
    rows = rows_of("sdpose")
    assert [name for name in rows if "," not in name] == list(SDPOSE)
    for name, (model, cycles, init, batch, tokens, ap) in SDPOSE.items():
        recipe, paper = rows[name]
        assert_published(recipe)
        assert (recipe.student.model, recipe.student.init, recipe.schedule.batch_size) == (model, init, batch), name
        assert recipe.student.cycles == cycles
        expected = {"heatmap": 1.0, "KT": tokens, "VT": tokens, "stop_gradient": False}
        assert to_json(recipe.circulation) == expected
        assert paper == ({} if ap is None else {"AP": ap})


def test_the_rows_of_the_defects_differ_from_the_full_method_by_defects_alone() -> None:
    full, _ = rows_of("losses")["all"]
    rows = rows_of("defects")
    assert rows["all put right"][0] == full
    defects = {
        "SH_form": lambda recipe: recipe.losses.SH_form,
        "CS_cell": lambda recipe: recipe.losses.CS_cell,
        "flip_coordinates": lambda recipe: recipe.evaluation.flip_coordinates,
        "flip_scores": lambda recipe: recipe.evaluation.flip_scores,
    }
    official = {
        name: [defect for defect, of in defects.items() if of(recipe) == "official"]
        for name, (recipe, _) in rows.items()
    }
    assert sorted(map(len, official.values())) == [0, 1, 1, 1, 1, 4]
    assert {defect for one in official.values() if len(one) == 1 for defect in one} == set(defects)
    for recipe, _ in rows.values():
        assert_published(recipe)
        assert recipe.teacher == full.teacher


def test_the_rows_of_the_precisions_are_the_full_method_with_the_same_teacher() -> None:
    full, _ = rows_of("losses")["all"]
    rows = {name: recipe for name, (recipe, _) in rows_of("precision").items()}
    assert rows["fp32"] == full
    assert to_json(rows["bf16"]) == to_json(full) | {"precision": "bf16"}
    assert rows["bf16"].teacher.precision == "fp32"


@pytest.mark.parametrize("sweep", ["losses", "teacher_student", "generalisation", "sdpose", "defects", "precision"])
def test_the_head_of_a_sweep_gives_the_one_command_for_the_paper(sweep: str) -> None:
    from experiments.spec import find_sweep

    head = find_sweep(sweep).read_text().partition("\nsweep:")[0]
    assert f"distilpose launch {sweep} --profile paper --data data/coco" in head
