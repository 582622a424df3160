"""The `distilpose` command as a user types it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from command_line import Said
from small_sweeps import DATA_GONE, MINI
from tiny_official import official_weights_of

from distilpose.data.skeleton import COCO
from distilpose.models import build_model
from experiments.plan.plan import Plan
from experiments.runs.store import Store
from experiments.trained.load import load_weights

SWEEP = MINI.replace("epochs: 2", "epochs: 3")


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    file = tmp_path / "mini.yaml"
    file.write_text(SWEEP)
    return file


def test_help_names_every_command(distilpose: Callable[..., Said]) -> None:
    code, out, _ = distilpose("--help")
    assert code == 0
    assert all(
        command in out
        for command in ("demo", "plan", "launch", "status", "report", "models", "convert", "data", "bench")
    )


def test_synthetic_people_are_a_sound_data_set(distilpose: Callable[..., Said], tmp_path: Path) -> None:
    assert distilpose("data", "synthetic", tmp_path / "people", "--train", 4, "--val", 2)[0] == 0
    code, out, _ = distilpose("data", "check", tmp_path / "people", "--json")
    assert code == 0
    assert {report["split"]: report["stats"]["people"] for report in json.loads(out)} == {"train": 4, "val": 2}


def test_a_launch_tells_a_fault_that_many_pictures_have_once(distilpose: Callable[..., Said], tmp_path: Path) -> None:
    people, sweep = tmp_path / "people", tmp_path / "mini.yaml"
    distilpose("data", "synthetic", people, "--train", 4, "--val", 2)
    for picture in (people / "images" / "train").iterdir():
        picture.unlink()
    sweep.write_text(MINI.replace("{synthetic: {train: 16, val: 6, seed: 0}}", f"{{root: {people}}}"))
    code, _, error = distilpose("launch", sweep, "--runs", tmp_path / "runs")
    assert code == 2
    (line,) = [line for line in error.splitlines() if line.startswith("error:")]
    assert "and 3 more like it" in line


def test_every_fault_of_a_data_set_is_listed(distilpose: Callable[..., Said], tmp_path: Path) -> None:
    people = tmp_path / "people"
    distilpose("data", "synthetic", people, "--train", 4, "--val", 2)
    missing, cut = sorted((people / "images" / "train").iterdir())[:2]
    missing.unlink()
    cut.write_bytes(cut.read_bytes()[:300])
    code, out, _ = distilpose("data", "check", people)
    assert code == 2
    assert missing.name in out
    assert cut.name in out


def test_a_plan_says_how_many_seeds_a_difference_takes(
    distilpose: Callable[..., Said], sweep: Path, tmp_path: Path
) -> None:
    code, out, _ = distilpose(
        "plan", sweep, "--runs", tmp_path / "runs", "--detect", 0.5, "--spread", 1.2, "--more-seeds", 2, "--json"
    )
    plan = json.loads(out)
    assert code == 0
    assert [(one["row"], one["seeds"]) for one in plan["detect"]] == [("all", 48)]
    assert plan["detect"][0]["hours"] > 0
    assert [[run["seed"] for run in row["runs"]] for row in plan["rows"]] == [[0, 1, 2], [0, 1, 2]]


def test_seeds_for_a_part_of_the_rows_are_corrected_over_all_of_them(
    distilpose: Callable[..., Said], sweep: Path, tmp_path: Path
) -> None:
    sweep.write_text(SWEEP + "  - {row: more, set: {losses: {CS: 0}}}\n")
    asked = ("plan", sweep, "--runs", tmp_path / "runs", "--detect", 0.5, "--spread", 1.2)
    whole, part = (json.loads(distilpose(*asked, *rows, "--json")[1]) for rows in ((), ("--rows", "all")))
    (ours,) = part["detect"]
    assert (ours["row"], ours["comparisons"]) == ("all", 2)
    assert ours["seeds"] == whole["detect"][0]["seeds"]
    assert "over seeds alone, p corrected over 2 rows" in " ".join(distilpose(*asked)[1].split())


def test_without_finished_seeds_a_plan_asks_for_a_spread(
    distilpose: Callable[..., Said], sweep: Path, tmp_path: Path
) -> None:
    code, out, _ = distilpose("plan", sweep, "--runs", tmp_path / "runs", "--detect", 0.5)
    assert code == 0
    assert "state a spread" in out


def test_a_plan_starts_nothing_and_names_every_run(
    distilpose: Callable[..., Said], sweep: Path, tmp_path: Path
) -> None:
    code, out, _ = distilpose("plan", sweep, "--runs", tmp_path / "runs", "--json")
    plan = json.loads(out)
    assert code == 0
    assert [row["name"] for row in plan["rows"]] == ["none", "all"]
    assert set(plan["states"].values()) == {"planned"}
    assert plan["cost"]["runs"].keys() == plan["states"].keys()
    assert not (tmp_path / "runs").exists()


def test_mistakes_in_a_sweep_are_all_shown_with_their_places(
    distilpose: Callable[..., Said], sweep: Path, tmp_path: Path
) -> None:
    sweep.write_text(SWEEP.replace("epochs: 3", "epoch: 3").replace("KT: 5e-4, VT", "KT: -1, VT"))
    code, _, err = distilpose("plan", sweep, "--runs", tmp_path / "runs")
    assert code == 2
    assert "Traceback" not in err
    assert f"{sweep}:11:14" in err
    assert f"{sweep}:7:" in err
    assert "epochs" in err


def test_the_place_of_a_mistake_in_line_100_is_no_emoji(distilpose: Callable[..., Said], sweep: Path) -> None:
    sweep.write_text("\n" * 99 + SWEEP.replace("sweep: mini", "swep: mini"))
    _, _, err = distilpose("plan", sweep)
    assert f"{sweep}:100:1" in err


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (("plan", "loses"), "losses"),
        (("plan", "losses", "--profile", "tinny"), "tiny"),
        (("report", "losses", "--profile", "tiny"), "launch it first"),
        (("status",), "launch one"),
        (("status", "losses", "--watch", "--json"), "leave out --json"),
        (("status", "--profile", "tiny"), "means nothing without a sweep"),
        (("gc",), "no saved plan"),
        (("replay", "c0ffee"), "no run c0ffee"),
        (("show", "../runs"), "must be letters and digits"),
        (("launch", "losses", "--profile", "lspet", "--data", "nowhere"), "nowhere"),
        (("launch", "losses", "--profile", "tiny", "--device", "cuda:9"), "cuda:9"),
        (("launch", "losses", "--profile", "tiny", "--data", "nowhere"), "--data nowhere: means nothing for losses"),
        (("plan", "losses", "--profile", "tiny", "--data", "nowhere"), "--data nowhere: means nothing for losses"),
        (
            ("launch", "losses", "--profile", "tiny", "--track", "wandb:maybe"),
            "maybe: no such option of wandb, which has",
        ),
        (("plan", "losses", "--detect", "0"), "--detect: must be above 0, got 0.0"),
        (("plan", "losses", "--spread", "1"), "--spread: says how much --detect has to see through"),
        (("plan", "losses", "--profile", "tiny", "--rows", "al"), "--rows: must be rows of the sweep, got 'al'"),
        (("launch", "search_alphas", "--rows", "none"), "chooses what to train by itself"),
        (("launch", "losses", "--profile", "tiny", "--rows", "al"), "--rows: must be rows of the sweep, got 'al'"),
        (("explain", "c0ffee", "--rows", "none"), "--rows, --seeds: select a part of a sweep"),
        (("demo", "--track", "nobody"), "must be one of wandb, tensorboard, mlflow, trackio or none, got 'nobody'"),
        (("track", "replay", "wandb:mode=on", "losses", "--profile", "tiny"), "mode: Input should be 'auto', 'online'"),
    ],
)
def test_a_users_mistake_is_one_message_and_exit_code_2(
    distilpose: Callable[..., Said], tmp_path: Path, arguments: tuple[str, ...], rule: str
) -> None:
    code, _, err = distilpose(*arguments, "--runs", tmp_path / "runs")
    assert code == 2
    assert rule in err
    assert "Traceback" not in err
    assert not (tmp_path / "runs").exists()


def test_an_official_checkpoint_becomes_weights_of_the_named_model(
    distilpose: Callable[..., Said], tmp_path: Path
) -> None:
    model = build_model("distilpose_s")
    weights = official_weights_of(model)
    torch.save({"state_dict": weights, "optimizer": {"step": 3}}, tmp_path / "official.pth")
    target = tmp_path / "ours.safetensors"
    code, out, _ = distilpose("convert", tmp_path / "official.pth", target, "--model", "distilpose_s")
    assert (code, out.strip()) == (0, str(target))
    loaded = load_weights(str(target), store=Store(tmp_path))
    assert torch.equal(loaded.module.head.linear.weight, weights["keypoint_head.tokenhead.mlp_head.1.weight"])
    assert loaded.skeleton == COCO

    target.unlink()
    code, _, err = distilpose("convert", tmp_path / "official.pth", target, "--model", "base_stemnet")
    assert code == 2
    assert len(err.strip().splitlines()) == 1
    assert "is no checkpoint of base_stemnet, 2 keys differ: shape: keypoint_head.tokenhead.mlp_head.1.weight" in err
    assert not target.exists()


@pytest.mark.parametrize(
    ("source", "target", "model", "rule"),
    [
        ("missing.pth", "ours.safetensors", "distilpose_s", "missing.pth: cannot be read"),
        ("broken.pth", "ours.safetensors", "distilpose_s", "broken.pth: is not a PyTorch checkpoint"),
        ("broken.pth", "ours.pth", "distilpose_s", "target: must end in .safetensors"),
        ("broken.pth", "no/ours.safetensors", "distilpose_s", "target: must lie in a folder that exists"),
        ("broken.pth", "ours.safetensors", "distilpos_s", "did you mean distilpose_s?"),
    ],
)
def test_what_cannot_be_converted_is_one_line_and_exit_code_2(
    distilpose: Callable[..., Said], tmp_path: Path, source: str, target: str, model: str, rule: str
) -> None:
    (tmp_path / "broken.pth").write_bytes(b"no checkpoint")
    code, _, err = distilpose("convert", tmp_path / source, tmp_path / target, "--model", model)
    assert code == 2
    assert len(err.strip().splitlines()) == 1
    assert rule in err
    assert [path.name for path in tmp_path.iterdir()] == ["broken.pth"]


def test_a_cache_that_does_not_fit_is_refused_with_its_size_before_anything_starts(
    distilpose: Callable[..., Said], sweep: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, cache = tmp_path / "runs", tmp_path / "cache"
    monkeypatch.setattr("distilpose.data.picture_store.RESERVE_BYTES", 2**60)
    code, _, err = distilpose("launch", sweep, "--runs", runs, "--cache", cache)
    assert code == 2
    assert "decoded pictures come to 1.7 MB, of which 0 B are there" in err
    assert f"--cache {cache}: does not fit on its disk" in err
    assert not cache.exists()
    assert not list(Store(runs).runs())


def test_a_killed_launch_goes_on_and_repeats_nothing(
    distilpose: Callable[..., Said], sweep: Path, tmp_path: Path
) -> None:
    """SIGKILL for the launcher and its processes, once a student trains; then the same command again."""
    runs = tmp_path / "runs"
    command = [sys.executable, "-m", "experiments.cli.main", "launch", str(sweep), "--runs", str(runs)]
    launcher = subprocess.Popen([*command, "--track", "none"], stderr=subprocess.DEVNULL, start_new_session=True)
    store = Store(runs)
    deadline = time.monotonic() + 200
    while not any(run.spec()["role"] == "student" and run.starts for run in store.runs()):
        assert launcher.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    owners = {owner.pid for run in store.runs() if (owner := run.holder()) is not None}
    launcher.kill()
    for pid in owners:
        os.kill(pid, signal.SIGKILL)
    launcher.wait()
    finished = {run.run_id: run.result() for run in store.runs() if run.finished}
    assert finished
    assert len(finished) < 3

    code, _, _ = distilpose("launch", sweep, "--runs", runs, "--track", "none", "--on", "here")
    assert code == 0
    code, out, _ = distilpose("status", sweep, "--runs", runs, "--json")
    assert code == 0
    assert json.loads(out)["counts"] == {"finished": 3}
    for run in store.runs():
        events = [event["event"] for event in run.read_journal()]
        assert events.count("finish") == 1
        assert [row.step for row in run.metrics() if "train/loss" in row.values] == [2, 4, 6]
    assert all(store.run(run_id).result() == result for run_id, result in finished.items())

    code, out, _ = distilpose("report", sweep, "--runs", runs)
    assert code == 0
    assert all(Path(line).is_file() for line in out.split())
    assert (runs / "reports" / "mini.default" / "report.html").is_file()


@pytest.fixture
def reported(runs: tuple[Store, Plan], monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store of finished runs, whose report is no more than the table for a paper."""
    monkeypatch.setattr("reports.sections.SECTIONS", ())
    return runs[0]


def test_a_report_needs_no_file_where_the_store_knows_the_sweep(
    distilpose: Callable[..., Said], reported: Store
) -> None:
    for name in ("mini", "mini.default"):
        code, out, err = distilpose("report", name, "--runs", reported.root)
        assert code == 0, err
        assert all(Path(line).is_file() for line in out.split())
    code, _, err = distilpose("report", "miny", "--runs", reported.root)
    assert code == 2
    assert f"launched in {reported.root}: mini (default)" in err


def test_the_table_for_a_paper_is_as_the_options_say(distilpose: Callable[..., Said], reported: Store) -> None:
    chosen = ("--columns", "losses,AP", "--rows", "all", "--digits", 3, "--caption", "50 %", "--label", "tab:x")
    code, out, err = distilpose("report", "mini", "--runs", reported.root, *chosen, "--best", "no", "--spread", "no")
    assert code == 0, err
    text = Path(out.split()[-1]).read_text()
    assert r"\caption{50 \%.}" in text
    assert r"\label{tab:x}" in text
    assert r"all & \checkmark & \checkmark & \checkmark & \checkmark & 25.000 \\" in text
    assert "none" not in text


@pytest.mark.parametrize(
    ("options", "rule"),
    [
        (("--columns", "APP"), "columns: must be of this sweep, got 'APP'; valid: "),
        (("--rows", "nobody"), "rows: must be of this sweep, got 'nobody'; valid: none, all"),
        (("--label", "a b"), "--label: must be letters, digits and : . _ + -, 100 at most, got 'a b'"),
        (("--best", "blod"), "'blod' is not one of 'bold', 'underline', 'no'"),
    ],
)
def test_a_table_that_cannot_be_is_refused(
    distilpose: Callable[..., Said], reported: Store, options: tuple[str, str], rule: str
) -> None:
    code, _, err = distilpose("report", "mini", "--runs", reported.root, *options)
    assert code == 2
    assert rule in " ".join(err.split())
    assert "Traceback" not in err


def test_a_report_takes_an_edited_file_and_a_file_with_mistakes_stops_none(
    distilpose: Callable[..., Said], reported: Store, tmp_path: Path
) -> None:
    file = tmp_path / "mini.yaml"
    file.write_text(DATA_GONE.replace("row: all", "row: everything"))
    code, _, err = distilpose("report", file, "--runs", reported.root)
    assert code == 0
    assert "was edited since the launch" in " ".join(err.split())
    assert "everything" in err
    file.write_text(DATA_GONE.replace("row: all", "row: [all"))
    code, _, err = distilpose("report", file, "--runs", reported.root)
    assert (code, "Traceback" in err) == (2, False)
    file.write_text(DATA_GONE.replace("KT: 5e-4", "KT: -1"))
    code, _, err = distilpose("report", file, "--runs", reported.root)
    assert code == 0
    assert f"The report is of the launch, since {file} has mistakes" in " ".join(err.split())
