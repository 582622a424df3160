"""The profiles named `paper`, row by row, against what was published of the training."""

import dataclasses
from typing import Any

import pytest

from experiments.cli.options import read_profile
from experiments.sweep.recipe import Recipe
from experiments.sweep.recipe_json import to_json
from experiments.sweep.sweep_file import find_sweep, read_sweep

FULL = {"reg": 1.0, "KT": 5e-4, "VT": 5e-4, "SH": 1.0, "CS": 1e-2}
NONE = {"reg": 1.0}
SCHEDULE = {
    "epochs": 300, "drop_last": False, "cards": 8, "lr": 1e-3, "warmup_steps": 500, "warmup_ratio": 1e-3,
    "backbone_lr_mult": 1.0,
    "decay": "milestones", "milestones": [200, 260], "gamma": 0.1, "floor": 0.0, "eval_every": 10,
}  # fmt: skip
AUGMENTATION = {
    "flip": 0.5, "half_body": 0.3, "half_body_joints": 8, "scale": 0.35, "rotation": 45.0, "rotation_p": 0.6,
    "shift": 0.2, "shift_p": 0.3, "shift_draw": "once",
}  # fmt: skip
OF_W48 = {**AUGMENTATION, "rotation": 40.0, "scale": 0.5}
OF_SDPOSE = {**AUGMENTATION, "shift": 0.16, "shift_draw": "sample"}
# DeepPose 52.6 and SimpleBaseline 70.4 are mmpose's (deeppose/coco/res50 and topdown_heatmap/coco/res50, 8x64).
OF_MMPOSE = {**SCHEDULE, "epochs": 210, "lr": 5e-4, "milestones": [170, 200]}
W48 = {"model": "teacher_tokenpose_l", "init": "imagenet", "batch_size": 512, "augmentation": OF_W48}
STEMNET = {"model": "teacher_stemnet", "init": "fresh", "batch_size": 512, "augmentation": AUGMENTATION}
R50 = {"model": "simplebaseline_r50", "init": "imagenet", "batch_size": 512, "augmentation": OF_W48}


def off(*terms: str) -> dict[str, Any]:
    return {name: weight for name, weight in FULL.items() if name not in terms}


# row: model, its start, its batch, its losses, its teacher, the paper's AP
DISTILPOSE = {
    "losses": {
        "none": ("distilpose_s", "fresh", 512, NONE, None, 56.0),
        "none, batch 256": ("distilpose_s", "fresh", 256, NONE, None, None),
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
        "stemnet, no teacher, batch 256": ("distilpose_s", "fresh", 256, NONE, None, None),
        "stemnet, taught by stemnet": ("distilpose_s", "fresh", 256, FULL, STEMNET, 63.6),
        "stemnet, taught by HRNet-W48": ("distilpose_s", "fresh", 256, FULL, W48, 71.6),
        "HRNet-W48-stage3, no teacher": ("distilpose_l", "imagenet", 512, NONE, None, 63.0),
        "HRNet-W48-stage3, no teacher, batch 256": ("distilpose_l", "imagenet", 256, NONE, None, None),
        "HRNet-W48-stage3, taught by stemnet": ("distilpose_l", "imagenet", 256, FULL, STEMNET, 66.8),
        "HRNet-W48-stage3, taught by HRNet-W48": ("distilpose_l", "teacher_backbone", 256, FULL, W48, 74.4),
    },
    "generalisation": {
        "DeepPose": ("deeppose_r50", "imagenet", 512, NONE, None, 52.6),
        "DeepPose with simulated heatmaps": ("deeppose_r50", "imagenet", 512, off("KT", "VT"), R50, 59.7),
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
# The main table's architectures. TransPose's augmentation is HRNet's; PRTR's recipes are of its configurations at
# 384x288, RLE's of its one configuration.
OF_HRNET = {**SCHEDULE, "epochs": 210, "cards": 4, "warmup_steps": 0, "milestones": [170, 200]}
UNSHIFTED = {**AUGMENTATION, "shift": 0.0}
WHOLE = {**UNSHIFTED, "half_body": 0.0, "rotation": 40.0, "scale": 0.3}
OF_RLE = {**UNSHIFTED, "half_body_joints": 3, "scale": 0.25, "rotation_p": 0.5}
FOR_140 = {**OF_HRNET, "epochs": 140, "milestones": [90, 120]}
FOR_230 = {**OF_HRNET, "epochs": 230, "lr": 1e-4, "milestones": [100, 150, 200, 220], "gamma": 0.25}
FOR_240 = {**FOR_230, "epochs": 240}
OF_PRTR = {**OF_HRNET, "epochs": 200, "lr": 1e-4, "gamma": 0.5}
OF_PRTR_R50 = {**OF_PRTR, "milestones": [120, 140], "backbone_lr_mult": 0.1}
OF_PRTR_W32 = {**OF_PRTR, "milestones": [70, 95]}
FOR_270 = {**OF_HRNET, "epochs": 270, "cards": 8}
HEATMAP = {"heatmap": 1.0}
# row: model, its start, its batch, its losses, its schedule, its augmentation, the published AP
COMPARISON = {
    "SimpleBaseline, ResNet-50": ("simplebaseline_r50", "imagenet", 128, HEATMAP, FOR_140, WHOLE, 70.4),
    "SimpleBaseline, ResNet-101": ("simplebaseline_r101", "imagenet", 128, HEATMAP, FOR_140, WHOLE, 71.4),
    "SimpleBaseline, ResNet-152": ("simplebaseline_r152", "imagenet", 128, HEATMAP, FOR_140, WHOLE, 72.0),
    "HRNet-W32": ("hrnet_w32", "imagenet", 128, HEATMAP, OF_HRNET, UNSHIFTED, 74.4),
    "HRNet-W48": ("hrnet_w48", "imagenet", 128, HEATMAP, OF_HRNET, UNSHIFTED, 75.1),
    "TokenPose-S": (
        "tokenpose_s", "fresh", 128, HEATMAP, {**OF_HRNET, "epochs": 300, "milestones": [200, 260]}, UNSHIFTED, 72.5,
    ),
    "TransPose-R-A3": ("transpose_r_a3", "imagenet", 80, HEATMAP, FOR_230, UNSHIFTED, 71.5),
    "TransPose-R-A4": ("transpose_r_a4", "imagenet", 80, HEATMAP, FOR_230, UNSHIFTED, 72.6),
    "TransPose-H-W32-A4": ("transpose_h_w32_a4", "imagenet", 80, HEATMAP, FOR_240, UNSHIFTED, 74.2),
    "TransPose-H-W48-A4": ("transpose_h_w48_a4", "imagenet", 80, HEATMAP, FOR_240, UNSHIFTED, 75.3),
    "TransPose-H-W48-A6": ("transpose_h_w48_a6", "imagenet", 80, HEATMAP, FOR_240, UNSHIFTED, 75.8),
    "DeepPose": ("deeppose_r50", "imagenet", 512, NONE, OF_MMPOSE, OF_W48, 52.6),
    "PRTR, ResNet-50": ("prtr_r50", "imagenet", 128, {"PRTR": 1.0}, OF_PRTR_R50, WHOLE, 63.7),
    "PRTR, HRNet-W32": ("prtr_w32", "imagenet", 64, {"PRTR": 1.0}, OF_PRTR_W32, WHOLE, 72.9),
    "RLE, ResNet-50": ("rle_r50", "imagenet", 256, {"RLE": 1.0}, FOR_270, OF_RLE, 70.5),
    "RLE, HRNet-W48": ("rle_w48", "imagenet", 256, {"RLE": 1.0}, FOR_270, OF_RLE, 74.2),
    "DistilPose-S": ("distilpose_s", "fresh", 256, FULL, SCHEDULE, AUGMENTATION, 71.6),
    "DistilPose-L": ("distilpose_l", "teacher_backbone", 256, FULL, SCHEDULE, AUGMENTATION, 74.4),
}  # fmt: skip
# row: its losses, and how the name of its teacher's configuration begins
UNDER_HEATMAPS, SIMCC = {"reg": 1.0, "SH": 1.0, "CS": 1e-2}, {"SimCC": 64.0}
UNDER_LINES = {**SIMCC, "DWPose": 0.1}
TEACHERS = {
    "no teacher": (NONE, None),
    "under HRNet-W32 (74.6)": (UNDER_HEATMAPS, "td-hm_hrnet-w32_8xb64-210e"),
    "under HRNet-W48 (75.6)": (UNDER_HEATMAPS, "td-hm_hrnet-w48_8xb32-210e"),
    "under ViTPose-S (73.9)": (UNDER_HEATMAPS, "td-hm_ViTPose-small_8xb64-210e"),
    "under ViTPose-B (75.7)": (UNDER_HEATMAPS, "td-hm_ViTPose-base_8xb64-210e"),
    "SimCC, no teacher": (SIMCC, None),
    "SimCC under HRNet-W48 (75.6)": (UNDER_LINES, "td-hm_hrnet-w48_8xb32-210e"),
    "SimCC under RTMPose-m (74.6)": (UNDER_LINES, "rtmpose-m_8xb256-420e"),
    "SimCC under RTMPose-l (75.8)": (UNDER_LINES, "rtmpose-l_8xb256-420e"),
}


def rows_of(sweep: str) -> dict[str, tuple[Recipe, dict[str, float]]]:
    return {row.name: (row.recipe, row.paper) for row in read_profile(sweep, "paper").rows}


def assert_published(
    recipe: Recipe, augmentation: dict[str, Any] = AUGMENTATION, schedule: dict[str, Any] = SCHEDULE
) -> None:
    """What every row of every table shares."""
    assert recipe.input_size == (192, 256)
    assert recipe.precision == "fp32"
    assert (recipe.data.train, recipe.data.val) == ("train2017", "val2017")
    assert to_json(recipe.augmentation) == augmentation
    assert to_json(recipe.schedule) == {**schedule, "batch_size": recipe.schedule.batch_size}
    assert recipe.evaluation.flip_test
    assert recipe.evaluation.best_by.title == "AP"
    assert recipe.evaluation.boxes == "person_detection_results/COCO_val2017_detections_AP_H_56_person.json"
    assert recipe.student.chosen.keys() <= {"cycles", "head"}


@pytest.mark.parametrize("sweep", DISTILPOSE)
def test_every_row_of_distilposes_tables_is_trained_as_published(sweep: str) -> None:
    rows = rows_of(sweep)
    assert list(rows) == list(DISTILPOSE[sweep])
    shared = (OF_W48, OF_MMPOSE) if sweep == "generalisation" else (AUGMENTATION, SCHEDULE)
    for name, (model, init, batch, losses, teacher, ap) in DISTILPOSE[sweep].items():
        recipe, paper = rows[name]
        assert_published(recipe, *shared)
        assert (recipe.student.model, recipe.student.init, recipe.schedule.batch_size) == (model, init, batch), name
        assert {use.name: use.weight for use in recipe.losses} == losses, name
        assert paper == ({} if ap is None else {"AP": ap})
        assert recipe.uses_teacher == (teacher is not None), name
        if teacher is not None:
            trained = recipe.teacher_run(0)
            assert to_json(trained.augmentation) == teacher["augmentation"]
            assert to_json(trained.schedule) == {**shared[1], "batch_size": teacher["batch_size"]}
            assert (trained.model.model, trained.model.init) == (teacher["model"], teacher["init"])
            assert trained.model.chosen == {}


def test_every_sdpose_and_its_tokenpose_is_trained_as_published() -> None:
    rows = rows_of("sdpose")
    assert [name for name in rows if "," not in name] == list(SDPOSE)
    for name, (model, cycles, init, batch, tokens, ap) in SDPOSE.items():
        recipe, paper = rows[name]
        assert_published(recipe, OF_SDPOSE)
        assert (recipe.student.model, recipe.student.init, recipe.schedule.batch_size) == (model, init, batch), name
        assert recipe.student.get("cycles") == cycles
        expected = {"heatmap": 1.0, "KT": tokens, "VT": tokens, "stop_gradient": False}
        assert to_json(recipe.circulation) == expected
        assert paper == ({} if ap is None else {"AP": ap})


def test_every_architecture_of_the_main_table_is_trained_as_published() -> None:
    rows = rows_of("comparison")
    assert list(rows) == list(COMPARISON)
    for name, (model, init, batch, losses, schedule, augmentation, ap) in COMPARISON.items():
        recipe, paper = rows[name]
        assert_published(recipe, augmentation, schedule)
        assert (recipe.student.model, recipe.student.init, recipe.schedule.batch_size) == (model, init, batch), name
        assert {use.name: use.weight for use in recipe.losses} == losses, name
        assert paper == {"AP": ap}
        prtr = model.startswith("prtr")
        assert (recipe.optimizer.name, recipe.optimizer.weight_decay, recipe.clip_grad_norm) == (
            ("adamw", 1e-4, 0.1) if prtr else ("adam", 0, None)
        )
    assert dict(rows["RLE, ResNet-50"][0].losses.get("RLE").options)["form"] == "official"
    taught, _ = rows_of("losses")["all"]
    for name in ("DistilPose-S", "DistilPose-L"):
        assert rows[name][0].teacher == taught.teacher


def test_every_row_under_a_teacher_that_comes_trained_is_trained_as_distilpose() -> None:
    rows = rows_of("teachers")
    assert list(rows) == list(TEACHERS)
    for name, (losses, teacher) in TEACHERS.items():
        recipe, paper = rows[name]
        assert_published(recipe)
        assert (recipe.student.model, recipe.student.init, recipe.schedule.batch_size) == ("distilpose_s", "fresh", 256)
        assert {use.name: use.weight for use in recipe.losses} == losses, name
        assert paper == {}
        given = recipe.given_teacher
        assert (given is None) == (teacher is None), name
        if given is not None:
            assert given.config.rpartition("/")[2].startswith(f"{teacher}_coco-256x192")
            assert given.checkpoint.partition("/")[2].startswith(f"{teacher.partition('_8xb')[0]}_")


@pytest.mark.parametrize("sweep", ["losses", "teacher_student"])
def test_the_control_of_a_paper_profile_is_the_untaught_row_in_the_batches_of_the_taught_and_no_baseline(
    sweep: str,
) -> None:
    profile = read_profile(sweep, "paper")
    rows = {row.name: row for row in profile.rows}
    controls = [name for name in rows if name.endswith(", batch 256")]
    assert controls
    for name in controls:
        control, published = rows[name].recipe, rows[name.removesuffix(", batch 256")].recipe
        assert dataclasses.replace(control, schedule=published.schedule) == published
        assert control.schedule == profile.rows[-1].recipe.schedule
    assert {profile.baseline, *(row.baseline for row in profile.rows)}.isdisjoint(controls)


@pytest.mark.parametrize(
    "sweep",
    [
        *("losses", "teacher_student", "generalisation", "sdpose", "defects", "precision", "search_alphas", "methods"),
        *("comparison", "teachers"),
    ],
)
def test_no_small_profile_inherits_the_augmentation_or_the_cards_of_the_published_recipe(sweep: str) -> None:
    for name, profile in read_sweep(find_sweep(sweep)).profiles.items():
        if name.startswith(("paper", "lspet-gpu", "crowdpose")):
            continue
        for row in profile.rows:
            recipes = [row.recipe] + ([row.recipe.trained_teacher] if row.recipe.trained_teacher else [])
            for recipe in recipes:
                assert recipe.augmentation.scale < 0.35, (name, row.name)
                assert recipe.augmentation.shift == 0, (name, row.name)
                assert recipe.schedule.cards == 1, (name, row.name)
                heatmaps = recipe.losses is None or "heatmap" in [use.name for use in recipe.losses]
                assert recipe.schedule.lr in ((1e-3, 2e-3) if heatmaps else (1e-3,)), (name, row.name)


def test_the_rows_of_the_defects_differ_from_the_full_method_by_defects_alone() -> None:
    full, _ = rows_of("losses")["all"]
    rows = rows_of("defects")
    of_rle = {name: dict(rows.pop(name)[0].losses.get("RLE").options) for name in list(rows) if name.startswith("RLE")}
    assert of_rle == {"RLE put right": {"form": "mmpose"}, "RLE as in its authors' code": {"form": "official"}}
    assert rows["all put right"][0] == full
    defects = {
        "SH form": lambda recipe: dict(recipe.losses.get("SH").options)["form"],
        "CS cell": lambda recipe: dict(recipe.losses.get("CS").options)["cell"],
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


@pytest.mark.parametrize(
    "sweep", ["losses", "teacher_student", "generalisation", "sdpose", "defects", "precision", "methods", "comparison"]
)
def test_the_head_of_a_sweep_gives_the_one_command_for_the_paper(sweep: str) -> None:
    head = find_sweep(sweep).read_text().partition("\nsweep:")[0]
    assert f"distilpose launch {sweep} --profile paper --data data/coco" in head


@pytest.mark.parametrize("profile", ["tiny", "lspet", "lspet-gpu", "paper"])
def test_methods_differ_by_student_and_teaching_alone(profile: str) -> None:
    rows = {row.name: row.recipe for row in read_profile("methods", profile).rows}
    assert len(rows) == 20
    first = rows["regression"]
    again = rows.pop("SimCC + DWPose, 2 stages")
    assert again.row_teacher == rows["SimCC + DWPose"]
    assert 3 < again.row_teacher.schedule.epochs / again.schedule.epochs <= 5
    for recipe in rows.values():
        shared = {"student": first.student, "losses": first.losses, "circulation": first.circulation}
        if first.start is not None and recipe.student.head == "heatmap":  # what the others start from has no start
            assert recipe.start is None
            shared |= {"start": first.start, "schedule": first.schedule}
        assert dataclasses.replace(recipe, **shared) == first
        assert recipe.uses_teacher == any(use.asks and "teacher" in " ".join(use.asks) for use in recipe.losses)
    trunks = {
        name: tuple(
            getattr(recipe.student.spec(), size) for size in ("backbone", "width", "dim", "depth", "heads", "patch")
        )
        for name, recipe in rows.items()
    }
    assert len(set(trunks.values())) == 1, trunks
