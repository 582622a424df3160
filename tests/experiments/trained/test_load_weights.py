"""From a run's id or a file to the trained model."""

import time
from pathlib import Path

import pytest
import torch
from finished_runs import untrained_store
from small_sweeps import DATA_GONE

from distilpose.data.coco import PoseData
from distilpose.data.skeleton import COCO
from distilpose.models import build_model
from distilpose.models.description import Description
from distilpose.training.checkpoint import save_weights
from experiments.plan.plan import Plan
from experiments.runs.store import Store
from experiments.trained.load import load_weights


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


def test_weights_of_a_run_that_name_no_model_are_refused(tmp_path: Path, people: PoseData) -> None:
    store, plan = untrained_store(tmp_path, DATA_GONE, people, said=False)
    with pytest.raises(ValueError, match=r"weights\.safetensors: does not say which model it is of; restore"):
        load_weights(_student(plan), store=store)


def test_a_file_that_names_no_model_is_of_a_published_one(tmp_path: Path) -> None:
    save_weights(tmp_path / "bare.safetensors", build_model("distilpose_s"))
    loaded = load_weights(str(tmp_path / "bare.safetensors"), store=Store(tmp_path), model="distilpose_s")
    assert (loaded.joints, loaded.skeleton, loaded.input_size) == (17, COCO, (192, 256))


SMALL = {"joints": 17, "input_size": (48, 64), "width": 4, "dim": 16, "depth": 1, "heads": 2}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"depth": 0}, "depth: must be at least 1, got 0"),
        ({"depth": 10**9}, "depth: must be at most 256"),
        ({"depth": True}, "depth: must be a whole number"),
        ({"depth": 256}, "are no weights of distilpose_s"),
        ({"dim": 10**9}, "dim: must be at most 2,048"),
        ({"dim": 10**400}, "dim: must be at most 2,048"),
        ({"dim": [1, 2]}, "dim: must be a whole number"),
        ({"dim": 2048, "depth": 256}, "are no weights of distilpose_s"),
        ({"dim": 18}, "its metadata: dim: must be a multiple of 4 and of heads"),
        ({"patch": 4}, "patch: must be a list of 2 numbers, got 4"),
        ({"patch": [1, 1], "input_size": [2048, 2048]}, "at most 16384 visual tokens, make 262144"),
        ({"input_size": 5}, "input_size: must be a list of 2 numbers"),
        ({"input_size": [400000, 400000]}, "input_size: must be at most 2,048"),
        ({"input_size": [48, 64, 3]}, "input_size: must be a list of 2 numbers"),
        ({"stem": 4}, "its metadata: stem: means nothing to distilpose_s"),
        ({"joints": 2}, "skeleton must name the model's 2 joints, names 17"),
        ({"score": 1}, "score: must be true or false, got 1"),
        ({"generator": 3}, "generator: means nothing to distilpose_s .valid: joints, .* got 3"),
    ],
)
def test_a_file_whose_notes_are_not_of_its_weights_is_refused_at_once(
    tmp_path: Path, options: dict[str, object], said: str
) -> None:
    file = tmp_path / "notes.safetensors"
    notes = Description(model="distilpose_s", options={**SMALL, **options}, skeleton=COCO).to_metadata()
    save_weights(file, build_model("distilpose_s", **SMALL), notes)  # type: ignore[arg-type]
    began = time.process_time()
    with pytest.raises(ValueError, match=rf"^[^\n]*notes\.safetensors: [^\n]*{said}[^\n]*$"):
        load_weights(str(file), store=Store(tmp_path))
    assert time.process_time() - began < 5


def test_a_model_in_notes_is_not_made_before_its_shapes_are_those_of_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "large.safetensors"
    notes = Description(model="distilpose_s", options=SMALL | {"depth": 2}).to_metadata()
    save_weights(file, build_model("distilpose_s", **SMALL), notes)  # type: ignore[arg-type]
    monkeypatch.setattr(Description, "build", lambda self: pytest.fail("made"))
    with pytest.raises(ValueError, match=r"are no weights of distilpose_s, 11 of them differ: encoder\.layers\.1"):
        load_weights(str(file), store=Store(tmp_path))


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
