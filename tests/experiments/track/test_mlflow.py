"""MLflow over a real wire: what a server has is held against the journals."""

import math
from pathlib import Path

import pytest
from conftest import Proxy
from made_up_runs import PLAN, measure

from experiments.track.mlflow import RUN_ID, MLflow
from experiments.track.replay import replay_sweep

pytestmark = pytest.mark.filterwarnings(
    "ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"
)


@pytest.fixture
def mlflow(mlflow_server, request, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    return MLflow(uri=mlflow_server.uri, experiment=request.node.name)


def told(store, service, **options):
    return {done.run_id: done.what for done in replay_sweep(store, PLAN, service, **options)}


def found(service):
    """The client, and the runs of the experiment by our id; the sweep's is None's."""
    client = service._client(live=True)
    experiment = client.get_experiment_by_name(service.experiment).experiment_id
    runs = client.search_runs([experiment])
    by_id = {run.data.tags.get(RUN_ID): run for run in runs}
    assert len(by_id) == len(runs), "a run is there twice"
    return client, by_id


def check_whole(run, service, tmp_path):
    client, by_id = found(service)
    shown = by_id[run.run_id]
    rows = run.metrics()
    for name, there in (("train/loss", "train/loss"), ("val/PCK@0.1", "val/PCK_0.1")):
        points = [(m.step, m.value) for m in client.get_metric_history(shown.info.run_id, there)]
        expected = [(row.step, row.values[name]) for row in rows]
        assert [step for step, _ in points] == [step for step, _ in expected]
        assert all(a == b or (math.isnan(a) and math.isnan(b)) for (_, a), (_, b) in zip(points, expected, strict=True))
    folder = Path(client.download_artifacts(shown.info.run_id, "pictures/skeleton", str(tmp_path)))
    pictures = {f"step-{p.step:08d}.png": (run.path / p.path).read_bytes() for p in run.picture_rows()}
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == pictures
    return shown


def test_every_number_and_picture_arrives_below_the_sweep(store, mlflow, tmp_path):
    assert told(store, mlflow) == {"teacher": "told", "student": "told", "later": "not begun"}
    teacher = check_whole(store.run("teacher"), mlflow, tmp_path / "teacher")
    student = check_whole(store.run("student"), mlflow, tmp_path / "student")
    _, by_id = found(mlflow)
    assert by_id.keys() == {None, "teacher", "student"}
    assert {run.data.tags["mlflow.parentRunId"] for run in (teacher, student)} == {by_id[None].info.run_id}
    assert by_id[None].data.tags["mlflow.runName"] == "mini.default"
    assert by_id[None].info.status == "FINISHED"
    assert (teacher.info.run_name, teacher.info.status) == ("teacher teacher_stemnet, seed 0", "FINISHED")
    assert (student.info.run_name, student.info.status) == ("all, seed 0", "KILLED")
    assert teacher.data.params["model.model"] == "teacher_stemnet"
    assert teacher.data.metrics["best/AP"] == 0.2


def test_weights_go_along_where_they_are_asked_for(store, mlflow, tmp_path):
    run = store.run("teacher")
    run.weights.parent.mkdir()
    run.weights.write_bytes(b"weights")
    told(store, MLflow(uri=mlflow.uri, experiment=mlflow.experiment, artifacts=True))
    client, by_id = found(mlflow)
    file = client.download_artifacts(by_id["teacher"].info.run_id, f"model/{run.weights.name}", str(tmp_path))
    assert Path(file).read_bytes() == b"weights"


def test_a_run_that_the_server_has_is_joined_and_what_was_added_arrives(store, mlflow, tmp_path):
    told(store, mlflow)
    assert told(store, mlflow)["student"] == "there"
    student = store.run("student")
    with student.journal() as journal:
        journal.start(attempt=3, step=4)
        measure(student, journal, [5])
        journal.finish()
    assert told(store, mlflow, again=True) == {"teacher": "told", "student": "told", "later": "not begun"}
    assert check_whole(student, mlflow, tmp_path / "student").info.status == "FINISHED"
    check_whole(store.run("teacher"), mlflow, tmp_path / "teacher")


def test_what_a_killed_process_lost_is_told_again(store, mlflow, killed, tmp_path):
    run = killed(f"mlflow:uri={mlflow.uri},experiment={mlflow.experiment}")
    assert told(store, mlflow)["later"] == "told"
    check_whole(run, mlflow, tmp_path / "later")


@pytest.mark.parametrize("status", [500, None])
def test_what_a_server_refuses_is_a_failure_and_told_again_arrives_once(store, mlflow, mlflow_server, tmp_path, status):
    proxy = Proxy(mlflow_server.port)
    hits = []

    def spoil(method, path, body):
        hits.extend([path] * ("log-batch" in path))
        return status if len(hits) > 1 else 0

    proxy.spoil = spoil
    spoilt = MLflow(uri=f"http://127.0.0.1:{proxy.port}", experiment=mlflow.experiment)
    assert "failed" in told(store, spoilt, together=1).values()
    proxy.calm()
    assert "failed" not in told(store, spoilt).values()
    for run_id in ("teacher", "student"):
        check_whole(store.run(run_id), mlflow, tmp_path / run_id)
    proxy.close()
