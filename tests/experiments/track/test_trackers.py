"""What every tracker promises, and what the W&B one leaves in its file."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from experiments.journal import Journal
from experiments.track.null import NullTracker
from experiments.track.replay import replay
from experiments.track.wandb import WandbTracker, reach_server, resolve_mode


def wandb_offline(run_dir):
    return WandbTracker("run1", name="all, seed 0", run_dir=run_dir, mode="offline")


def wandb_disabled(run_dir):
    return WandbTracker("run1", name="all, seed 0", run_dir=run_dir, mode="disabled")


def journal(run_dir):
    return Journal(run_dir / "journal.jsonl")


def null(run_dir):
    return NullTracker()


def draw(run_dir, name="pictures/one.png"):
    (run_dir / name).parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6), (200, 10, 10)).save(run_dir / name)
    return name


@pytest.mark.parametrize("make", [null, journal, wandb_offline, wandb_disabled])
class TestTracker:
    def test_takes_a_run_from_start_to_end(self, make, tmp_path):
        tracker = make(tmp_path)
        tracker.metrics(1, {"train/loss": 0.5, "train/lr": 1e-3}, epoch=0.5)
        tracker.metrics(2, {"train/loss": 0.4})
        tracker.picture(2, "skeleton", draw(tmp_path), "predicted joints", epoch=1)
        tracker.summary({"AP": 0.5})
        tracker.close("finished")

    @pytest.mark.parametrize("status", ["failed", "preempted"])
    def test_ends_in_any_way_and_only_once(self, make, tmp_path, status):
        tracker = make(tmp_path)
        tracker.close(status)
        tracker.close(status)

    def test_takes_numbers_that_are_not_finite(self, make, tmp_path):
        tracker = make(tmp_path)
        tracker.metrics(1, {"train/loss": float("nan"), "val/AP": float("inf")})
        tracker.close("failed")


def logged(run_dir: Path) -> list[dict]:
    """The records of the W&B files under a run's directory, as W&B's own reader prints them."""
    records = []
    for file in sorted(run_dir.glob("wandb/offline-run-*/*.wandb")):
        command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(file)]
        printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        records += [json.loads(line) for line in printed.stdout.splitlines()]
    return records


def history(records):
    return [record["history"]["item"] for record in records if record["type"] == "history"]


def test_the_offline_file_holds_what_was_logged(tmp_path):
    tracker = WandbTracker(
        "abc123",
        name="all, seed 0",
        run_dir=tmp_path,
        project="poses",
        group="losses",
        job_type="student",
        tags=["tiny"],
        config={"losses": {"KT": 5e-4}, "seed": 0},
        mode="offline",
    )
    for step in (10, 20):
        tracker.metrics(step, {"train/loss": 1 / step, "train/lr": 1e-3}, epoch=step / 10)
    tracker.metrics(20, {"val/AP": 0.25})
    tracker.picture(20, "skeleton", draw(tmp_path), "predicted joints")
    tracker.summary({"AP": 0.25})
    tracker.close("finished")

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
    assert (summary["AP"], summary["status"]) == (0.25, "finished")
    assert [record["exit"].get("exit_code", 0) for record in records if record["type"] == "exit"] == [0]


def test_runs_of_one_process_are_kept_apart(tmp_path):
    trackers = {n: WandbTracker(f"run{n}", name=str(n), run_dir=tmp_path / str(n), mode="offline") for n in range(2)}
    for step in range(3):
        for n, tracker in trackers.items():
            tracker.metrics(step, {"train/loss": 10.0 * n + step})
    for tracker in trackers.values():
        tracker.close("preempted")
    for n in trackers:
        records = logged(tmp_path / str(n))
        assert [row["train/loss"] for row in history(records)] == [10 * n, 10 * n + 1, 10 * n + 2]
        assert [record["exit"]["exit_code"] for record in records if record["type"] == "exit"] == [143]


def warnings(caplog):
    return [record.message for record in caplog.records if record.name.startswith("experiments")]


def test_a_missing_picture_warns_once_and_the_run_goes_on(tmp_path, caplog):
    tracker = wandb_offline(tmp_path)
    with caplog.at_level(logging.WARNING):
        tracker.metrics(1, {"train/loss": 1.0})
        tracker.picture(1, "skeleton", "absent.png", "none")
        tracker.metrics(2, {"train/loss": 1.0})
        tracker.picture(2, "skeleton", "absent.png", "none")
        tracker.close("finished")
    (warning,) = warnings(caplog)
    assert warning.startswith("run run1: W&B failed; the run goes on without it (FileNotFoundError")
    assert [row["train/loss"] for row in history(logged(tmp_path))] == [1.0]


def test_a_wandb_that_does_not_start_warns_and_takes_nothing(tmp_path, monkeypatch, caplog):
    import wandb

    def dead(**_):
        raise wandb.errors.CommError("no service")

    monkeypatch.setattr(wandb, "init", dead)
    tracker = wandb_offline(tmp_path)
    tracker.metrics(1, {"train/loss": 1.0})
    tracker.summary({"AP": 1.0})
    tracker.close("finished")
    assert warnings(caplog) == ["run run1: W&B does not start; the run is not mirrored (CommError: no service)"]


def test_without_a_server_the_run_is_mirrored_offline(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    tracker = WandbTracker("run1", name="all", run_dir=tmp_path, mode="online")
    tracker.metrics(3, {"train/loss": 1.0})
    tracker.close("finished")
    (warning,) = warnings(caplog)
    assert "out of reach; the run is mirrored offline" in warning
    assert [row["_step"] for row in history(logged(tmp_path))] == [3]


def test_an_interrupt_is_not_swallowed(tmp_path, monkeypatch):
    import wandb

    def interrupted(**_):
        raise KeyboardInterrupt

    monkeypatch.setattr(wandb, "init", interrupted)
    with pytest.raises(KeyboardInterrupt):
        wandb_offline(tmp_path)


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


def test_another_mode_than_auto_is_taken_at_its_word():
    assert resolve_mode("online", {"WANDB_MODE": "offline"}) == "online"


def test_an_unknown_mode_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(ValueError, match="auto, online, offline, disabled, got 'on'"):
        WandbTracker("run1", name="all", run_dir=tmp_path, mode="on")


def test_nothing_is_tried_behind_a_proxy():
    reach_server({"HTTPS_PROXY": "http://127.0.0.1:9", "WANDB_BASE_URL": "http://127.0.0.1:9"})


class Listing(NullTracker):
    """Remembers the calls it gets."""

    def __init__(self):
        self.calls = []

    def metrics(self, step, values, *, epoch=None):
        self.calls.append(("metrics", step, dict(values)))

    def picture(self, step, kind, path, caption, *, epoch=None):
        self.calls.append(("picture", step, kind))

    def summary(self, values):
        self.calls.append(("summary", dict(values)))

    def close(self, status):
        self.calls.append(("close", status))


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
    listing = Listing()
    assert replay(path, listing) == "finished"
    assert listing.calls == [
        ("metrics", 1, {"train/loss": 3.0}),
        ("picture", 1, "skeleton"),
        ("metrics", 2, {"train/loss": 2.0}),
        ("picture", 2, "skeleton"),
        ("metrics", 3, {"train/loss": 1.0}),
        ("summary", {"AP": 0.5}),
        ("close", "finished"),
    ]


@pytest.mark.parametrize(("end", "expected"), [("failed", "failed"), ("preempted", "preempted"), (None, "preempted")])
def test_a_journal_told_again_ends_as_the_run_did(tmp_path, end, expected):
    with Journal(tmp_path / "journal.jsonl") as journal:
        journal.start(attempt=1, step=0)
        if end:
            journal.stop(end)
    assert replay(tmp_path / "journal.jsonl", NullTracker()) == expected
