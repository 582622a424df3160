"""A sweep told again from its journals, whatever happened to the process; read by W&B's own reader of its files."""

import json
import subprocess
import sys
import time

import pytest
from made_up_runs import PLAN, begin, measure, sweep_of
from wandb.util import get_core_path

from experiments.cli.main import main
from experiments.runs.atomic import json_text, write_whole
from experiments.runs.store import Store
from experiments.track.card import RunCard
from experiments.track.protocol import Process
from experiments.track.replay import outputs_of, replay_sweep
from experiments.track.sent import is_noted, journal_digest, note
from experiments.track.wandb.outputs import send_outputs
from experiments.track.wandb.tracker import Wandb


def told(store, **options):
    return {done.run_id: done.what for done in replay_sweep(store, PLAN, Wandb(mode="offline"), **options)}


def folders(run_dir):
    return sorted(run_dir.glob("wandb/offline-run-*"))


def inspected(folder):
    """The history and the last record of a folder as W&B's own reader prints them: what `wandb leet inspect` runs."""
    (file,) = folder.glob("*.wandb")
    command = [get_core_path(), "leet", "inspect", "--json", "--run-file", file, folder]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    records = [json.loads(line) for line in printed.splitlines()]
    ends = [record["exit"] for record in records if record["type"] == "exit"]
    return [record["history"]["item"] for record in records if record["type"] == "history"], ends


def test_every_step_and_picture_of_the_journals_is_told_and_wandbs_own_reader_finds_it(store):
    assert told(store) == {"teacher": "told", "student": "told", "later": "not begun"}
    for run_id, exit_code in (("teacher", 0), ("student", 143)):
        run = store.run(run_id)
        (folder,) = folders(run.path)
        history, (end,) = inspected(folder)
        rows, pictures = run.metrics(), run.picture_rows()
        assert [row["_step"] for row in history] == [row.step for row in rows]
        assert [row["train/loss"] for row in history] == [row.values["train/loss"] for row in rows]
        assert [row["_timestamp"] for row in history] == pytest.approx([row.time for row in rows], abs=1e-3)
        assert [row["pictures/skeleton.caption"] for row in history] == [picture.caption for picture in pictures]
        for row, picture in zip(history, pictures, strict=True):
            shown = folder / "files" / row["pictures/skeleton.path"]
            assert shown.read_bytes() == (run.path / picture.path).read_bytes()
        assert end.get("exit_code", 0) == exit_code


def test_what_is_there_is_not_told_again_and_what_was_added_is(store):
    told(store)
    assert told(store) == {"teacher": "there", "student": "there", "later": "not begun"}
    student = store.run("student")
    with student.journal() as journal:
        journal.start(attempt=3, step=4)
        measure(student, journal, [5])
        journal.finish()
    assert told(store) == {"teacher": "there", "student": "told", "later": "not begun"}
    assert len(folders(student.path)) == 2
    assert told(store, again=True) == {"teacher": "told", "student": "told", "later": "not begun"}


def test_a_picture_tidied_away_is_not_asked_for_and_one_that_cannot_be_read_is_a_failure(store):
    run = store.run("teacher")
    first, second = (run.path / picture.path for picture in run.picture_rows())
    first.unlink()
    assert told(store)["teacher"] == "told"
    second.write_bytes(b"no picture")
    with run.journal() as journal:
        measure(run, journal, [3])
        journal.finish()
    (done,) = (done for done in replay_sweep(store, PLAN, Wandb(mode="offline")) if done.run_id == "teacher")
    assert done.what == "failed"
    assert "a picture is left out (UnidentifiedImageError" in done.why


def test_what_a_killed_process_lost_is_told_again(store, killed):
    run = killed("wandb:offline")
    assert len(run.metrics()) == 9
    assert told(store)["later"] == "told"
    history, _ = inspected(folders(run.path)[-1])
    assert [row["_step"] for row in history] == list(range(1, 10))
    assert all("pictures/skeleton.path" in row for row in history)


def test_a_finished_run_brings_a_table_of_predictions_of_bounded_size(store):
    run = store.run("teacher")
    results = [
        {"image_id": n, "category_id": 1, "keypoints": [1.0, 2.0, 0.9, 3.0, 4.0, 0.1], "score": n / 500}
        for n in range(500)
    ]
    write_whole(run.predictions, json_text(results))
    told(store)
    (file,) = run.path.glob("wandb/offline-run-*/files/media/table/predictions*.table.json")
    table = json.loads(file.read_text())
    assert len(table["data"]) == 100
    assert {row[2] for row in table["data"]} == set(range(0, 500, 5))
    assert dict(zip(table["columns"], table["data"][1], strict=True)) == {
        "row": "teacher_stemnet",
        "seed": 0,
        "image": 5,
        "score": 0.01,
        "joints counted": 1,
        "mean joint score": 0.5,
        "least sure joint": 1,
        "keypoints": "[1.0, 2.0, 0.9, 3.0, 4.0, 0.1]",
    }


def test_a_students_weights_are_said_to_come_from_its_teachers(store, tmp_path):
    class Run:
        """Stands in for a W&B run that is online."""

        offline, calls = False, []

        def use_artifact(self, artifact):
            self.calls.append(("used", artifact.name, artifact.digest))

        def log_artifact(self, artifact):
            self.calls.append(("made", artifact.name, artifact.digest))

    for run_id in ("teacher", "student"):
        store.run(run_id).checkpoints.mkdir()
        (store.run(run_id).checkpoints / "weights.safetensors").write_bytes(run_id.encode())
    card = RunCard(run_id="teacher", name="teacher", config={"seed": 0})
    send_outputs(Run(), card, outputs_of(store.run("teacher"), None), 1, weights=True)
    card = RunCard(run_id="student", name="student", config={"seed": 1})
    outputs = outputs_of(store.run("student"), "teacher")
    send_outputs(Run(), card, outputs, 1, weights=False)
    assert len(Run.calls) == 1
    send_outputs(Run(), card, outputs, 1, weights=True)
    made, used, own = Run.calls
    assert (made[0], used[0], own[:2]) == ("made", "used", ("made", "weights-student"))
    assert made[1:] == used[1:]  # the same name and content are one artifact on W&B
    assert outputs_of(store.run("student"), "mmpose-abc").teacher is None


def test_a_run_that_went_on_since_is_sent_again(store):
    run = store.run("student")
    note(run.path, "here", journal_digest(run.path))
    assert is_noted(run.path, "here")
    assert not is_noted(run.path, "there")
    with run.journal() as journal:
        journal.start(attempt=3, step=4)
    assert not is_noted(run.path, "here")


def test_a_place_is_what_is_asked_for_or_what_the_environment_names(monkeypatch):
    for name in ("WANDB_PROJECT", "WANDB_ENTITY", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    assert Wandb(mode="online").place == "wandb/api.wandb.ai/-/distilpose"
    monkeypatch.setenv("WANDB_PROJECT", "poses")
    monkeypatch.setenv("WANDB_ENTITY", "us")
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org")
    assert Wandb(mode="online").place == "wandb/wandb.example.org/us/poses"
    assert Wandb(mode="online", project="other", entity="them").place == "wandb/wandb.example.org/them/other"


def test_a_run_that_trains_now_mirrors_itself(store):
    run = begin(store, "later", "student", "all")
    lease = run.claim()
    with run.journal(lease) as journal:
        journal.start(attempt=1, step=0)
    assert told(store)["later"] == "running"
    lease.release()
    assert told(store)["later"] == "told"


@pytest.fixture
def distilpose(monkeypatch, capfd, store, tmp_path):
    for name in ("WANDB_API_KEY", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))

    def run(*arguments):
        words = ["distilpose", *arguments, "mini", "--profile", "default", "--runs", str(store.root)]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as ending:
            main()
        out, err = capfd.readouterr()
        return int(ending.value.code or 0), out, err

    return run


def test_the_command_says_what_was_done_about_each_run(distilpose):
    code, out, err = distilpose("track", "replay", "wandb:offline")
    assert code == 0
    assert sorted(line.split()[:2] for line in out.splitlines()) == [
        ["not", "begun"],
        ["told", "student"],
        ["told", "teacher"],
    ]
    assert "2 told" in err
    code, out, _ = distilpose("track", "replay", "wandb:offline", "--json")
    assert json.loads(out)["counts"] == {"there": 2, "not begun": 1}


def test_without_a_key_or_a_server_one_message_and_exit_code_2(distilpose, monkeypatch):
    code, out, err = distilpose("wandb", "sync")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "wandb login" in err
    monkeypatch.setenv("WANDB_API_KEY", "k")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    for arguments in (
        ("wandb", "sync"),
        ("track", "replay", "wandb:online"),
        ("track", "replay", "mlflow:uri=http://127.0.0.1:9"),
    ):
        code, out, err = distilpose(*arguments)
        assert (code, out, len(err.splitlines())) == (2, "", 1)
        assert "out of reach" in err
    code, _, err = distilpose("track", "replay", "mlflow")
    assert (code, "MLFLOW_TRACKING_URI" in err) == (2, True)


def test_a_run_that_failed_to_arrive_is_exit_code_1(distilpose, store):
    (store.run("teacher").path / "pictures/epoch-0001/skeleton.png").write_bytes(b"no picture")
    code, out, _ = distilpose("track", "replay", "wandb:offline")
    assert code == 1
    assert "a picture is left out" in out


def test_a_run_whose_journal_is_not_its_results_is_not_told_and_stops_no_other(store):
    journal = store.run("teacher").path / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-40])
    done = {run.run_id: run for run in replay_sweep(store, PLAN, Wandb(mode="offline"))}
    assert done["teacher"].what == "failed"
    assert "journal shorter than its result" in done["teacher"].why
    assert done["student"].what == "told"


class Counting:
    """A service that counts how many runs are open at a time."""

    place, process = "counting", Process()

    def __init__(self):
        self.open_now = self.most = 0

    def open(self, card, run_dir, *, live):
        self.open_now += 1
        self.most = max(self.most, self.open_now)
        time.sleep(0.05)
        return self

    def log(self, step):
        pass

    def summary(self, values):
        pass

    def finish(self, status, outputs):
        self.open_now -= 1


def test_runs_are_told_several_at_a_time_and_the_rest_after_an_interruption(tmp_path):
    store = Store(tmp_path)
    plan = sweep_of(store, 12, steps=1)
    service = Counting()
    part = replay_sweep(store, plan, service, together=3)
    first = [next(part).what for _ in range(4)]
    part.close()
    assert first == ["told"] * 4
    rest = [run.what for run in replay_sweep(store, plan, service, together=3)]
    assert service.most == 3
    assert 4 <= rest.count("there") < 12
    assert rest.count("there") + rest.count("told") == 12
