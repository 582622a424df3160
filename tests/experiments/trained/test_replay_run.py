"""A run replayed: the same numbers from what was recorded, and what differs said."""

import json
from pathlib import Path

import pytest
from small_sweeps import MINI

from experiments.build.data import data_facts, data_root, prepare
from experiments.launch.inline import InlineLauncher
from experiments.launch.records import LaunchSettings
from experiments.launch.scheduler import launch_plan
from experiments.plan.plan import Plan, make_plan
from experiments.runs.atomic import json_text
from experiments.runs.store import RunDir, Store
from experiments.sweep.sweep_file import read_sweep
from experiments.train.run import FINISHED, run_job
from experiments.trained.replay import TOLERANCE, compare, make_ready


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Plan, Store]:
    """Two students in one cohort and their teacher, trained."""
    folder = tmp_path_factory.mktemp("done")
    file, runs = folder / "mini.yaml", folder / "runs"
    file.write_text(MINI)
    sweep = read_sweep(file).profile()
    prepare(sweep.rows[0].recipe.data, root=None, runs=runs)
    plan = make_plan(sweep, lambda data, boxes: data_facts(data, boxes, root=None, runs=runs))
    settings = LaunchSettings(data_root=lambda data: data_root(data, root=None, runs=runs), poll_seconds=0.01)
    assert launch_plan(plan, Store(runs), InlineLauncher(), settings).complete
    return plan, Store(runs)


@pytest.fixture
def student(done: tuple[Plan, Store]) -> RunDir:
    plan, store = done
    return store.run(next(row for row in plan.rows if row.name == "all").runs[0].run_id)


def content(run: RunDir) -> dict[str, bytes]:
    return {str(path.relative_to(run.path)): path.read_bytes() for path in run.path.rglob("*") if path.is_file()}


def test_a_student_of_a_cohort_replays_alone_to_the_last_bit(done: tuple[Plan, Store], student: RunDir) -> None:
    _, store = done
    before = content(student)
    ready = make_ready(store, student.run_id)
    assert ready.again.path.parent == store.root / "replays" / f"{student.run_id}-1"
    assert run_job(ready.job) == FINISHED
    found = compare(student, ready.again)
    assert found.equal
    assert found.agrees
    assert found.tolerance == 0.0
    assert found.weights_equal is True
    assert found.parted is None
    assert found.environment == {}
    assert content(student) == before
    assert make_ready(store, student.run_id).again.path.parent.name == f"{student.run_id}-2"


def test_a_result_says_what_it_cost_and_how_it_was_told_to_run(student: RunDir) -> None:
    result = student.result()
    assert result is not None
    assert result.cpu_seconds > 0
    assert result.gpu_seconds == 0.0
    assert result.provenance["job"]["sweep"] == "mini"
    assert Path(result.provenance["job"]["data_root"]).is_dir()


def rewritten(run: RunDir, place: Path, **changes: object) -> RunDir:
    """A copy of a run's result and journal elsewhere, the result changed."""
    other = Store(place).run(run.run_id)
    other.path.mkdir(parents=True)
    result = run.result()
    assert result is not None
    (other.path / "result.json").write_text(json_text({**result.json(), **changes}))
    (other.path / "journal.jsonl").write_bytes((run.path / "journal.jsonl").read_bytes())
    return other


def test_another_machine_is_named_and_given_some_tolerance(student: RunDir, tmp_path: Path) -> None:
    result = student.result()
    assert result is not None
    origin = {**result.provenance, "cpu": "another", "packages": {**result.provenance["packages"], "torch": "0"}}
    near = {**result.metrics, "AP": result.metrics["AP"] + TOLERANCE / 2}
    found = compare(student, rewritten(student, tmp_path, metrics=near, provenance=origin))
    assert found.environment.keys() == {"cpu", "packages.torch"}
    assert found.tolerance == TOLERANCE
    assert (found.equal, found.agrees, found.weights_equal) == (False, True, None)
    assert not compare(student, rewritten(student, tmp_path / "b", metrics=near)).agrees  # the same machine: none
    assert not compare(student, rewritten(student, tmp_path / "c", metrics=near, provenance=origin), tolerance=0).agrees


def test_the_first_measurement_that_differs_is_told(student: RunDir, tmp_path: Path) -> None:
    other = rewritten(student, tmp_path)
    lines = (other.path / "journal.jsonl").read_text().splitlines()
    events = [json.loads(line) for line in lines]
    last = next(event for event in reversed(events) if "train/loss" in event.get("values", {}))
    last["values"]["train/loss"] += 1e-6
    (other.path / "journal.jsonl").write_text("".join(f"{json.dumps(event)}\n" for event in events))
    found = compare(student, other)
    assert found.parted is not None
    assert found.parted[:2] == (last["step"], "train/loss")
    assert found.equal


def test_what_cannot_be_replayed_is_explained_before_anything_is_made(
    done: tuple[Plan, Store], student: RunDir, tmp_path: Path
) -> None:
    plan, store = done
    with pytest.raises(FileNotFoundError, match="no run c0ffee"):
        make_ready(store, "c0ffee")
    open_run = Store(tmp_path).run(student.run_id)
    open_run.write_spec(plan.runs[student.run_id].spec)
    with pytest.raises(ValueError, match="must be finished to be replayed, is planned"):
        make_ready(Store(tmp_path), student.run_id)
    rewritten(student, tmp_path / "alone")
    (tmp_path / "alone" / student.run_id / "run.json").write_bytes((student.path / "run.json").read_bytes())
    with pytest.raises(ValueError, match=r"run \w+: must be finished for what it teaches"):
        make_ready(Store(tmp_path / "alone"), student.run_id, tmp_path / "out")
    with pytest.raises(ValueError, match=r"--data nowhere: means nothing for run \w+, which is trained on synthetic"):
        make_ready(store, student.run_id, tmp_path / "out", data=Path("nowhere"))
    with pytest.raises(ValueError, match="must be a folder that is not there yet"):
        make_ready(store, student.run_id, tmp_path)
    assert not (tmp_path / "out").exists()
