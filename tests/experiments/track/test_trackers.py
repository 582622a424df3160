"""What every tracker promises, and what the W&B one leaves in its file."""

import json
import logging
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from wandb.util import get_core_path

from experiments.runs.journal import Journal
from experiments.track.card import RunCard
from experiments.track.courier import Courier
from experiments.track.protocol import Process
from experiments.track.replay import replay
from experiments.track.tracker import Tracker
from experiments.track.trackers import open_service, read_tracker, read_trackers
from experiments.track.wandb.server import check_server, reach_server, resolve_mode, server
from experiments.track.wandb.tracker import Wandb


@pytest.fixture
def courier():
    with Courier(Wandb().process) as courier:
        yield courier


def wandb_tracker(run_dir, courier, *, run_id="run1", **options):
    card = RunCard(run_id=run_id, name="all, seed 0", config={})
    return Tracker(card, run_dir=run_dir, service=Wandb(**{"mode": "offline", **options}), courier=courier)


def draw(run_dir, name="pictures/one.png"):
    (run_dir / name).parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6), (200, 10, 10)).save(run_dir / name)
    return name


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("wandb", {}),
        ("wandb:offline", {"mode": "offline"}),
        ("wandb:online,artifacts,project=poses", {"mode": "online", "artifacts": True, "project": "poses"}),
        ("wandb:artifacts=false,wait_seconds=5", {"artifacts": False, "wait_seconds": 5.0}),
        ("tensorboard:logdir=/tmp/a b", {"logdir": "/tmp/a b"}),
        ("mlflow:uri=http://127.0.0.1:5000,experiment=x", {"uri": "http://127.0.0.1:5000", "experiment": "x"}),
    ],
)
def test_a_tracker_is_a_name_and_options_of_its_record(text, options):
    tracker = read_tracker(text)
    assert tracker == {"kind": text.partition(":")[0], **options}
    service = open_service(json.loads(json.dumps(tracker)))
    assert {name: getattr(service, name) for name in options} == options


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("aim", "must be one of wandb, tensorboard, mlflow, trackio or none, got 'aim'"),
        ("wandb:maybe", r"maybe: no such option of wandb, which has auto\|online\|offline\|disabled, project="),
        ("wandb:projct=a", "projct=a: no such option of wandb"),
        ("wandb:artifacts=perhaps", "artifacts: Input should be a valid boolean.*, got 'perhaps'"),
        ("trackio:offline", "offline: no such option of trackio, which has project="),
    ],
)
def test_what_a_tracker_does_not_know_is_refused(text, rule):
    with pytest.raises(ValueError, match=rule):
        read_tracker(text)


@pytest.mark.parametrize("name", ["tensorboard", "mlflow:uri=http://127.0.0.1:9", "trackio"])
def test_a_tracker_that_is_not_installed_is_refused(name, monkeypatch):
    package = name.partition(":")[0]
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ValueError, match=rf"{package}: is not installed: pip install 'distilpose\[{package}\]'"):
        open_service(read_tracker(name)).check(reach=False)


def test_none_stands_alone():
    assert read_trackers(["none"]) == ()
    assert [tracker["kind"] for tracker in read_trackers(["tensorboard", "wandb:offline"])] == ["tensorboard", "wandb"]
    with pytest.raises(ValueError, match="none: excludes other trackers"):
        read_trackers(["none", "wandb"])


class Listing:
    """A service that remembers what its runs are told, and fails at a step."""

    place, process = "listing", Process()

    def __init__(self, fails_at=None):
        self.steps, self.rest, self.fails_at = [], [], fails_at

    def open(self, card, run_dir, *, live):
        return self

    def log(self, step):
        if step.step == self.fails_at:
            raise OSError("no ink")
        self.steps.append(step)

    def summary(self, values):
        self.rest.append(dict(values))

    def finish(self, status, outputs):
        self.rest.append((status, outputs))


def test_a_step_is_shown_once_with_all_that_was_measured_and_drawn(tmp_path):
    service = Listing()
    tracker = Tracker(RunCard(run_id="a", name="a", config={}), run_dir=tmp_path, service=service)
    tracker.metrics(1, {"train/loss": 0.5}, epoch=1, time=7.0)
    tracker.metrics(1, {"val/AP": 0.1}, epoch=1, time=8.0)
    tracker.picture(1, "skeleton", draw(tmp_path), "joints", epoch=1)
    assert service.steps == []
    tracker.metrics(2, {"train/loss": float("nan")})
    (step,) = service.steps
    assert (step.step, step.epoch, step.time, step.values) == (1, 1, 7.0, {"train/loss": 0.5, "val/AP": 0.1})
    assert [picture.kind for picture in step.pictures] == ["skeleton"]
    tracker.close("preempted")
    tracker.close("finished")
    assert [step.step for step in service.steps] == [1, 2]
    assert service.rest == [("preempted", None)]


def test_a_service_that_fails_gets_no_more_and_one_warning(tmp_path, caplog):
    service = Listing(fails_at=2)
    tracker = Tracker(RunCard(run_id="a", name="a", config={}), run_dir=tmp_path, service=service)
    for step in range(1, 5):
        tracker.metrics(step, {"train/loss": 1.0})
    tracker.close("finished")
    assert [step.step for step in service.steps] == [1]
    assert service.rest == [("failed", None)]
    assert warnings(caplog) == ["run a: listing: failed; the run goes on without it (OSError: no ink)"]
    assert not (tmp_path / "tracked.json").exists()


def logged(run_dir: Path) -> list[dict]:
    """The records of the W&B files under a run's directory, as W&B's own reader prints them."""
    records = []
    for file in sorted(run_dir.glob("wandb/offline-run-*/*.wandb")):
        command = [
            get_core_path(),
            "leet",
            "inspect",
            "--json",
            "--run-file",
            file,
            file.parent,
        ]  # `wandb leet inspect`
        printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        records += [json.loads(line) for line in printed.stdout.splitlines()]
    return records


def history(records):
    return [record["history"]["item"] for record in records if record["type"] == "history"]


def test_the_offline_file_holds_what_was_logged(courier, tmp_path):
    card = RunCard(
        run_id="abc123",
        name="all, seed 0",
        group="losses",
        job_type="student",
        tags=("tiny",),
        config={"losses": {"KT": 5e-4}, "seed": 0},
    )
    service = Wandb(mode="offline", project="poses")
    tracker = Tracker(card, run_dir=tmp_path, service=service, courier=courier)
    for step in (10, 20):
        tracker.metrics(step, {"train/loss": 1 / step, "train/lr": 1e-3}, epoch=step / 10)
    tracker.metrics(20, {"val/AP": 0.25})
    tracker.picture(20, "skeleton", draw(tmp_path), "predicted joints")
    tracker.summary({"best/AP": 0.25})
    tracker.close("finished")
    courier.close()

    records = logged(tmp_path)
    (run,) = (record["run"] for record in records if record["type"] == "run")
    assert (run["run_id"], run["display_name"], run["project"]) == ("abc123", "all, seed 0", "poses")
    assert (run["run_group"], run["job_type"], run["tags"]) == ("losses", "student", ["tiny"])
    assert run["config"]["update"]["losses"] == {"KT": 5e-4}

    first, second = history(records)
    assert (first["_step"], first["train/loss"], first["epoch"]) == (10, 0.1, 1)
    assert (second["_step"], second["train/loss"], second["val/AP"]) == (20, 0.05, 0.25)
    assert [second[f"pictures/skeleton.{field}"] for field in ("caption", "width", "height")] == [
        "predicted joints",
        8,
        6,
    ]
    (file,) = tmp_path.glob(f"wandb/offline-run-*/files/{second['pictures/skeleton.path']}")
    assert file.read_bytes() == (tmp_path / "pictures/one.png").read_bytes()

    summary = {}
    for record in records:
        if record["type"] == "summary":
            summary |= record["summary"]["update"]
    assert (summary["best/AP"], summary["status"]) == (0.25, "finished")
    assert [record["exit"].get("exit_code", 0) for record in records if record["type"] == "exit"] == [0]


def test_validation_is_drawn_over_epochs_and_its_best_value_is_kept(courier, tmp_path):
    tracker = wandb_tracker(tmp_path, courier)
    for step, precision in ((10, 0.5), (20, 0.75), (30, 0.25)):
        tracker.metrics(step, {"val/AP": precision, "train/loss": 1 / step}, epoch=step / 10)
    tracker.close("finished")
    courier.close()
    told = logged(tmp_path)
    defined = {
        record["metric"].get("name") or record["metric"]["glob_name"]: record["metric"]
        for record in told
        if record["type"] == "metric"
    }
    assert defined["val/*"]["step_metric"] == "epoch"
    assert defined["epoch"]["options"]["hidden"]
    assert "train/*" not in defined  # W&B's own axis: the step
    print([record for record in told if record["type"] == "summary"])
    kept = [
        record["summary"]["update"]["val/AP"]
        for record in told
        if "val/AP" in record.get("summary", {}).get("update", {})
    ]
    assert kept[-1] == {"max": 0.75}


def test_masks_beside_a_picture_can_be_switched_on_and_off_class_by_class(courier, tmp_path):
    said = PngInfo()
    said.add_text("labels", json.dumps(["nose", "knee"]))
    picture = draw(tmp_path, "pictures/layers.png")
    for name in ("layers.attention", "layers.teacher_heatmaps", "other.attention"):
        mask = Image.new("L", (8, 6), 0)
        mask.putpixel((1, 2), 2)
        mask.save(tmp_path / f"pictures/{name}.mask.png", pnginfo=said)
    tracker = wandb_tracker(tmp_path, courier)
    tracker.metrics(1, {"train/loss": 1.0})
    tracker.picture(1, "layers", picture, "in layers")
    tracker.close("finished")
    courier.close()
    records = logged(tmp_path)
    (row,) = history(records)
    masks = {name.split(".")[-2] for name in row if name.endswith(".path") and "masks" in name}
    assert masks == {"attention", "teacher_heatmaps"}
    (folder,) = tmp_path.glob("wandb/offline-run-*")
    with Image.open(folder / "files" / row["pictures/layers.masks.attention.path"]) as file:
        assert (file.getpixel((1, 2)), file.getpixel((2, 1))) == (2, 0)
    labels = {"0": "nothing", "1": "nose", "2": "knee"}
    assert json.dumps(labels) in json.dumps([record["config"] for record in records if record["type"] == "config"])


def test_no_path_or_name_of_the_machine_is_in_the_file(courier, tmp_path):
    tracker = wandb_tracker(tmp_path / "folder-of-mine", courier)
    tracker.metrics(1, {"train/loss": 1.0})
    tracker.close("finished")
    courier.close()
    (file,) = tmp_path.glob("*/wandb/offline-run-*/*.wandb")
    content = file.read_bytes()
    assert b"train/loss" in content
    assert b"folder-of-mine" not in content
    assert sys.prefix.encode() not in content
    assert [path.name for path in file.parent.glob("files/*")] == []


def test_runs_of_one_process_are_kept_apart(courier, tmp_path):
    trackers = {n: wandb_tracker(tmp_path / str(n), courier, run_id=f"run{n}") for n in range(2)}
    for step in range(3):
        for n, tracker in trackers.items():
            tracker.metrics(step, {"train/loss": 10.0 * n + step})
    for tracker in trackers.values():
        tracker.close("preempted")
    courier.close()
    for n in trackers:
        records = logged(tmp_path / str(n))
        assert [row["train/loss"] for row in history(records)] == [10 * n, 10 * n + 1, 10 * n + 2]
        assert [record["exit"]["exit_code"] for record in records if record["type"] == "exit"] == [143]


def warnings(caplog):
    return [record.message for record in caplog.records if record.name.startswith("experiments")]


def test_a_picture_that_cannot_be_read_is_left_out_with_a_warning(courier, tmp_path, caplog):
    tracker = wandb_tracker(tmp_path, courier)
    with caplog.at_level(logging.WARNING):
        tracker.metrics(1, {"train/loss": 1.0})
        tracker.picture(1, "skeleton", "absent.png", "none")
        tracker.metrics(2, {"train/loss": 1.0})
        tracker.close("finished")
        courier.close()
    (warning,) = warnings(caplog)
    assert warning.startswith("run run1: wandb offline: a picture is left out (")
    assert [row["train/loss"] for row in history(logged(tmp_path))] == [1.0, 1.0]


def test_a_wandb_that_does_not_start_warns_and_takes_nothing(courier, tmp_path, monkeypatch, caplog):
    import wandb

    def dead(**_):
        raise wandb.errors.CommError("no service")

    monkeypatch.setattr(wandb, "init", dead)
    tracker = wandb_tracker(tmp_path, courier)
    tracker.metrics(1, {"train/loss": 1.0})
    tracker.summary({"AP": 1.0})
    tracker.close("finished")
    courier.close()
    assert warnings(caplog) == [
        "run run1: wandb offline: does not start; the run is not mirrored (CommError: no service)"
    ]


def test_without_a_server_the_run_is_not_mirrored_and_one_warning_says_so(courier, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    tracker = wandb_tracker(tmp_path, courier, mode="online")
    tracker.metrics(3, {"train/loss": 1.0})
    tracker.close("finished")
    courier.close()
    (warning,) = warnings(caplog)
    assert "does not start; the run is not mirrored (ConnectionRefusedError" in warning


NOT_UTF8 = b"machine \xff\xfe login"


@pytest.mark.parametrize(
    ("variables", "files", "named"),
    [
        ({}, {"home/.netrc": NOT_UTF8}, "home/.netrc"),
        ({}, {"home/.netrc": b"machine"}, "home/.netrc"),
        ({"NETRC": "{folder}"}, {}, "{folder}"),
        ({"WANDB_BASE_URL": "http://["}, {}, "WANDB_BASE_URL"),
        ({"WANDB_BASE_URL": "nonsense"}, {}, "WANDB_BASE_URL"),
        ({"WANDB_MODE": "garbage"}, {}, "WANDB_MODE"),
        ({"WANDB_RESUME": "garbage", "WANDB_MODE": "offline"}, {}, "WANDB_RESUME"),
        ({"WANDB_MODE": "offline"}, {"config/settings": b"\xff\xfe[default"}, "config/settings"),
    ],
)
def test_whatever_wandb_is_set_up_with_the_run_goes_on_and_what_is_wrong_is_named(
    variables, files, named, tmp_path, monkeypatch, caplog
):
    import wandb

    wandb.teardown()  # settings are read once a process
    (tmp_path / "home").mkdir()
    (tmp_path / "config").mkdir()
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(folder=tmp_path))
    with Courier(Wandb().process) as courier:
        tracker = wandb_tracker(tmp_path / "run", courier, mode="auto")
        tracker.metrics(1, {"train/loss": 1.0})
        tracker.close("finished")
    assert any(named.format(folder=tmp_path) in warning for warning in warnings(caplog)), caplog.text


def test_an_empty_variable_is_an_unset_one(tmp_path, monkeypatch, caplog):
    import wandb

    wandb.teardown()
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("WANDB_MODE", "WANDB_BASE_URL", "WANDB_PROJECT", "WANDB_RESUME"):
        monkeypatch.setenv(name, "")
    with Courier(Wandb().process) as courier:
        tracker = wandb_tracker(tmp_path / "run", courier, mode="auto")
        tracker.metrics(1, {"train/loss": 1.0})
        tracker.close("finished")
    assert warnings(caplog) == []
    assert [row["_step"] for row in history(logged(tmp_path / "run"))] == [1]


DYING = """
import logging, sys, threading
from pathlib import Path
import psutil
from dataclasses import replace
from experiments.track.card import RunCard
from experiments.track.courier import Courier
from experiments.track.tracker import Tracker
from experiments.track.wandb.tracker import Wandb

logging.basicConfig(format="%(levelname)s %(message)s")
end = sys.argv[2]
patience = 0.5 if end == "suspend" else 60
service = Wandb(mode="offline")
with Courier(replace(service.process, patience_seconds=patience)) as courier:
    cards = [RunCard(run_id=run_id, name=run_id, config={}) for run_id in ("run1", "run2")]
    trackers = [Tracker(card, run_dir=Path(sys.argv[1]), service=service, courier=courier) for card in cards]
    arrived = threading.Event()
    courier.send(arrived.set)
    arrived.wait()
    (service,) = [child for child in psutil.Process().children() if child.name() == "wandb-core"]
    getattr(service, end)()
    for tracker in trackers:
        for step in range(100):
            tracker.metrics(step, {"train/loss": 1.0})
        tracker.close("finished")
print("the run ends well")
"""


@pytest.mark.parametrize(("end", "warned"), [("kill", 2), ("suspend", 3)])
def test_a_service_that_dies_or_hangs_costs_a_warning_and_no_more(tmp_path, end, warned):
    command = [sys.executable, "-c", DYING, str(tmp_path), end]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "the run ends well\n"), done.stderr
    assert "Traceback" not in done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith("WARNING")]
    assert len(said) == warned, done.stderr
    assert all("the run goes on without it" in line or "is left behind" in line for line in said)


def test_a_courier_keeps_the_order_and_its_sender_never_waits():
    held, done = threading.Event(), []
    courier = Courier(Process())
    courier.send(lambda: (held.wait(), done.append(1)))
    courier.send(lambda: done.append(1 / 0))
    courier.send(lambda: done.append(2))
    assert done == []
    held.set()
    assert courier.close()
    assert done == [1, 2]


def test_a_courier_gives_up_once_on_what_hangs():
    held, given_up = threading.Event(), []
    courier = Courier(Process(patience_seconds=0.01, give_up=lambda: (given_up.append(1), held.set())))
    courier.send(held.wait)
    assert not courier.close()
    assert courier.close()
    assert given_up == [1]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "offline"),
        ({"WANDB_API_KEY": "k"}, "online"),
        ({"WANDB_API_KEY": "k", "WANDB_MODE": "offline"}, "offline"),
        ({"WANDB_MODE": "online"}, "online"),
        ({"WANDB_MODE": "disabled", "WANDB_API_KEY": "k"}, "disabled"),
        ({"WANDB_DISABLED": "true", "WANDB_API_KEY": "k"}, "disabled"),
    ],
)
def test_auto_goes_by_the_environment(environment, expected, tmp_path):
    assert resolve_mode("auto", {"HOME": str(tmp_path), **environment}) == expected


def test_a_netrc_entry_of_the_server_is_a_key(tmp_path):
    (tmp_path / ".netrc").write_text("machine wandb.example.org login user password secret\n")
    home = {"HOME": str(tmp_path)}
    assert resolve_mode("auto", {**home, "WANDB_BASE_URL": "https://wandb.example.org"}) == "online"
    assert resolve_mode("auto", home) == "offline"


@pytest.mark.parametrize("host", ["api.wandb.ai", "api.forge.coreweave.com"])
def test_a_key_of_wandbs_own_server_is_noted_under_either_of_its_names(host, tmp_path):
    (tmp_path / ".netrc").write_text(f"machine {host} login user password secret\n")
    assert resolve_mode("auto", {"HOME": str(tmp_path)}) == "online"


def test_the_server_is_the_one_that_was_logged_in_to(tmp_path):
    """As `wandb login --host` writes it."""
    (tmp_path / ".config/wandb").mkdir(parents=True)
    (tmp_path / ".config/wandb/settings").write_text("[default]\nbase_url = http://wandb.example.org:8080\n")
    (tmp_path / ".netrc").write_text("machine wandb.example.org:8080 login user password secret\n")
    assert resolve_mode("auto", {"HOME": str(tmp_path)}) == "online"
    assert server({"HOME": str(tmp_path)}).netloc == "wandb.example.org:8080"
    assert server({"HOME": str(tmp_path), "WANDB_BASE_URL": "http://127.0.0.1:9"}).port == 9


def test_another_mode_than_auto_is_taken_at_its_word():
    assert resolve_mode("online", {"WANDB_MODE": "offline"}) == "online"


def test_without_a_key_the_message_says_how_to_get_one(tmp_path):
    with pytest.raises(ValueError, match=r"no key for https://api\.wandb\.ai; run `wandb login` or set WANDB_API_KEY"):
        check_server({"HOME": str(tmp_path)})


def test_without_a_server_the_message_says_that_nothing_was_sent():
    with pytest.raises(ConnectionError, match=r"http://127\.0\.0\.1:9 is out of reach .* nothing was sent"):
        check_server({"WANDB_API_KEY": "k", "WANDB_BASE_URL": "http://127.0.0.1:9"})


def test_nothing_is_tried_behind_a_proxy():
    reach_server({"HTTPS_PROXY": "http://127.0.0.1:9", "WANDB_BASE_URL": "http://127.0.0.1:9"})


def test_a_journal_told_again_has_each_step_once_and_in_order(tmp_path):
    path = tmp_path / "journal.jsonl"
    with Journal(path) as first:
        first.start(attempt=1, step=0)
        first.metrics(1, {"train/loss": 3.0})
        first.picture(1, "skeleton", "a.png", "")
        first.metrics(2, {"train/loss": 99.0})
    with Journal(path) as second:
        second.start(attempt=2, step=1)
        second.metrics(2, {"train/loss": 2.0})
        second.picture(2, "skeleton", "b.png", "")
        second.metrics(3, {"train/loss": 1.0})
        second.summary({"AP": 0.5})
        second.close("finished")
    service = Listing()
    card = RunCard(run_id="a", name="a", config={})
    for name in ("a.png", "b.png"):
        draw(tmp_path, name)
    assert replay(path, Tracker(card, run_dir=tmp_path, service=service)) == "finished"
    told = [(step.step, step.values, [picture.file.name for picture in step.pictures]) for step in service.steps]
    assert told == [
        (1, {"train/loss": 3.0}, ["a.png"]),
        (2, {"train/loss": 2.0}, ["b.png"]),
        (3, {"train/loss": 1.0}, []),
    ]
    assert service.rest == [{"AP": 0.5}, ("finished", None)]


@pytest.mark.parametrize(("end", "expected"), [("failed", "failed"), ("preempted", "preempted"), (None, "preempted")])
def test_a_journal_told_again_ends_as_the_run_did(tmp_path, end, expected):
    with Journal(tmp_path / "journal.jsonl") as journal:
        journal.start(attempt=1, step=0)
        if end:
            journal.stop(end)
    card = RunCard(run_id="a", name="a", config={})
    assert replay(tmp_path / "journal.jsonl", Tracker(card, run_dir=tmp_path, service=Listing())) == expected
