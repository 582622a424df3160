"""One file that nobody can read stops nothing else: it is named, with the remedy, and everything other goes on."""

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import fake_job
import pytest
from command_line import Said
from small_sweeps import MINI

from experiments.build.data import data_facts, prepare
from experiments.launch.inline import InlineLauncher
from experiments.launch.records import LaunchSettings
from experiments.launch.scheduler import launch_plan
from experiments.plan.estimate import estimate
from experiments.plan.plan import Plan, make_plan
from experiments.plan.step_times import FILE as STEP_TIMES
from experiments.runs.atomic import DamagedError, ForeignError, read_json
from experiments.runs.garbage import survey
from experiments.runs.journal import edge_events, metric_rows, read_events
from experiments.runs.status import left_behind, proof, standings
from experiments.runs.store import Store
from experiments.sweep.sweep_file import read_sweep

CONTENTS = {
    "empty": b"",
    "cut": b'{"schema": 1, "run_id": "0',
    "binary": bytes(range(256)),
    "null": b"null",
    "list": b"[]",
    "other": b'{"a": 1}',
    "deep": b"[" * 100_000,
    "number": b"5",
}
OF_FINISHED = ("result.json", "run.json")
OF_UNFINISHED = ("run.json", "failure.json", "pruned.json")
COMMANDS = ("status", "plan", "gc")

Distilpose = Callable[..., Said]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Plan]:
    """A folder with a sweep and its runs, all of them finished."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "mini.yaml").write_text(MINI)
    sweep, runs = read_sweep(folder / "mini.yaml").profile(), folder / "runs"
    for row in sweep.rows:
        prepare(row.recipe.data, root=None, runs=runs)
    plan = make_plan(sweep, lambda data, boxes: data_facts(data, boxes, root=None, runs=runs))
    store = Store(runs)
    store.save_plan(plan.saved())
    for run_id, planned in plan.runs.items():
        run = store.run(run_id)
        run.write_spec(planned.spec)
        with run.journal() as journal:
            journal.start(attempt=1, step=0, total_steps=4)
            journal.metrics(4, {"val/AP": 0.5, "val/PCK@0.1": 0.5}, epoch=2)
            journal.finish()
        result = {"metrics": {"AP": 0.5, "PCK@0.1": 0.5}, "best_epoch": 2, "steps": 4, "epochs": 2, "seconds": 1.0}
        run.write_result({**result, "provenance": {"device": "cpu", "threads": 1}})
    return folder, plan


@pytest.fixture
def place(finished: tuple[Path, Plan], tmp_path: Path) -> tuple[Path, Plan, Store]:
    """A copy of it: the sweep's file, its plan, its store."""
    folder, plan = finished
    shutil.copytree(folder, tmp_path / "copy")
    return tmp_path / "copy" / "mini.yaml", plan, Store(tmp_path / "copy" / "runs")


def plain_commands(distilpose: Distilpose, file: Path, store: Store, *more: tuple[object, ...]) -> dict[str, str]:
    """What the reading commands say; each must end well."""
    said = {name: distilpose(name, *([] if name == "gc" else [file]), "--runs", store.root) for name in COMMANDS}
    said |= {str(words[0]): distilpose(*words, "--runs", store.root) for words in more}
    for name, (code, out, err) in said.items():
        assert code == 0, f"{name}: {out} {err}"
    return {name: out for name, (_, out, _) in said.items()}


@pytest.mark.parametrize("kind", CONTENTS)
@pytest.mark.parametrize("name", OF_FINISHED)
def test_a_damaged_file_of_a_finished_run_is_named_and_stops_no_command(
    place: tuple[Path, Plan, Store], distilpose: Distilpose, name: str, kind: str
) -> None:
    file, plan, store = place
    sound, hurt = list(plan.runs)[:2]
    (store.run(hurt).path / name).write_bytes(CONTENTS[kind])
    said = plain_commands(distilpose, file, store, ("show", sound))
    assert "damaged" in said["status"]
    assert f"{hurt}/{name}: damaged: " in said["status"].replace("\n", "")
    assert "remove the file" in " ".join(said["status"].split())
    code, _, err = distilpose("show", hurt, "--runs", store.root)
    assert (code, f"{hurt}/{name}: damaged" in err) == (2, True)
    assert (store.run(hurt).path / name).read_bytes() == CONTENTS[kind]


@pytest.mark.parametrize("kind", CONTENTS)
@pytest.mark.parametrize("name", OF_UNFINISHED)
def test_a_damaged_file_of_an_unfinished_run_is_named_and_stops_no_command(
    place: tuple[Path, Plan, Store], distilpose: Distilpose, name: str, kind: str
) -> None:
    file, plan, store = place
    run = store.run(list(plan.runs)[1])
    (run.path / "result.json").unlink()
    (run.path / name).write_bytes(CONTENTS[kind])
    said = plain_commands(distilpose, file, store)
    assert f"{run.run_id}/{name}: damaged: " in said["status"].replace("\n", "")
    assert run.state() == "damaged"


@pytest.mark.parametrize("name", ["result.json", "run.json", "cost.json", "diagnosis.json", "journal.jsonl"])
def test_a_report_is_made_of_all_other_runs(
    place: tuple[Path, Plan, Store], distilpose: Distilpose, tmp_path: Path, name: str
) -> None:
    file, plan, store = place
    hurt = list(plan.runs)[1]
    (store.run(hurt).path / name).write_bytes(b"[{}, null]\n[[[\n")
    code, _, err = distilpose("report", file, "--runs", store.root, "--out", tmp_path / "out")
    assert (code, "Traceback" in err) == (0, False)
    if name in OF_FINISHED:
        assert f"{hurt}/{name}: damaged" in (tmp_path / "out" / "report.md").read_text()
    if name in ("cost.json", "diagnosis.json"):
        assert f"{hurt}/{name}: damaged" in err or "it is left out" in err or code == 0


@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "loop"])
@pytest.mark.parametrize("name", ["result.json", "journal.jsonl", "failure.json"])
def test_what_is_no_plain_file_is_damaged_and_never_waited_for(
    place: tuple[Path, Plan, Store], distilpose: Distilpose, name: str, kind: str
) -> None:
    file, plan, store = place
    run = store.run(list(plan.runs)[1])
    for known in ("result.json", name):
        (run.path / known).unlink(missing_ok=True)
    path = run.path / name
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero" if kind == "device" else path)
    said = plain_commands(distilpose, file, store)
    assert f"{run.run_id}/{name}: damaged: " in said["status"].replace("\n", "")


def test_a_launch_leaves_a_damaged_run_as_it_is_and_trains_the_others(plan: Plan, store: Store) -> None:
    teacher, hurt, missing = plan.teachers[0].run_id, plan.rows[0].runs[0].run_id, plan.rows[1].runs[0].run_id
    settings = LaunchSettings(data_root=lambda data: Path(), poll_seconds=0.01, backoff_seconds=0.01)
    launcher = InlineLauncher(work=fake_job.main)
    assert launch_plan(plan, store, launcher, settings).complete
    (store.run(hurt).path / "result.json").write_bytes(b"[]")
    (store.run(missing).path / "result.json").unlink()
    outcome = launch_plan(plan, store, launcher, settings)
    assert outcome.failed.keys() == {hurt}
    assert "remove the file" in outcome.failed[hurt]
    assert outcome.finished == plan.runs.keys() - {hurt}
    assert (store.run(hurt).path / "result.json").read_bytes() == b"[]"
    (store.run(hurt).path / "result.json").unlink()
    assert launch_plan(plan, store, launcher, settings).complete
    (store.run(teacher).path / "run.json").unlink()
    assert launch_plan(plan, store, launcher, settings).complete
    assert store.run(teacher).spec()["role"] == "teacher"


@pytest.mark.parametrize("kind", CONTENTS)
def test_a_damaged_plan_hides_what_it_wants_and_stops_no_other_sweep(
    place: tuple[Path, Plan, Store], distilpose: Distilpose, kind: str
) -> None:
    file, plan, store = place
    (store.root / "sweeps" / "other.tiny.json").write_bytes(CONTENTS[kind])
    (store.root / "sweeps" / "notes.json").write_bytes(CONTENTS[kind])
    said = plain_commands(distilpose, file, store)
    assert "sweeps/other.tiny.json: damaged: " in said["status"].replace("\n", "")
    assert "orphaned unknown" in said["status"]
    assert "no run counts as unwanted" in said["gc"]
    assert distilpose("status", "--runs", store.root)[0] == 0
    assert distilpose("status", "other", "--profile", "tiny", "--runs", store.root)[0] == 2
    assert left_behind(store, plan.sweep, plan.profile, ()) == []
    assert [waste for waste in survey(store).waste if waste.kind == "orphaned run"] == []


def test_a_stray_file_among_the_plans_is_no_plan(place: tuple[Path, Plan, Store], distilpose: Distilpose) -> None:
    file, _, store = place
    (store.root / "sweeps" / "notes.json").write_text("x")
    said = plain_commands(distilpose, file, store)
    assert "notes" not in said["status"]
    assert "orphaned 0" in said["status"]


def test_a_launch_writes_its_own_damaged_plan_anew(plan: Plan, store: Store) -> None:
    path = store.save_plan(plan.saved())
    path.write_bytes(b"[]")
    store.save_plan(plan.saved())
    assert store.load_plan(plan.sweep, plan.profile) == plan.saved()


def test_a_copied_plan_is_not_written_over(plan: Plan, store: Store) -> None:
    path = store.save_plan(plan.saved())
    shutil.copy(path, path.with_name("other.default.json"))
    with pytest.raises(ForeignError, match=r"other\.default\.json: .* the plan of small \(default\)"):
        store.load_plan("other", "default")
    with pytest.raises(ForeignError):
        store.save_plan(replace(plan.saved(), sweep="other"))


def test_runs_of_another_version_tell_nothing_and_stop_no_plan(plan: Plan, store: Store, tmp_path: Path) -> None:
    other = store.run("feed00000000")
    spec = next(iter(plan.runs.values())).spec
    other.write_spec({**spec, "recipe": {**spec["recipe"], "losses": {"limb": 0.5}}})
    other.write_result({"metrics": {}, "steps": 1, "seconds": 1.0})
    assert estimate(plan, store).left_seconds > 0
    with pytest.raises(ForeignError, match=r"feed00000000/run\.json: .* another version"):
        other.recipe()
    assert other.state() == "finished"


def test_a_damaged_file_of_step_times_is_named_and_planning_goes_on(
    plan: Plan, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    store.root.mkdir()
    (store.root / STEP_TIMES).write_text('{"x": {"seconds": "fast"}}')
    assert estimate(plan, store).left_seconds > 0
    assert f"{STEP_TIMES}: damaged" in caplog.text


def test_lines_that_are_no_events_of_a_run_are_passed_over(tmp_path: Path) -> None:
    lines = [
        {"t": 1.0, "event": "start", "step": 0},
        {"t": 1.0, "event": "start"},
        {"t": "x", "event": "start", "step": 0},
        {"t": 2.0, "event": "metrics", "step": 1, "epoch": None, "values": {"a": 1.0}},
        {"t": 2.0, "event": "metrics", "step": 1, "epoch": None, "values": ["a"]},
        {"t": 2.0, "event": "metrics", "step": 10**400, "epoch": None, "values": {"a": 1.0}},
        {"t": 2.0, "event": "metrics", "step": 2, "epoch": None, "values": {"a": 10**400}},
        {"t": 2.0, "event": "picture", "step": 2, "epoch": None, "kind": "x", "path": "a\0b", "caption": ""},
        [1],
        None,
    ]
    path = tmp_path / "journal.jsonl"
    path.write_bytes(
        "\n".join(map(json.dumps, lines)).encode() + b"\n" + b"[" * 100_000 + b"\n" + bytes(range(128, 256)) + b"\n"
    )
    assert read_events(path) == [lines[0], lines[3]]
    assert [row.step for row in metric_rows(read_events(path))] == [1]
    assert edge_events(path)


def test_a_journal_shorter_than_its_result_or_of_another_life_is_seen(
    place: tuple[Path, Plan, Store], distilpose: Distilpose, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file, plan, store = place
    short, other, grown = (store.run(run_id) for run_id in list(plan.runs)[:3])
    lines = {run: (run.path / "journal.jsonl").read_bytes() for run in (short, other, grown)}
    (short.path / "journal.jsonl").write_bytes(lines[short][:-30])
    (other.path / "journal.jsonl").write_bytes(lines[other].replace(b"0.5", b"0.4") * 2)
    (grown.path / "journal.jsonl").write_bytes(lines[grown] + b'{"t": 9.0, "event": "note", "message": "later"}\n')
    notes = {one.run_id: one.note for one in standings(store, plan.saved())}
    assert notes[short.run_id].startswith("journal shorter than its result")
    assert notes[other.run_id] == "journal of another life than its result"
    assert notes[grown.run_id] == ""
    assert [run.run_id for run in (short, other) if any(run.run_id in line for line in proof(store, notes).damaged)]
    out = distilpose("status", file, "--runs", store.root)[1]
    assert "damaged 2" in out
    assert distilpose("report", file, "--runs", store.root, "--out", tmp_path / "out")[0] == 0
    assert "its curves and pictures are left out" in caplog.text


def test_a_log_that_leads_out_of_the_store_is_not_read(store: Store, tmp_path: Path) -> None:
    run = store.run("0123456789ab")
    run.path.mkdir(parents=True)
    (tmp_path / "secret").write_text("mine")
    for target in ("/dev/zero", tmp_path / "secret", run.path, run.log):
        run.log.symlink_to(target)
        assert run.log_tail() == []
        run.log.unlink()
    os.mkfifo(run.log)
    assert run.log_tail() == []


def test_a_json_file_is_read_as_what_it_should_be_or_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    assert read_json(path, dict[str, int]) is None
    path.write_text('{"a": 1}')
    assert read_json(path, dict[str, int]) == {"a": 1}
    for content in (*CONTENTS.values(), b'{"a": "b"}', b'{"a": ' + b"1" * 5000 + b"}"):
        if content == CONTENTS["other"]:
            continue
        path.write_bytes(content)
        with pytest.raises(DamagedError, match=r"x\.json: damaged: ") as error:
            read_json(path, dict[str, int])
        assert len(str(error.value)) < 400


def test_an_owner_that_leads_out_of_its_lease_is_not_followed(store: Store) -> None:
    run = store.run("0123456789ab")
    folder = run.path / "lease" / "00000001"
    folder.mkdir(parents=True)
    owner = {"token": 1, "host": "x", "machine": "m", "pid": 1, "started": "", "since": 0, "aside": "../../../.."}
    for text in (json.dumps(owner), "[" * 100_000, '{"token": []}'):
        (folder / "owner.json").write_text(text)
        assert run.holder() is None
    shutil.rmtree(run.path / "lease")
    (run.path / "lease").write_text("no folder")
    assert run.state() == "planned"
