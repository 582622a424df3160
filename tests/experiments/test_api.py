"""The suite as a notebook uses it."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer
from PIL import Image
from small_sweeps import MINI

import distilpose as dp
from distilpose.data.coco import PoseData
from experiments.cli.options import INTERRUPTED
from experiments.plan.plan import Plan
from experiments.runs.atomic import json_text
from experiments.runs.store import Store


@pytest.fixture
def results(runs: tuple[Store, Plan]) -> dp.Results:
    return dp.results(runs[0].root, "mini")


def test_importing_it_imports_nothing_heavy() -> None:
    heavy = "('torch', 'pandas', 'numpy', 'wandb')"
    code = f"import sys, distilpose; print(distilpose.__version__, [name for name in {heavy} if name in sys.modules])"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.split() == [dp.__version__, "[]"]


def test_results_are_a_table_of_runs_with_their_recipes_and_metrics(results: dp.Results) -> None:
    assert isinstance(results, pd.DataFrame)
    assert list(results.row.unique()) == ["none", "all"]
    assert (results.state == "finished").all()
    assert list(results.AP) == [25.0] * len(results)
    assert set(results["schedule.epochs"]) == {2}
    assert results.set_index("row").loc["all", "losses.KT.weight"].max() == 5e-4
    assert len(results[results.row == "all"].curves()) == 0  # nobody trained them


def test_predictions_are_those_of_the_chosen_runs(results: dp.Results, runs: tuple[Store, Plan]) -> None:
    person = {"image_id": 1, "category_id": 1, "keypoints": [1.0, 2.0, 0.5] * 17, "score": 0.5}
    for run_id in results.run_id:
        runs[0].run(run_id).predictions.write_text(json_text([person]))
    chosen = results[results.row == "all"]
    assert len(chosen.predictions()) == len(chosen)
    assert set(chosen.predictions().run_id) == set(chosen.run_id)
    assert len(results.predictions().keypoints[0]) == 51


def test_two_rows_are_compared_by_name(results: dp.Results) -> None:
    found = results.compare("all", "none")
    assert (found.metric, found.difference) == ("AP", 0.0)
    with pytest.raises(ValueError, match="row 'al': there is no such row; rows are none, all"):
        results.compare("al", "none")


def test_what_was_never_launched_has_no_results(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no plan of mine \(tiny\)"):
        dp.results(tmp_path, "mine.tiny")


def test_a_plan_is_a_table(tmp_path: Path) -> None:
    (tmp_path / "mini.yaml").write_text(MINI)
    plan = dp.plan(tmp_path / "mini.yaml", runs=tmp_path / "runs")
    assert list(plan.role) == ["teacher", "student", "student"]
    assert set(plan.state) == {"planned"}
    (tmp_path / "mini.yaml").write_text(MINI.replace("epochs: 2", "epochs: 0"))
    with pytest.raises(ValueError, match="epochs"):
        dp.plan(tmp_path / "mini.yaml", runs=tmp_path / "runs")


def test_a_launch_trains_what_lacks_and_returns_the_results(tmp_path: Path) -> None:
    (tmp_path / "mini.yaml").write_text(MINI)
    results = dp.launch(tmp_path / "mini.yaml", runs=tmp_path / "runs", device="cpu")
    assert list(results.state) == ["finished", "finished"]
    assert {"val/AP", "train/loss"} <= set(results.curves().metric)


def test_an_interrupted_launch_is_a_keyboard_interrupt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise typer.Exit(INTERRUPTED)

    monkeypatch.setattr("experiments.cli.launch.launch", interrupted)
    (tmp_path / "mini.yaml").write_text(MINI)
    with pytest.raises(KeyboardInterrupt):
        dp.launch(tmp_path / "mini.yaml", runs=tmp_path / "runs")


class TestModel:
    @pytest.fixture
    def model(self, results: dp.Results, runs: tuple[Store, Plan]) -> dp.Model:
        return dp.load(results.run_id[0], runs=runs[0].root, device="cpu")

    def test_files_arrays_and_pil_pictures_give_the_same_poses(self, model: dp.Model, people: PoseData) -> None:
        file = people.images[0].path
        with Image.open(file) as opened:
            picture = opened.convert("RGB")
        found = [model.predict(one) for one in (file, str(file), picture, np.asarray(picture))]
        for poses in found:
            np.testing.assert_array_equal(poses.keypoints, found[0].keypoints)
        (again,) = model.predict([file])
        np.testing.assert_array_equal(again.keypoints, found[0].keypoints)

    def test_poses_are_of_the_boxes_and_draw_themselves(self, model: dp.Model, people: PoseData) -> None:
        file = people.images[0].path
        poses = model.predict(file, boxes=[[0, 0, 60, 90], [20, 30, 50, 70]])
        assert poses.keypoints.shape[1:] == (17, 3)
        assert 1 <= len(poses.boxes) <= 2  # of two poses alike the better stays
        assert poses.picture().size == people.images[0].size
        assert poses._repr_png_().startswith(b"\x89PNG")

    @pytest.mark.parametrize(
        ("image", "boxes", "told"),
        [
            ("gone.jpg", None, "gone.jpg: must be a readable picture"),
            (np.zeros((4, 4)), None, r"image: must be an RGB array .* got float64 \(4, 4\)"),
            (np.zeros((4, 4, 3), np.uint8), [1, 2, 3, 4], r"boxes: must be \[people, 4\]"),
            ([np.zeros((4, 4, 3), np.uint8)], [], "boxes: must be as many as pictures, 1, got 0"),
        ],
    )
    def test_what_is_wrong_is_named(self, model: dp.Model, image: object, boxes: object, told: str) -> None:
        with pytest.raises(ValueError, match=told):
            model.predict(image, boxes)  # type: ignore[arg-type]


def test_a_run_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="run abcdef: there is no such run"):
        dp.load("abcdef", runs=tmp_path)
