"""What models of recipes cost: asked once of each kind, kept beside the runs, and never a plan's end."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import Said
from small_sweeps import MINI
from torch import Tensor, nn

from distilpose.models import builders, measure
from distilpose.models.published import MODELS
from experiments.plan import model_costs
from experiments.plan.model_costs import FILE, ModelCosts
from experiments.plan.plan import Plan
from experiments.runs.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store whose folder is there: a plan makes none."""
    (tmp_path / "runs").mkdir()
    return Store(tmp_path / "runs")


@pytest.fixture
def recipe(plan: Plan) -> dict[str, object]:
    """A student's recipe."""
    return dict(plan.runs[plan.rows[0].runs[0].run_id].recipe)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[nn.Module]:
    """The models whose multiply-adds were counted."""
    models: list[nn.Module] = []
    count = measure.count_costs

    def counting(model: nn.Module, *arguments: object, **options: object) -> object:
        models.append(model)
        return count(model, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(measure, "count_costs", counting)
    return models


def test_a_kind_is_asked_once_and_kept_beside_the_runs(
    store: Store, recipe: dict[str, object], asked: list[nn.Module]
) -> None:
    models = ModelCosts(store)
    first = models.gmacs(recipe)
    assert first == models.gmacs({**recipe, "seed": 7}) == ModelCosts(store).gmacs(recipe)
    assert len(asked) == 1
    assert models.gmacs({**recipe, "input_size": (96, 128)}) != first
    assert models.memory(recipe, people=4, trains=True) == ModelCosts(store).memory(recipe, people=4, trains=True)


def test_answers_of_other_code_or_of_a_damaged_file_are_not_believed(
    store: Store, recipe: dict[str, object], asked: list[nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    answer = ModelCosts(store).gmacs(recipe)
    monkeypatch.setattr(model_costs, "_code", lambda: "another")
    assert ModelCosts(store).gmacs(recipe) == answer
    (store.root / FILE).write_text("{")
    assert ModelCosts(store).gmacs(recipe) == answer
    assert len(asked) == 3


def test_answers_of_two_processes_are_both_kept(store: Store, recipe: dict[str, object]) -> None:
    one, other = ModelCosts(store), ModelCosts(store)
    one.gmacs(recipe)
    other.memory(recipe, people=4, trains=False)
    assert len(json.loads((store.root / FILE).read_text())["answers"]) == 2


class Mine(nn.Module):
    """A backbone of a quarter of the image."""

    def __init__(self, *, reads_numbers: bool) -> None:
        super().__init__()
        self.convolution, self.reads_numbers = nn.Conv2d(3, 8, 4, stride=4), reads_numbers

    def forward(self, images: Tensor) -> Tensor:
        features: Tensor = self.convolution(images)
        return features * features.max().item() if self.reads_numbers else features


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A sweep of a student with a backbone that nobody but its builder knows."""
    spec = replace(MODELS["distilpose_s"], name="mine", backbone="mine", width=8)  # type: ignore[arg-type]
    monkeypatch.setitem(MODELS, "mine", spec)
    sweep = tmp_path / "mine.yaml"
    sweep.write_text(MINI.replace("student: {model: distilpose_s", "student: {model: mine"))
    return sweep


@pytest.mark.parametrize("reads_numbers", [False, True])
def test_a_plan_of_a_new_backbone_says_what_it_costs_or_that_it_is_unknown(
    mine: Path,
    reads_numbers: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    distilpose: Callable[..., Said],
) -> None:
    build = builders._backbone
    ours = lambda spec, own: (Mine(reads_numbers=reads_numbers), 8) if spec.backbone == "mine" else build(spec, own)  # noqa: E731
    monkeypatch.setattr(builders, "_backbone", ours)
    code, out, err = distilpose("plan", mine, "--runs", tmp_path / "runs")
    assert code == 0, err
    assert ("2 runs of unknown cost" in " ".join(out.split())) == reads_numbers
    code, out, err = distilpose("plan", mine, "--runs", tmp_path / "runs", "--json")
    costs = [run["seconds"] for run in json.loads(out)["cost"]["runs"].values()]
    assert sum(seconds is None for seconds in costs) == 2 * reads_numbers


def test_a_plan_of_a_model_that_cannot_be_built_is_one_of_unknown_cost(
    mine: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    distilpose: Callable[..., Said],
    caplog: pytest.LogCaptureFixture,
) -> None:
    build, parts = builders._backbone, {"stemnet": 0}
    monkeypatch.setattr(
        builders, "_backbone", lambda spec, own: build(spec, own) if parts[spec.backbone] == 0 else None
    )
    code, out, err = distilpose("plan", mine, "--runs", tmp_path / "runs")
    assert code == 0, err
    assert "2 runs of unknown cost" in " ".join(out.split())
    assert "KeyError: 'mine'" in caplog.text
