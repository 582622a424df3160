"""Teachers that come trained are tried before anything starts."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_mmpose import COORDINATES, HEATMAPS, write_teacher
from small_sweeps import MINI

from distilpose.heads.heatmap import HeatmapOutput
from distilpose.losses.use import Losses
from distilpose.synthetic.dataset import write_synthetic
from experiments.build.data import data_root, synthetic_spec
from experiments.runs.store import Store
from experiments.sweep.recipe import Recipe
from experiments.sweep.sweep_file import read_sweep
from experiments.train import try_models
from experiments.train.try_models import model_faults

pytest.importorskip("mmpose", reason="the extra mmpose is not installed")

SQUARE = MINI.replace("input_size: [48, 64]", "input_size: [64, 64]").replace("dim: 16,", "dim: 16, patch: [4, 4],")
TRAINED = "{model: teacher_stemnet, width: 4, dim: 16, patch: [4, 4], depth: 1, heads: 2}"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs with the synthetic people drawn."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "sweep.yaml").write_text(MINI)
    data = read_sweep(folder / "sweep.yaml").profile().rows[0].recipe.data
    write_synthetic(synthetic_spec(data), data_root(data, root=None, runs=folder))
    return folder


def _recipes(runs: Path, *, config: str = HEATMAPS, text: str = SQUARE) -> list[Recipe]:
    files = write_teacher(runs / "teacher", config=config)
    given = f"{{mmpose: {{config: {files[0]}, checkpoint: {files[1]}}}}}"
    (runs / "sweep.yaml").write_text(text.replace(TRAINED, given))
    return [row.recipe for row in read_sweep(runs / "sweep.yaml").profile().rows]


def _without_tokens(recipe: Recipe) -> Recipe:
    assert recipe.losses is not None
    return replace(recipe, losses=Losses(tuple(use for use in recipe.losses if use.name not in ("KT", "VT"))))


def test_losses_on_tokens_need_a_teacher_that_has_some(runs: Path) -> None:
    recipes = _recipes(runs)
    faults = model_faults(recipes, root=None, store=Store(runs))
    assert [fault.partition(":")[0] for fault in faults] == ["losses.KT", "losses.VT"]
    assert "the teacher has none" in faults[0]
    assert model_faults(map(_without_tokens, recipes), root=None, store=Store(runs)) == ()


def test_tokens_must_have_the_students_shape(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = _recipes(runs)[1]
    shape = try_models.model_shape_of(recipe.student, recipe.input_size)

    def taught(tokens: int) -> HeatmapOutput:
        return HeatmapOutput(torch.zeros(1), torch.zeros(1, tokens, shape.dim), torch.zeros(1), None)

    monkeypatch.setattr(try_models, "_taught", lambda *_, **__: taught(shape.visual_tokens))
    assert model_faults([recipe], root=None, store=Store(runs)) == ()
    monkeypatch.setattr(try_models, "_taught", lambda *_, **__: taught(3))
    assert f"got {shape.visual_tokens}x16 and 3x16" in model_faults([recipe], root=None, store=Store(runs))[0]


def test_a_model_that_cannot_teach_is_named_once(runs: Path) -> None:
    recipes = _recipes(runs, config=COORDINATES)
    faults = model_faults([*recipes, _without_tokens(recipes[1])], root=None, store=Store(runs))
    assert len(faults) == 1
    assert "must return heatmaps" in faults[0]


def test_rows_that_do_not_use_it_ask_nothing_of_it(runs: Path) -> None:
    none, _ = _recipes(runs, config=COORDINATES)
    assert model_faults([none], root=None, store=Store(runs)) == ()
