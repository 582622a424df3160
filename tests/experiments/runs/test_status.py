import json
import os
import shutil
from pathlib import Path

from command_line import shown
from small_sweeps import SMALL, small_plan

from experiments.machine.use import GpuUse, MachineUse
from experiments.plan.plan import Plan
from experiments.runs.status import left_behind, proof, standings
from experiments.runs.store import Store
from experiments.terminal.status_view import proof_parts, status_parts
from experiments.terminal.watch_view import frame

RESULT = {"metrics": {"AP": 0.5}, "steps": 20, "epochs": 2, "seconds": 1.0}
IDLE = MachineUse(cpu_percent=12.0, cores=2, memory_used=10**9, memory_total=4 * 10**9, gpus=())

COPY = "c0" * 6


def finish(store: Store, plan: Plan, *run_ids: str) -> None:
    for run_id in run_ids:
        run = store.run(run_id)
        run.write_spec(plan.runs[run_id].spec)
        with run.journal() as journal:
            journal.start(attempt=1, step=0, total_steps=20)
            journal.metrics(20, {"val/AP": 0.5}, epoch=2)
            journal.finish()
        run.write_result(RESULT)


def test_every_run_of_the_plan_has_a_standing(plan: Plan, store: Store) -> None:
    teacher, student, other = (plan.teachers[0], *plan.rows[0].runs)
    finish(store, plan, teacher.run_id)
    store.run(student.run_id).fail("the lights went out")
    with store.run(other.run_id).journal() as journal:
        journal.start(attempt=1, step=0, total_steps=20)
        journal.metrics(10, {"val/AP": 0.25}, epoch=1)
    found = {one.run_id: one for one in standings(store, plan.saved())}
    assert found.keys() == plan.runs.keys()
    assert (found[teacher.run_id].state, found[teacher.run_id].value, found[teacher.run_id].starts) == (
        "finished",
        0.5,
        1,
    )
    assert (found[other.run_id].state, found[other.run_id].step, found[other.run_id].value) == ("interrupted", 10, 0.25)
    assert found[student.run_id].state == "failed"
    text = shown(*status_parts(list(found.values()), "AP"))
    for said in ("10/20", "AP 25.0", "the lights went out", "1 failed, 1 finished, 1 interrupted, 2 planned"):
        assert said in text


def test_a_running_run_says_where_since_when_and_how_long_it_takes_yet(plan: Plan, store: Store) -> None:
    run = store.run(plan.teachers[0].run_id)
    lease = run.claim()
    assert lease is not None
    with lease:
        with run.journal(lease) as journal:
            journal.start(attempt=1, step=0, total_steps=20, device="cuda:1")
            journal.metrics(10, {"train/loss": 1.0}, epoch=1)
        lines = (run.path / "journal.jsonl").read_text().splitlines()
        start, metrics = map(json.loads, lines)  # as if the ten steps had taken a minute
        (run.path / "journal.jsonl").write_text(f"{json.dumps(start | {'t': metrics['t'] - 60})}\n{lines[1]}\n")
        (found, *_) = standings(store, plan.saved())
    assert (found.state, found.pid, found.device) == ("running", os.getpid(), "cuda:1")
    assert found.since == lease.owner.since
    assert found.seconds_left is not None
    assert 50 < found.seconds_left <= 60


def test_a_failed_runs_log_ends_under_the_table(plan: Plan, store: Store) -> None:
    run = store.run(plan.teachers[0].run_id)
    run.fail("the lights went out")
    run.log.write_text("".join(f"line {number}\n" for number in range(9)))
    text = shown(*status_parts(standings(store, plan.saved()), "AP"))
    assert "line 8" in text
    assert "line 1" not in text


def test_nothing_is_twice_and_nothing_unwanted_in_a_store_as_launched(plan: Plan, store: Store) -> None:
    store.save_plan(plan.saved())
    finish(store, plan, *plan.runs)
    found = proof(store, plan.runs)
    assert (found.orphaned, found.duplicates) == ((), ())
    assert "duplicates 0\ndamaged 0\norphaned 0" in shown(*proof_parts(found))


def test_a_copied_directory_and_work_after_the_end_are_duplicates(plan: Plan, store: Store) -> None:
    store.save_plan(plan.saved())
    teacher, student = plan.teachers[0].run_id, plan.rows[0].runs[0].run_id
    finish(store, plan, teacher, student)
    shutil.copytree(store.run(teacher).path, store.root / COPY)
    with store.run(student).journal() as journal:
        journal.start(attempt=2, step=0, total_steps=20)
        journal.metrics(10, {"train/loss": 1.0})
        journal.finish()
    found = proof(store, plan.runs)
    assert f"{COPY}/run.json: damaged: it is of run {teacher}" in " ".join(found.duplicates)
    assert any(line.startswith(f"{student}: trained on") for line in found.duplicates)
    assert found.orphaned == (COPY,)


def test_a_run_killed_between_its_last_line_and_its_result_is_no_duplicate(plan: Plan, store: Store) -> None:
    teacher = plan.teachers[0].run_id
    finish(store, plan, teacher)
    with store.run(teacher).journal() as journal:
        journal.start(attempt=1, step=20, total_steps=20)
        journal.finish()
    assert proof(store, plan.runs).duplicates == ()


def test_a_changed_sweep_leaves_behind_what_it_and_no_other_plan_wants(tmp_path: Path, store: Store) -> None:
    before = small_plan(tmp_path)
    store.save_plan(before.saved())
    finish(store, before, *before.runs)
    after = small_plan(tmp_path, SMALL.replace("seeds: [0, 1]", "seeds: [1, 2]"))
    dropped = {run.run_id for row in before.rows for run in row.runs if run.seed == 0}
    assert set(left_behind(store, "small", "default", after.runs)) == dropped
    other = small_plan(tmp_path, SMALL.replace("sweep: small", "sweep: other").replace("seeds: [0, 1]", "seeds: [0]"))
    store.save_plan(other.saved())
    assert left_behind(store, "small", "default", after.runs) == []
    assert left_behind(store, "never launched", "default", ()) == []
    store.save_plan(after.saved())
    assert proof(store, after.runs).orphaned == ()
    (store.root / "sweeps" / "other.default.json").unlink()
    assert set(proof(store, after.runs).orphaned) == dropped


def test_a_frame_fits_its_height_and_tells_the_machine(plan: Plan, store: Store) -> None:
    store.run(plan.rows[0].runs[0].run_id).fail("the lights went out")
    found = standings(store, plan.saved())
    gpu = GpuUse(index=0, name="A card", percent=80.0, memory_used=2 * 10**9, memory_total=8 * 10**9)
    busy = MachineUse(cpu_percent=50.0, cores=2, memory_used=10**9, memory_total=4 * 10**9, gpus=(gpu,))
    text = shown(frame("A small sweep", found, "AP", busy, height=12, width=160))
    assert "GPU 0 (A card) 80%, memory 2.0 of 8.0 GB" in text
    assert "1-3 of 5 runs" in text
    assert "the lights went out" in text
    assert len(text.splitlines()) <= 12
    assert "no GPU" in shown(frame("A small sweep", found, "AP", IDLE, height=40))
