"""`distilpose eval` and `distilpose export`: one model, the same numbers however it is run."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command_line import Said
from finished_runs import untrained_store
from small_sweeps import MINI

from distilpose.data.coco import PoseData, load_pose_data
from distilpose.evaluation.evaluate import evaluate
from distilpose.evaluation.protocol import Protocol
from distilpose.synthetic.dataset import SyntheticSpec, write_synthetic
from experiments.plan.plan import Plan
from experiments.runs.store import Store
from experiments.trained.load import load_weights

Command = Callable[..., Said]
EXAMPLE = Path(__file__).resolve().parents[3] / "docs" / "examples" / "onnx_example.py"


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> PoseData:
    """Six synthetic people."""
    folder = tmp_path_factory.mktemp("people")
    write_synthetic(SyntheticSpec(train=1, val=6, seed=0), folder / "data")
    return load_pose_data(folder / "data", "val")


@pytest.fixture
def runs(tmp_path: Path, people: PoseData) -> tuple[Store, Plan]:
    sweep = MINI.replace("data: {synthetic: {train: 16, val: 6, seed: 0}}", "data: {root: data/people}")
    return untrained_store(tmp_path, sweep, people)


def data_of(people: PoseData) -> Path:
    return people.annotation_file.parent.parent


def student(plan: Plan) -> str:
    return next(row for row in plan.rows if row.name == "all").runs[0].run_id


def boxes_of(people: PoseData, folder: Path) -> Path:
    rows = [{"image_id": p.image_id, "category_id": 1, "bbox": list(p.bbox), "score": 0.5} for p in people.people]
    file = folder / "boxes.json"
    file.write_text(json.dumps(rows))
    return file


def test_a_run_a_file_the_api_and_onnx_give_the_same_results(
    distilpose: Command, runs: tuple[Store, Plan], people: PoseData, tmp_path: Path
) -> None:
    pytest.importorskip("onnx", reason="needs the extra export")
    store, plan = runs
    run_id, place = student(plan), ("--runs", store.root, "--device", "cpu")
    code, said, told = distilpose("export", run_id, *place[:2], "--out", tmp_path / "files", "--json")
    assert code == 0, told
    (exported,) = json.loads(said)["files"]
    assert exported["form"] == "ONNX, opset 18"
    assert max(exported["largest_difference"].values()) < 1e-5

    file = store.run(run_id).checkpoints / "weights.safetensors"
    data = ("--data", data_of(people), "--split", "val")
    forms = {"run": (run_id,), "file": ("--weights", file, *data), "onnx": ("--weights", exported["file"], *data)}
    results = {}
    for form, arguments in forms.items():
        code, said, told = distilpose("eval", *arguments, *place, "--out", tmp_path / form, "--json")
        assert code == 0, told
        (record,) = json.loads(said)
        assert record == json.loads((tmp_path / form / "metrics.json").read_text()) | {"files": record["files"]}
        results[form] = record["metrics"], json.loads((tmp_path / form / "results.json").read_text())

    loaded = load_weights(run_id, store=store)
    own = evaluate(loaded.module, people, input_size=loaded.input_size)
    for metrics, rows in results.values():
        assert metrics == own.metrics
        assert [row["image_id"] for row in rows] == [row["image_id"] for row in own.results]
        for row, mine in zip(rows, own.results, strict=True):
            assert row["keypoints"] == pytest.approx(mine["keypoints"], abs=1.001e-3)  # rounded to 1e-3 in the file
    other = evaluate(load_weights(exported["file"], store=store).module, people, input_size=loaded.input_size)
    np.testing.assert_allclose(other.keypoints, own.keypoints, atol=1e-3)
    check_the_example(Path(exported["file"]), people, loaded)


def check_the_example(exported: Path, people: PoseData, loaded) -> None:
    """The 20 lines that use the file without this package find what the package finds."""
    person = people.people[0]
    arguments = [sys.executable, str(EXAMPLE), str(exported), str(person.image), *map(str, person.bbox)]
    said = subprocess.run(arguments, check=True, capture_output=True, text=True).stdout
    found = np.array([line.split() for line in said.splitlines()], float)
    own = evaluate(loaded.module, people, input_size=loaded.input_size, protocol=Protocol(flip_test=None)).keypoints[0]
    np.testing.assert_allclose(found, own, atol=0.05)
    assert "distilpose" not in EXAMPLE.read_text()


def test_results_are_ready_to_submit_also_where_nobody_has_labelled(
    distilpose: Command, runs: tuple[Store, Plan], people: PoseData, tmp_path: Path
) -> None:
    store, plan = runs
    (tmp_path / "test" / "annotations").mkdir(parents=True)
    (tmp_path / "test" / "test2017").symlink_to(people.image_dir)
    images = json.loads(people.annotation_file.read_text())["images"]
    listed = tmp_path / "test" / "annotations" / "image_info_test-dev2017.json"
    listed.write_text(json.dumps({"images": images, "categories": [{"id": 1, "name": "person"}]}))
    arguments = ["eval", student(plan), "--runs", store.root, "--data", tmp_path / "test", "--split", "test-dev2017"]
    code, _, told = distilpose(*arguments, "--device", "cpu")
    assert (code, "test-dev2017 has no annotated boxes; name a detector's results with --boxes" in told) == (2, True)
    arguments += ["--boxes", boxes_of(people, tmp_path), "--device", "cpu", "--out", tmp_path / "out"]
    code, said, told = distilpose(*arguments)
    assert code == 0, told
    assert "no labels, so no metrics" in said
    archive = tmp_path / "out" / "person_keypoints_test-dev2017_all-seed-0_results.zip"
    with zipfile.ZipFile(archive) as opened:
        assert json.loads(opened.read(opened.namelist()[0])) == json.loads((tmp_path / "out/results.json").read_text())


def test_each_decoding_of_heatmaps_has_a_column_and_a_folder(
    distilpose: Command, runs: tuple[Store, Plan], people: PoseData, tmp_path: Path
) -> None:
    store, plan = runs
    code, said, told = distilpose(
        "eval", plan.teachers[0].run_id, "--runs", store.root, "--decoding", "dark", "--decoding", "none",
        "--boxes", boxes_of(people, tmp_path), "--no-flip", "--no-rescore", "--no-suppress", "--device", "cpu",
        "--out", tmp_path / "out",
    )  # fmt: skip
    assert code == 0, told
    assert said.splitlines()[0].split() == ["decoding", "dark", "none"]
    assert [line.split()[0] for line in said.splitlines()[1:3]] == ["AP", "AP50"]
    dark, none = (json.loads((tmp_path / "out" / name / "metrics.json").read_text()) for name in ("dark", "none"))
    assert (none["protocol"]["refinement"], none["protocol"]["flip_test"]) == ("none", None)
    assert (none["protocol"]["rescore_above"], none["protocol"]["suppress_above"]) == (None, None)
    assert dark["poses"] == none["poses"] == 6
    rows = [json.loads((tmp_path / "out" / name / "results.json").read_text()) for name in ("dark", "none")]
    assert {row["score"] for row in rows[0]} == {0.5}
    assert rows[0] != rows[1]


def test_a_metric_that_is_asked_for_is_measured_too_ones_own_among_them(
    distilpose: Command, runs: tuple[Store, Plan], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, plan = runs
    monkeypatch.chdir(tmp_path)
    own = "def count(keypoints):\n    return {'people': len(keypoints), 'twice': 2 * len(keypoints)}\n\n"
    Path("own.py").write_text(own + "\ncount.higher_is_better = True\n")
    asked = ("--metric", "EPE", "--metric", "AUC", "--metric", "own.py:count")
    code, said, told = distilpose("eval", student(plan), "--runs", store.root, "--device", "cpu", *asked)
    assert code == 0, told
    values = dict(line.split() for line in said.splitlines()[1:] if len(line.split()) == 2)
    assert (values["count"], values["count.twice"]) == ("6", "12")
    assert float(values["EPE"]) > 1
    assert 0 <= float(values["AUC"]) <= 100


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "say what to measure, a RUN_ID or --weights FILE, and not both"),
        (("RUN", "--weights", "a.safetensors"), "and not both"),
        (("--weights", "none.onnx"), "none.onnx: there is no such file of weights"),
        (("RUN", "--decoding", "darc"), "refinement: must be one of none, quarter, dark, got 'darc'"),
        (("RUN", "--flip-scores", "x"), "scores: must be one of swapped, official, got 'x'"),
        (("RUN", "--evaluator", "x"), "evaluator: must be one of pycocotools, faster, got 'x'"),
        (("RUN", "--metric", "PCKh@0.5"), "--metric PCKh@0.5: needs people with head_size, and val has none"),
        (("RUN", "--metric", "EPF"), "no such metric, did you mean EPE?"),
        (("RUN", "--boxes", "nowhere.json"), "--boxes must be gt or a file of COCO results, got 'nowhere.json'"),
        (("--weights", "FILE", "--data", "nowhere"), "--data nowhere: must be a folder with annotations/*.json"),
        (("--weights", "FILE"), "--data must name the folder of the data; only a run knows its own"),
    ],
)
def test_a_mistake_is_one_message(
    distilpose: Command, runs: tuple[Store, Plan], tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    store, plan = runs
    run_id = student(plan)
    names = {"RUN": run_id, "FILE": store.run(run_id).checkpoints / "weights.safetensors"}
    out = tmp_path / "out"
    code, said, told = distilpose(
        "eval", *(names.get(one, one) for one in arguments), "--runs", store.root, "--out", out
    )
    assert (code, said) == (2, "")
    assert message in told
    assert "Traceback" not in told
    assert not out.exists()


def test_an_exported_file_is_not_exported_again(distilpose: Command, tmp_path: Path) -> None:
    code, _, told = distilpose("export", tmp_path / "a.onnx")
    assert (code, "is exported already" in told) == (2, True)
