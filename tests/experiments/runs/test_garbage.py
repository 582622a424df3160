"""What gc frees and what it never does."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from small_sweeps import SMALL, small_plan

from experiments.cli.gc import gc
from experiments.plan.plan import Plan
from experiments.runs import garbage
from experiments.runs.garbage import YOUNG_SECONDS, Waste, find_waste, free, size_of, survey
from experiments.runs.store import Store

RESULT = {"metrics": {"AP": 0.5}, "steps": 20, "epochs": 2, "seconds": 1.0}
CHECKPOINT = "step-00000020-0123456789abcdef.pt"


def finish(store: Store, plan: Plan, *run_ids: str) -> None:
    for run_id in run_ids:
        run = store.run(run_id)
        run.write_spec(plan.runs[run_id].spec)
        run.checkpoints.mkdir(parents=True)
        (run.checkpoints / CHECKPOINT).write_bytes(b"c" * 1000)
        (run.checkpoints / "weights.safetensors").write_bytes(b"w" * 100)
        run.write_result(RESULT)


@pytest.fixture
def changed(tmp_path: Path, store: Store) -> tuple[Plan, Plan]:
    """A sweep of seeds 0 and 1, finished, and the same sweep with seeds 1 and 2, launched since."""
    before, after = small_plan(tmp_path), small_plan(tmp_path, SMALL.replace("seeds: [0, 1]", "seeds: [1, 2]"))
    finish(store, before, *before.runs)
    store.save_plan(after.saved())
    return before, after


def dropped(changed: tuple[Plan, Plan]) -> set[str]:
    before, after = changed
    return before.runs.keys() - after.runs.keys()


def freed(store: Store) -> set[str]:
    return freed_of(store, find_waste(store))


def freed_of(store: Store, found: list[Waste]) -> set[str]:
    return {str(waste.path.relative_to(store.root)) for waste, gone in free(store, found) if gone}


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def aged(path: Path, seconds: float = YOUNG_SECONDS + 60) -> Path:
    then = time.time() - seconds
    os.utime(path, (then, then), follow_symlinks=False)
    return path


def test_looking_changes_nothing_and_counts_every_byte(changed: tuple[Plan, Plan], store: Store) -> None:
    before = files(store.root)
    found = find_waste(store)
    assert {waste.run_id for waste in found if waste.kind == "orphaned run"} == dropped(changed)
    assert sum(waste.kind == "checkpoint" for waste in found) == len(changed[0].runs) - len(dropped(changed))
    assert files(store.root) == before
    size = sum(map(len, before.values()))
    assert sum(waste.size for waste in found) > 0
    list(free(store, found))
    assert size - sum(map(len, files(store.root).values())) == sum(waste.size for waste in found)


def test_what_a_merge_replaced_goes_while_the_other_life_is_there(plan: Plan, store: Store) -> None:
    store.save_plan(plan.saved())
    here, gone = list(plan.runs)[:2]
    finish(store, plan, here)
    for name in (f"{here}.0123abcd", f"{gone}.0123abcd", "of-mine"):
        (store.root / "replaced" / name).mkdir(parents=True)
    assert f"replaced/{here}.0123abcd" in freed(store)
    assert {path.name for path in (store.root / "replaced").iterdir()} == {f"{gone}.0123abcd", "of-mine"}


def test_results_and_weights_of_wanted_runs_stay(changed: tuple[Plan, Plan], store: Store) -> None:
    before, after = changed
    list(free(store, find_waste(store)))
    for run_id in before.runs.keys() & after.runs.keys():
        run = store.run(run_id)
        assert run.finished
        assert [path.name for path in run.checkpoints.iterdir()] == ["weights.safetensors"]
    assert all(not store.run(run_id).path.exists() for run_id in dropped(changed))
    assert find_waste(store) == []


def test_a_run_at_work_its_teacher_and_checkpoints_of_unfinished_runs_stay(
    changed: tuple[Plan, Plan], store: Store
) -> None:
    before, after = changed
    orphan = store.run(next(run_id for run_id in dropped(changed) if before.runs[run_id].teacher_id))
    (orphan.path / "result.json").unlink()
    for path in store.root.glob("sweeps/*.json"):  # now the teacher is an orphan too
        plan = json.loads(path.read_text())
        path.write_text(json.dumps({**plan, "teachers": []}))
    unfinished = store.run(next(run.run_id for row in after.rows for run in row.runs if run.seed == 1))
    (unfinished.path / "result.json").unlink()
    lease = orphan.claim()
    assert lease is not None
    with lease:
        gone = freed(store)
        assert orphan.path.exists()
        assert store.run(before.teachers[0].run_id).finished
    assert f"{unfinished.run_id}/checkpoints/{CHECKPOINT}" not in gone
    assert (unfinished.checkpoints / CHECKPOINT).exists()
    assert orphan.run_id in freed(store)


def test_a_run_that_is_taken_after_the_look_is_left(changed: tuple[Plan, Plan], store: Store) -> None:
    found = find_waste(store)
    orphan = store.run(dropped(changed).pop())
    (orphan.path / "result.json").unlink()
    lease = orphan.claim()
    assert lease is not None
    with lease:
        left = {waste.run_id for waste, gone in free(store, found) if not gone}
    assert left == {orphan.run_id}
    assert orphan.path.exists()


@pytest.mark.parametrize("look", [2, 3], ids=["before it is moved", "after"])
def test_a_run_that_is_wanted_again_after_the_look_is_left(
    changed: tuple[Plan, Plan], store: Store, monkeypatch: pytest.MonkeyPatch, look: int
) -> None:
    """Another launcher saves its plan between two looks of gc at what is wanted."""
    before, _ = changed
    orphan = dropped(changed).pop()
    content = files(store.run(orphan).path)
    looks = 0
    honest: Callable[[Store], set[str] | None] = garbage.wanted

    def looked(place: Store) -> set[str] | None:
        nonlocal looks
        looks += 1
        if looks == look:
            store.save_plan(replace(before.saved(), sweep="other"))
        return honest(place)

    monkeypatch.setattr(garbage, "wanted", looked)
    found = [waste for waste in find_waste(store) if waste.run_id == orphan]
    assert [gone for _, gone in free(store, found)] == [False]
    kept = files(store.run(orphan).path)
    assert {name: kept[name] for name in content} == content
    assert store.run(orphan).finished


def test_links_are_never_followed(changed: tuple[Plan, Plan], store: Store, tmp_path: Path) -> None:
    before, after = changed
    outside = tmp_path / "outside"
    orphan, other = sorted(dropped(changed))
    shutil.move(store.run(orphan).path, outside)
    store.run(orphan).path.symlink_to(outside)  # an orphaned run that lies elsewhere
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / CHECKPOINT).write_text("not ours")
    (store.run(other).path / "pictures").symlink_to(precious)  # a link in a run that goes
    kept = store.run(next(iter(before.runs.keys() & after.runs.keys())))
    shutil.rmtree(kept.checkpoints)
    kept.checkpoints.symlink_to(precious)  # checkpoints that lie elsewhere
    seen = files(outside), files(precious)
    list(free(store, find_waste(store)))
    assert (files(outside), files(precious)) == seen
    assert not store.run(other).path.exists()
    assert store.run(orphan).path.is_symlink()


def test_old_jobs_and_leftovers_go_and_young_ones_stay(changed: tuple[Plan, Plan], store: Store) -> None:
    before, after = changed
    done = next(iter(before.runs.keys() & after.runs.keys()))
    planned = next(run_id for run_id in after.runs if run_id not in before.runs)
    (store.run(planned).path).mkdir()
    paths = {}
    for name, run_id in {"a" * 12: done, "b" * 12: planned, "c" * 12: done}.items():
        told = {"sweep": "s", "profile": "p", "data_root": "x", "device": "cpu", "threads": 1}
        paths[name] = store.write_job({"cohort_id": name, "run_ids": [run_id], **told})
        paths[name].with_suffix(".log").write_text("what the process said")
    for name in ("a" * 12, "b" * 12):
        aged(paths[name])
        aged(paths[name].with_suffix(".log"))
    stranger = store.root / "jobs" / "notes.txt"
    stranger.write_text("a user's own")
    aged(stranger)
    run = store.run(done)
    (run.path / "lease").mkdir(exist_ok=True)
    leftovers = [run.path / f".result.json.{'0' * 32}.tmp", run.path / "lease" / f".claim.{'0' * 32}"]
    leftovers.append(store.parts / f".{'0' * 12}-half_way")
    store.parts.mkdir()
    for path in leftovers:
        path.touch()
        aged(path)
    young = run.path / f".run.json.{'1' * 32}.tmp"
    young.touch()
    gone = freed(store)
    old = paths["a" * 12].stem
    assert {f"jobs/{old}.json", f"jobs/{old}.log"} <= gone
    assert {str(path.relative_to(store.root)) for path in leftovers} <= gone
    assert stranger.exists()
    assert paths["b" * 12].exists()
    assert paths["c" * 12].exists()
    assert young.exists()


def test_code_that_no_run_names_goes_once_every_wanted_run_has_begun(changed: tuple[Plan, Plan], store: Store) -> None:
    _, after = changed
    used, unused, young = (store.parts / (letter * 12) for letter in "abc")
    for folder in (used, unused, young):
        folder.mkdir(parents=True)
        (folder / "my_losses.py").write_text("def limbs(): ...")
    aged(used)
    aged(unused)
    kept = next(iter(after.runs))
    waiting = [run_id for run_id in after.runs if not store.run(run_id).path.exists()]
    assert waiting
    assert unused.name not in str(freed(store))
    for run_id in waiting:
        store.run(run_id).write_spec(after.runs[run_id].spec)
    file = store.run(kept).path / "run.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "code": used.name}))
    found = find_waste(store)
    assert [waste.path for waste in found if waste.kind == "unused part"] == [unused]
    file.write_text(file.read_text().replace(used.name, unused.name))  # a launch names it after the look
    assert f"parts/{unused.name}" not in freed_of(store, found)
    assert freed(store) == {f"parts/{used.name}"}
    assert unused.exists()
    assert young.exists()


def test_without_a_saved_plan_nothing_is_an_orphan(plan: Plan, store: Store) -> None:
    finish(store, plan, *plan.runs)
    with pytest.raises(ValueError, match="no saved plan"):
        find_waste(store)


def test_a_hard_link_to_what_stays_frees_nothing(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "own").write_bytes(b"x" * 10)
    (tmp_path / "kept").write_bytes(b"x" * 100)
    (tmp_path / "run" / "lent").hardlink_to(tmp_path / "kept")
    assert size_of(tmp_path / "run") == 10


def test_the_command_is_a_dry_run_until_told_otherwise(
    changed: tuple[Plan, Plan], store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(store.root)
    gc(store.root)
    assert "would be freed; --yes frees them" in capsys.readouterr().out
    assert files(store.root) == before
    gc(store.root, as_json=True)
    planned = json.loads(capsys.readouterr().out)
    assert planned["freed"] is False
    gc(store.root, yes=True, as_json=True)
    done = json.loads(capsys.readouterr().out)
    assert (done["bytes"], done["left"], done["freed"]) == (planned["bytes"], [], True)
    gc(store.root)
    assert "0 B (0 bytes)" in capsys.readouterr().out


def test_a_lease_of_a_dead_process_does_not_keep_an_orphan(changed: tuple[Plan, Plan], store: Store) -> None:
    orphan = store.run(dropped(changed).pop())
    (orphan.path / "result.json").unlink()
    script = "import sys; from experiments.runs.store import Store; assert Store(sys.argv[1]).run(sys.argv[2]).claim()"
    subprocess.run([sys.executable, "-c", script, str(store.root), orphan.run_id], check=True)
    assert orphan.run_id in freed(store)


def test_a_folder_that_is_no_runs_stays_with_all_that_is_in_it(changed: tuple[Plan, Plan], store: Store) -> None:
    orphan = store.run(dropped(changed).pop())
    places = [store.root / "my notes", store.root / f"backup-{orphan.run_id}"]
    for place in places:
        shutil.copytree(orphan.path, place)
        (place / "notes.txt").write_text("mine")
    before = [files(place) for place in places]
    list(free(store, find_waste(store)))
    assert [files(place) for place in places] == before
    assert not orphan.path.exists()


@pytest.mark.parametrize("name", ["notes.txt", "checkpoints/best so far.safetensors"])
def test_an_unwanted_run_that_holds_a_users_file_is_named_and_stays(
    changed: tuple[Plan, Plan], store: Store, name: str
) -> None:
    orphan = store.run(dropped(changed).pop())
    (orphan.path / name).write_text("mine")
    found = survey(store)
    assert orphan.run_id not in {waste.run_id for waste in found.waste}
    (line,) = found.left_alone
    assert f"holds what no run wrote: {name}" in line
    list(free(store, found.waste))
    assert (orphan.path / name).read_text() == "mine"


def test_a_users_file_that_comes_after_the_look_stays(changed: tuple[Plan, Plan], store: Store) -> None:
    found = find_waste(store)
    orphan = store.run(dropped(changed).pop())
    (orphan.path / "notes.txt").write_text("mine")
    assert orphan.run_id in {waste.run_id for waste, gone in free(store, found) if not gone}


def test_a_copy_under_a_runs_name_and_a_damaged_run_stay(changed: tuple[Plan, Plan], store: Store) -> None:
    copied, damaged = sorted(dropped(changed))
    shutil.copytree(store.run(copied).path, store.root / "0123456789ab")
    (store.run(damaged).path / "result.json").write_text("")
    assert len(survey(store).left_alone) == 2
    list(free(store, find_waste(store)))
    assert (store.root / "0123456789ab").exists()
    assert store.run(damaged).path.exists()
    assert not store.run(copied).path.exists()


def test_while_a_plan_is_damaged_no_run_is_an_orphan(changed: tuple[Plan, Plan], store: Store) -> None:
    (store.root / "sweeps" / "other.default.json").write_text("{")
    found = survey(store)
    assert {waste.kind for waste in found.waste} == {"checkpoint"} or not found.waste
    assert "other.default.json: damaged" in found.left_alone[0]
    list(free(store, found.waste))
    assert all(store.run(run_id).finished for run_id in dropped(changed))


def test_leftovers_of_killed_reports_and_launchers_go(changed: tuple[Plan, Plan], store: Store) -> None:
    places = ["reports/small.default", "reports/small.default/tables", "searches/s.p.0", "sweeps", "jobs", "slurm/a"]
    old = [store.root / place / f".results.tex.{'a' * 32}.tmp" for place in places]
    for path in old:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("half")
        aged(path)
    kept = [store.root / "reports" / "small.default" / name for name in ("report.html", ".hidden", "a.tmp")]
    kept.append(store.root / "reports" / f".young.{'b' * 32}.tmp")
    for path in kept:
        path.write_text("whole")
    for path in kept[:3]:
        aged(path)
    list(free(store, find_waste(store)))
    assert not any(path.exists() for path in old)
    assert all(path.exists() for path in kept)


def test_a_damaged_job_is_named_and_stays(changed: tuple[Plan, Plan], store: Store) -> None:
    job = store.root / "jobs" / f"{'a' * 12}-{'b' * 8}.json"
    job.parent.mkdir()
    job.write_text("[[")
    aged(job)
    assert f"{job}: damaged" in survey(store).left_alone[0]
    list(free(store, find_waste(store)))
    assert job.exists()
