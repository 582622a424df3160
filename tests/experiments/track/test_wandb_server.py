"""W&B over a real wire: what arrives in a server's database is held against the journals."""

import json
import math
import subprocess
import sys
import threading
import time

import psutil
import pytest
import wandb
from made_up_runs import PLAN, begin, measure
from wandb.sdk import wandb_setup

from experiments.track.card import run_card
from experiments.track.courier import Courier
from experiments.track.replay import replay_sweep
from experiments.track.tracker import Tracker
from experiments.track.wandb.tracker import Wandb, shown_name

pytestmark = pytest.mark.filterwarnings("ignore::ResourceWarning")


def told(store, service=None, plan=PLAN, **options):
    service = service or Wandb(mode="online")
    return {done.run_id: (done.what, done.why) for done in replay_sweep(store, plan, service, **options)}


def expected(run):
    """The points of a journal, as `OpenWandb.numbers` gives them; it has no place for what is not finite."""
    points = [(row.step, shown_name(name), value) for row in run.metrics() for name, value in row.values.items()]
    return sorted(point for point in points if math.isfinite(point[2]))


def drawn(run):
    return [(picture.step, (run.path / picture.path).read_bytes()) for picture in run.picture_rows()]


def test_every_number_and_picture_arrives(store, openwandb, at):
    at(openwandb.port)
    project = Wandb(mode="online", project="whole")
    assert told(store, project) == {"teacher": ("told", ""), "student": ("told", ""), "later": ("not begun", "")}
    for run_id in ("teacher", "student"):
        run = store.run(run_id)
        assert openwandb.numbers(run_id) == expected(run)
        assert openwandb.pictures(run_id) == drawn(run)
    ((name, config, summary),) = openwandb.rows(
        "select display_name, config_json, summary_json from runs where run_id = 'teacher'"
    )
    assert name == "teacher teacher_stemnet, seed 0"
    assert "teacher_stemnet" in config
    assert json.loads(summary)["best/AP"] == 0.2
    assert json.loads(summary)["status"] == "finished"
    assert {what for what, _ in told(store, project).values()} == {"there", "not begun"}


def test_the_first_runs_of_a_process_all_know_the_server_that_is_named(store, openwandb, at, monkeypatch):
    at(openwandb.port)
    seen = []

    def init(**_):
        seen.append(wandb_setup.singleton().settings.base_url)
        raise wandb.errors.CommError("enough")

    wandb.teardown()  # settings are read once a process
    read = wandb.Settings.update_from_system_settings
    monkeypatch.setattr(wandb.Settings, "update_from_system_settings", lambda self: time.sleep(0.5) or read(self))
    monkeypatch.setattr(wandb, "init", init)
    told(store)
    assert seen == [f"http://127.0.0.1:{openwandb.port}"] * 2


def for_a_while(status, part, count=10**9):
    """Spoils the first `count` requests whose path holds a part."""
    hits = []

    def spoil(method, path, body):
        if part in path and method != "GET" and len(hits) < count:
            hits.append(path)
            return status
        return 0

    return spoil


def counting_steps(openwandb):
    """Mends the server's answers: it does not say which steps of a run it has, as W&B's own does."""

    def mend(path, body, answer):
        if b"historyLineCount" not in body:
            return answer
        content = json.loads(answer)
        for bucket in filter(None, [((content.get("data") or {}).get("model") or {}).get("bucket")]):
            run_id = next(value for key, value in json.loads(body)["variables"].items() if key in ("name", "run"))
            (file, *_) = [*openwandb.folder.glob(f"files/*/*/{run_id}/wandb-history.jsonl"), None]
            lines = file.read_text().splitlines() if file else []
            bucket |= {"historyLineCount": len(lines), "historyTail": json.dumps(lines[-1:]), "eventsTail": "[]"}
            bucket["wandbConfig"] = json.dumps({"t": 1})  # it has begun
        return json.dumps(content).encode()

    return mend


@pytest.mark.parametrize(
    ("status", "part"), [(500, "file_stream"), (None, "file_stream"), (429, "media/images"), (None, "graphql")]
)
def test_what_a_server_refuses_for_a_while_arrives(status, part, store, openwandb, proxy, at):
    at(proxy.port)
    proxy.spoil = for_a_while(status, part, 2)
    assert told(store)["teacher"] == ("told", "")
    for run_id in ("teacher", "student"):
        assert openwandb.numbers(run_id) == expected(store.run(run_id))
        assert openwandb.pictures(run_id) == drawn(store.run(run_id))


@pytest.mark.parametrize(
    ("status", "part", "why"),
    [
        (403, "file_stream", "the server lacks its end"),
        (403, "media/images", "the server lacks 2 files, media/images/pictures/skeleton"),
        (507, "media/images", "Timed out finishing run"),
        (500, "file_stream", "Timed out finishing run"),
    ],
)
def test_what_never_arrives_is_a_failure_and_told_again_arrives_once(
    status, part, why, store, openwandb, proxy, at, monkeypatch
):
    at(proxy.port)
    proxy.mend = counting_steps(openwandb)
    proxy.spoil = for_a_while(status, part)
    with monkeypatch.context() as impatient:
        impatient.setattr("experiments.track.wandb.server._LOOKS", 2)
        done = told(store, Wandb(mode="online", wait_seconds=5))
    assert done["teacher"][0] == done["student"][0] == "failed"
    assert why in done["teacher"][1]
    proxy.spoil = lambda *_: 0
    assert told(store)["teacher"] == ("told", "")
    for run_id in ("teacher", "student"):
        assert openwandb.numbers(run_id) == expected(store.run(run_id))
        assert openwandb.pictures(run_id) == drawn(store.run(run_id))


def test_what_a_killed_process_lost_is_told_again_and_joined_to_what_arrived(store, openwandb, proxy, killed, at):
    at(proxy.port)
    proxy.mend = counting_steps(openwandb)
    run = killed("wandb:online")
    before = openwandb.numbers("later")
    assert told(store)["later"] == ("told", "")
    assert before == expected(run)[: len(before)]
    assert openwandb.numbers("later") == expected(run)
    assert openwandb.pictures("later") == drawn(run)


def test_a_run_that_the_server_has_is_joined_and_what_was_added_arrives(store, openwandb, proxy, at):
    at(proxy.port)
    proxy.mend = counting_steps(openwandb)
    told(store)
    student = store.run("student")
    with student.journal() as journal:
        journal.start(attempt=3, step=4)
        measure(student, journal, [5])
        journal.finish()
    assert {what for what, _ in told(store, again=True).values()} == {"told", "not begun"}
    for run_id in ("teacher", "student"):
        assert openwandb.numbers(run_id) == expected(store.run(run_id))
        assert openwandb.pictures(run_id) == drawn(store.run(run_id))


def test_a_slow_server_gets_all(store, openwandb, proxy, at):
    at(proxy.port)
    proxy.spoil = lambda *_: time.sleep(0.3) or 0
    assert told(store)["teacher"] == ("told", "")
    assert openwandb.numbers("teacher") == expected(store.run("teacher"))


HANGING = """
import sys
from experiments.cli.main import main
from experiments.track import replay
replay.WORD_SECONDS, replay.PATIENCE_SECONDS = 1.0, 6.0
sys.argv[1:] = ["track", "replay", "wandb:online", "mini", "--profile", "default", "--runs", sys.argv[1]]
main()
"""


def test_a_service_that_hangs_ends_a_replay_and_another_goes_on(store, openwandb, proxy, at):
    at(proxy.port)

    def suspend(method, path, body):
        for child in psutil.Process().children(recursive=True):
            if child.name() == "wandb-core":
                child.suspend()
        return 0

    proxy.spoil = suspend
    command = [sys.executable, "-c", HANGING, str(store.root)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1, done.stderr
    assert sorted(line.split()[0] for line in done.stdout.splitlines()) == ["failed", "failed", "not"]
    assert "no run arrived for 1 s of at most 6; 2 are left" in done.stderr
    proxy.calm()
    assert {what for what, _ in told(store).values()} == {"told", "not begun"}
    assert openwandb.numbers("student") == expected(store.run("student"))


def test_a_server_that_stops_costs_a_warning_and_gets_all_after_its_restart(
    store, openwandb, proxy, at, tmp_path, caplog
):
    at(proxy.port)
    proxy.mend = counting_steps(openwandb)
    service = Wandb(mode="online", wait_seconds=5)
    run = begin(store, "later", "student", "all")
    with Courier(service.process) as courier, run.journal() as journal:
        card = run_card("later", run.spec(), sweep="mini", profile="default")
        tracker = Tracker(card, run_dir=run.path, service=service, courier=courier)
        journal.start(attempt=1, step=0)
        measure(run, Both(journal, tracker), [1, 2, 3])
        told_so_far = threading.Event()
        courier.send(told_so_far.set)
        told_so_far.wait()
        openwandb.stop()
        measure(run, Both(journal, tracker), [4, 5, 6])
        journal.finish()
        tracker.close("finished")
    openwandb.start()
    (warning,) = [record.message for record in caplog.records if record.name.startswith("experiments")]
    assert "failed; the run goes on without it (TimeoutError" in warning
    assert told(store)["later"] == ("told", "")
    assert openwandb.numbers("later") == expected(run)
    assert openwandb.pictures("later") == drawn(run)


class Both:
    def __init__(self, *told):
        self.told = told

    def metrics(self, *arguments, **options):
        [it.metrics(*arguments, **options) for it in self.told]

    def picture(self, *arguments, **options):
        [it.picture(*arguments, **options) for it in self.told]
