"""From a run's id or a file to the trained model."""

from pathlib import Path

import pytest
import torch
from finished_runs import untrained_store
from small_sweeps import DATA_GONE

from distilpose.data.coco import PoseData
from distilpose.data.skeleton import COCO
from distilpose.models import build_model
from distilpose.training.checkpoint import save_weights
from experiments.plan import Plan
from experiments.store import Store
from experiments.weights import load_weights


def _student(plan: Plan) -> str:
    return next(row for row in plan.rows if row.name == "all").runs[0].run_id


def test_a_finished_run_carries_its_recipe_and_the_names_of_its_joints(runs: tuple[Store, Plan]) -> None:
    store, plan = runs
    loaded = load_weights(_student(plan), store=store)
    assert (loaded.name, loaded.joints, loaded.input_size) == ("all, seed 0", 17, (48, 64))
    assert loaded.skeleton == COCO
    assert loaded.recipe is not None
    assert not loaded.module.training
    begun = load_weights(_student(plan)[:8], store=store)
    assert begun.file == loaded.file


def test_weights_of_a_run_are_enough_without_the_store(runs: tuple[Store, Plan], tmp_path: Path) -> None:
    store, plan = runs
    inside = load_weights(_student(plan), store=store)
    alone = tmp_path / "mine.safetensors"
    alone.write_bytes(inside.file.read_bytes())
    outside = load_weights(str(alone), store=Store(tmp_path / "no runs"))
    images = torch.zeros(1, 3, 64, 48)
    assert torch.equal(outside.module(images).keypoints, inside.module(images).keypoints)
    assert (outside.skeleton, outside.input_size, outside.recipe) == (COCO, (48, 64), None)


def test_weights_that_say_nothing_take_the_joints_of_the_data_they_were_trained_on(
    tmp_path: Path, people: PoseData
) -> None:
    store, plan = untrained_store(tmp_path, DATA_GONE, people, said=False)
    assert load_weights(_student(plan), store=store).skeleton == COCO
    people_gone = {"cohort_id": "c0ffee", "data_root": str(tmp_path / "nowhere")}
    store.write_job(people_gone)
    loaded = load_weights(_student(plan), store=store)
    assert (loaded.skeleton, loaded.joints) == (None, 17)
    folder = people.annotation_file.parent.parent
    assert load_weights(_student(plan), store=store, data=folder).skeleton == COCO


@pytest.mark.parametrize(("score", "sigma"), [(True, True), (True, False), (False, True), (False, False)])
def test_a_bare_file_tells_joints_and_outputs_by_its_shapes(tmp_path: Path, score: bool, sigma: bool) -> None:
    model = build_model("distilpose_s", joints=5, score=score, sigma=sigma)
    save_weights(tmp_path / "bare.safetensors", model)
    loaded = load_weights(str(tmp_path / "bare.safetensors"), store=Store(tmp_path), model="distilpose_s")
    assert (loaded.joints, loaded.skeleton, loaded.input_size) == (5, None, (192, 256))


def test_what_cannot_be_loaded_is_said_in_one_line(runs: tuple[Store, Plan], tmp_path: Path) -> None:
    store, plan = runs
    student = _student(plan)
    (store.run(plan.teachers[0].run_id).path / "result.json").unlink()
    save_weights(tmp_path / "silent.safetensors", build_model("distilpose_s", width=4, dim=16, depth=1, heads=2))
    (tmp_path / "cut.safetensors").write_bytes(b"\xff" * 40)
    said = {
        (student[:-1] + "x" if student[-1] != "x" else "y", None): f"did you mean {student}?",
        ("..", None): "there is no such",
        ("gone.safetensors", None): "there is no such file",
        ("cut.safetensors", None): "is damaged",
        ("theirs.pth", None): "distilpose convert",
        ("silent.safetensors", None): "add --model",
        ("silent.safetensors", "deeppose_r51"): "did you mean deeppose_r50?",
        ("silent.safetensors", "deeppose_r50"): "are no weights of deeppose_r50",
        (plan.teachers[0].run_id, None): "must be finished",
        (student, "distilpose_s"): "leave --model out",
        (str(store.run(student).checkpoints / "weights.safetensors"), "base_stemnet"): "is of distilpose_s",
    }
    for (reference, model), rule in said.items():
        named = str(tmp_path / reference) if reference.endswith((".safetensors", ".pth")) else reference
        with pytest.raises(ValueError, match=r"^[^\n]*$") as error:
            load_weights(named, store=store, model=model)
        assert rule in str(error.value)
