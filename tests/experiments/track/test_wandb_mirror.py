"""The mirror of a sweep made good: from journals, whatever happened to the process; and sent once."""

import json
import math
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image
from small_sweeps import bare_plan
from wandb.util import get_core_path

from experiments.cli.main import main
from experiments.runs.atomic import json_text, write_whole
from experiments.runs.store import Store
from experiments.track.card import RunCard
from experiments.track.wandb import mirror as wandb_mirror
from experiments.track.wandb.files import folders, log_file, missing, read_folder, records
from experiments.track.wandb.mirror import replay_sweep, sync_sweep, whole_folder
from experiments.track.wandb.outputs import outputs_of, send_outputs
from experiments.track.wandb.record import Project, is_noted, journal_digest, note

ROW = {"name": "all", "ticks": {}, "factors": {}, "paper": {}, "baseline": None}
PLAN = bare_plan(
    rows=[{**ROW, "runs": [{"run_id": "student", "seed": 0}, {"run_id": "later", "seed": 1}]}],
    teachers=[{"run_id": "teacher", "model": "teacher_stemnet"}],
)


def begin(store, run_id, role, row):
    run = store.run(run_id)
    model = {"model": "teacher_stemnet" if role == "teacher" else "distilpose_s"}
    run.write_spec(
        {"role": role, "row": row, "seed": 0, "recipe": {"model": model}, "teacher_id": None, "identity": {}}
    )
    return run


def measure(run, journal, steps):
    for step in steps:
        journal.metrics(step, {"train/loss": 1 / step, "val/AP": math.nan if step == 1 else step / 10}, epoch=step)
        picture = f"pictures/epoch-{step:04d}/skeleton.png"
        (run.path / picture).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 6), (step, 10, 10)).save(run.path / picture)
        journal.picture(step, "skeleton", picture, f"step {step}", epoch=step)


@pytest.fixture
def store(tmp_path):
    """A finished teacher, a student that was killed and went on, and one that never began."""
    store = Store(tmp_path / "runs")
    store.save_plan(PLAN)
    teacher = begin(store, "teacher", "teacher", None)
    with teacher.journal() as journal:
        journal.start(attempt=1, step=0)
        measure(teacher, journal, [1, 2])
        journal.finish()
    teacher.write_result({"metrics": {"AP": 0.2}, "best_epoch": 2, "provenance": {"commit": "abc"}})
    student = begin(store, "student", "student", "all")
    with student.journal() as journal:
        journal.start(attempt=1, step=0)
        measure(student, journal, [1, 2, 3])
    with student.journal() as journal:
        journal.start(attempt=2, step=1)
        measure(student, journal, [2, 3, 4])
        journal.stop("preempted")
    return store


def told(store, **options):
    return {done.run_id: done.what for done in replay_sweep(store, PLAN, Project(), mode="offline", **options)}


def inspected(folder):
    """The history and the last record of a folder as W&B's own reader prints them: what `wandb leet inspect` runs."""
    file = log_file(folder)
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
    assert whole_folder(student) == folders(student.path)[-1]


def test_what_a_folder_lacks_is_named(store):
    told(store)
    run = store.run("teacher")
    logged = read_folder(folders(run.path)[0])
    rows, pictures = run.metrics(), run.picture_rows()
    assert missing(rows, pictures, logged) == []
    for file in (logged.folder / "files").rglob("skeleton_1_*"):
        file.unlink()
    assert missing(rows, pictures, read_folder(logged.folder)) == ["step 1: pictures/skeleton"]
    rows[1].values["train/loss"] += 1
    assert missing(rows, [], logged) == ["step 2: train/loss"]


def test_a_picture_tidied_away_is_not_asked_for_and_one_that_cannot_be_read_is_a_failure(store):
    run = store.run("teacher")
    first, second = (run.path / picture.path for picture in run.picture_rows())
    first.unlink()
    assert told(store)["teacher"] == "told"
    second.write_bytes(b"no picture")
    with run.journal() as journal:
        measure(run, journal, [3])
        journal.finish()
    (done,) = (done for done in replay_sweep(store, PLAN, Project(), mode="offline") if done.run_id == "teacher")
    assert done.what == "failed"
    assert "W&B gets no picture (UnidentifiedImageError" in done.why


def test_a_torn_file_is_read_up_to_its_tear(store):
    told(store)
    run = store.run("teacher")
    file = log_file(folders(run.path)[0])
    whole = file.read_bytes()
    kept = []
    for size in (0, 7, 9, len(whole) // 2, len(whole) - 3, len(whole)):
        file.write_bytes(whole[:size])
        kept.append(len(read_folder(file.parent).values))
    assert kept == sorted(kept)
    assert kept[0] == kept[1] == kept[2] == 0
    assert whole_folder(run) is not None


def test_a_record_over_several_blocks_is_read_whole(tmp_path):
    from experiments.track.wandb.tracker import WandbTracker, wandb_courier

    values = {f"train/number_{n:05d}": float(n) for n in range(3000)}
    with wandb_courier() as courier:
        card = RunCard(run_id="run1", name="one", config={})
        tracker = WandbTracker(card, run_dir=tmp_path, courier=courier, mode="offline")
        for step in (1, 2):
            tracker.metrics(step, values)
        tracker.close("finished")
    (folder,) = folders(tmp_path)
    assert log_file(folder).stat().st_size > 3 * 32768
    logged = read_folder(folder)
    assert all(logged.values[(step, name)] == value for step in (1, 2) for name, value in values.items())


KILLED = """
import os, signal, sys
from pathlib import Path
from experiments.runs.store import Store
from experiments.track.card import RunCard
from experiments.track.wandb.tracker import WandbTracker, wandb_courier
sys.path[:0] = [sys.argv[2], str(Path(sys.argv[2]).parent)]
from test_wandb_mirror import begin, measure

class Both:
    def __init__(self, *trackers):
        self.trackers = trackers
    def metrics(self, *arguments, **options):
        [tracker.metrics(*arguments, **options) for tracker in self.trackers]
    def picture(self, *arguments, **options):
        [tracker.picture(*arguments, **options) for tracker in self.trackers]

run = begin(Store(Path(sys.argv[1])), "later", "student", "all")
journal, courier = run.journal(), wandb_courier()
card = RunCard(run_id="later", name="later", config={})
tracker = WandbTracker(card, run_dir=run.path, courier=courier, mode="offline")
journal.start(attempt=1, step=0)
measure(run, Both(journal, tracker), range(1, 30))
journal.sync()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_lost_is_told_again(store):
    here = str(Path(__file__).parent)
    done = subprocess.run([sys.executable, "-c", KILLED, str(store.root), here], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    run = store.run("later")
    assert len(run.metrics()) == 29
    assert whole_folder(run) is None
    assert told(store)["later"] == "told"
    history, _ = inspected(whole_folder(run))
    assert [row["_step"] for row in history] == list(range(1, 30))
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
    assert whole_folder(run) is not None


def artifacts_in(run):
    """Names and files of the artifacts that the newest offline folder of a run sends."""
    sent = [record.request.log_artifact.artifact for record in records(log_file(folders(run.path)[-1]))]
    sent += [record.artifact for record in records(log_file(folders(run.path)[-1]))]
    return {artifact.name: [entry.path for entry in artifact.manifest.contents] for artifact in sent if artifact.name}


def test_weights_go_along_only_when_they_are_asked_for(store):
    run = store.run("teacher")
    run.checkpoints.mkdir()
    (run.checkpoints / "weights.safetensors").write_bytes(b"weights")
    told(store)
    assert artifacts_in(run) == {}
    with run.journal() as journal:
        journal.finish()  # the journal grew, so it is told again
        measure(run, journal, [3])
        journal.finish()
    told(store, artifacts=True)
    assert artifacts_in(run) == {"weights-teacher": ["weights.safetensors"]}


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
    send_outputs(Run(), card, outputs_of(store.run("teacher"), None, weights=True), 1)
    card = RunCard(run_id="student", name="student", config={"seed": 1})
    send_outputs(Run(), card, outputs_of(store.run("student"), "teacher", weights=True), 1)
    made, used, own = Run.calls
    assert (made[0], used[0], own[:2]) == ("made", "used", ("made", "weights-student"))
    assert made[1:] == used[1:]  # the same name and content are one artifact on W&B
    assert outputs_of(store.run("student"), "mmpose-abc", weights=True).teacher is None


class FakeSync:
    """Stands in for `wandb sync`: marks what it sends, as W&B does, unless the server refuses it."""

    def __init__(self):
        self.commands, self.refused = [], ""

    def __call__(self, command, **_):
        self.commands.append(command)
        files = [Path(word) for word in command if str(word).endswith(".wandb")]
        for file in files:
            if not self.refused or self.refused not in file.name:
                file.with_suffix(".wandb.synced").touch()
        return SimpleNamespace(stdout="", stderr="wandb: syncing\nwandb: ERROR permission denied\n", returncode=0)

    @property
    def sent(self):
        return [Path(word).name for command in self.commands for word in command if str(word).endswith(".wandb")]


@pytest.fixture
def wandb_sync(monkeypatch):
    fake = FakeSync()
    named = SimpleNamespace(run=fake, DEVNULL=subprocess.DEVNULL, TimeoutExpired=subprocess.TimeoutExpired)
    monkeypatch.setattr(wandb_mirror, "subprocess", named)  # W&B itself calls others by subprocess.run
    return fake


def synced(store, project=Project()):  # noqa: B008 (frozen)
    return {done.run_id: done.what for done in sync_sweep(store, PLAN, project)}


def test_each_run_is_sent_whole_and_once(store, wandb_sync):
    told(store)
    assert synced(store) == {"teacher": "sent", "student": "sent", "later": "not begun"}
    assert wandb_sync.sent == ["run-teacher.wandb", "run-student.wandb"]
    assert synced(store) == {"teacher": "there", "student": "there", "later": "not begun"}
    assert len(wandb_sync.commands) == 1
    assert synced(store, Project(project="other"))["teacher"] == "sent"
    assert wandb_sync.commands[1][4:7] == ["sync", "--project", "other"]


def test_a_run_whose_files_are_not_whole_is_rebuilt_before_it_is_sent(store, wandb_sync):
    torn = store.run("student").path / "wandb" / "offline-run-20200101_000000-student"
    torn.mkdir(parents=True)
    (torn / "run-student.wandb").write_bytes(b":W&B\xe1\xbe\x00")
    assert synced(store)["student"] == "sent"
    assert not any(str(torn) in str(word) for word in wandb_sync.commands[0])
    assert whole_folder(store.run("student")).name in str(wandb_sync.commands[0])


def test_what_the_server_refuses_is_said_and_tried_again(store, wandb_sync):
    wandb_sync.refused = "student"
    done = {run.run_id: run for run in sync_sweep(store, PLAN, Project())}
    assert (done["student"].what, done["student"].why) == ("failed", "wandb: ERROR permission denied")
    assert done["teacher"].what == "sent"
    wandb_sync.refused = ""
    assert synced(store) == {"teacher": "there", "student": "sent", "later": "not begun"}
    assert wandb_sync.sent == ["run-teacher.wandb", "run-student.wandb", "run-student.wandb"]


def test_a_run_that_went_on_since_is_sent_again(store):
    run = store.run("student")
    note(run.path, "here", journal_digest(run.path))
    assert is_noted(run.path, "here")
    assert not is_noted(run.path, "there")
    with run.journal() as journal:
        journal.start(attempt=3, step=4)
    assert not is_noted(run.path, "here")


def test_a_project_is_what_is_asked_for_or_what_the_environment_names(monkeypatch):
    for name in ("WANDB_PROJECT", "WANDB_ENTITY", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    assert Project.of().place == "api.wandb.ai/-/distilpose"
    monkeypatch.setenv("WANDB_PROJECT", "poses")
    monkeypatch.setenv("WANDB_ENTITY", "us")
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org")
    assert Project.of().place == "wandb.example.org/us/poses"
    assert Project.of("other", "them").place == "wandb.example.org/them/other"


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
        words = ["distilpose", "wandb", *arguments, "mini", "--profile", "default", "--runs", str(store.root)]
        monkeypatch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as ending:
            main()
        out, err = capfd.readouterr()
        return int(ending.value.code or 0), out, err

    return run


def test_the_command_says_what_was_done_about_each_run(distilpose):
    code, out, err = distilpose("replay")
    assert code == 0
    assert [line.split()[:2] for line in out.splitlines()] == [
        ["told", "teacher"],
        ["told", "student"],
        ["not", "begun"],
    ]
    assert "2 told, 1 not begun" in err
    code, out, _ = distilpose("replay", "--json")
    assert json.loads(out)["counts"] == {"there": 2, "not begun": 1}


def test_without_a_key_or_a_server_one_message_and_exit_code_2(distilpose, monkeypatch):
    code, out, err = distilpose("sync")
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert "wandb login" in err
    monkeypatch.setenv("WANDB_API_KEY", "k")
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    for arguments in (("sync",), ("replay", "--mode", "online")):
        code, out, err = distilpose(*arguments)
        assert (code, out, len(err.splitlines())) == (2, "", 1)
        assert "out of reach" in err
    assert distilpose("replay", "--mode", "on")[0] == 2


def test_a_run_that_failed_to_arrive_is_exit_code_1(distilpose, wandb_sync, monkeypatch):
    monkeypatch.setattr("experiments.track.wandb.server.check_server", lambda: None)
    wandb_sync.refused = "student"
    code, out, _ = distilpose("sync")
    assert code == 1
    assert "permission denied" in out


def test_a_run_whose_journal_is_not_its_results_is_not_told_and_stops_no_other(store):
    journal = store.run("teacher").path / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-40])
    done = {run.run_id: run for run in replay_sweep(store, PLAN, Project(), mode="offline")}
    assert done["teacher"].what == "failed"
    assert "journal shorter than its result" in done["teacher"].why
    assert done["student"].what == "told"
