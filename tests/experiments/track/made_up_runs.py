"""A sweep of made-up runs in a store: a finished teacher, a student that was killed and went on, one not begun."""

import math
from pathlib import Path

from PIL import Image
from small_sweeps import bare_plan

from experiments.runs.store import Store

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
        journal.metrics(step, {"train/loss": 1 / step, "val/PCK@0.1": math.nan if step == 1 else step / 10}, epoch=step)
        picture = f"pictures/epoch-{step:04d}/skeleton.png"
        draw(run.path / picture, step)
        journal.picture(step, "skeleton", picture, f"step {step}", epoch=step)


def draw(file: Path, red: int = 200) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6), (red, 10, 10)).save(file)


def finish(store, run_id, steps, *, role="student", row="all"):
    """A run that finished after some steps."""
    run = begin(store, run_id, role, row)
    with run.journal() as journal:
        journal.start(attempt=1, step=0)
        measure(run, journal, steps)
        journal.finish()
    run.write_result({"metrics": {"AP": 0.2}, "best_epoch": 2, "provenance": {"commit": "abc"}})
    return run


def made_up_store(root):
    store = Store(root)
    store.save_plan(PLAN)
    finish(store, "teacher", [1, 2], role="teacher", row=None)
    student = begin(store, "student", "student", "all")
    with student.journal() as journal:
        journal.start(attempt=1, step=0)
        measure(student, journal, [1, 2, 3])
    with student.journal() as journal:
        journal.start(attempt=2, step=1)
        measure(student, journal, [2, 3, 4])
        journal.stop("preempted")
    return store


def sweep_of(store, count, steps=4):
    """A saved plan of `count` finished runs."""
    seeds = [{"run_id": f"run{n}", "seed": n} for n in range(count)]
    plan = bare_plan(rows=[{**ROW, "runs": seeds}], teachers=[])
    store.save_plan(plan)
    for seed in seeds:
        finish(store, seed["run_id"], range(1, steps + 1))
    return plan


KILLED = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = sys.argv[3:]
from made_up_runs import begin, measure
from experiments.runs.store import Store
from experiments.track.card import run_card
from experiments.track.courier import Courier
from experiments.track.tracker import Tracker
from experiments.track.trackers import open_service, read_tracker

class Both:
    def metrics(self, *arguments, **options):
        [it.metrics(*arguments, **options) for it in (journal, tracker)]
    def picture(self, *arguments, **options):
        [it.picture(*arguments, **options) for it in (journal, tracker)]

run = begin(Store(Path(sys.argv[1])), "later", "student", "all")
journal = run.journal()
service = open_service(read_tracker(sys.argv[2]))
courier = Courier(service.process)
card = run_card("later", run.spec(), sweep="mini", profile="default")
tracker = Tracker(card, run_dir=run.path, service=service, courier=courier)
journal.start(attempt=1, step=0)
measure(run, Both(), range(1, 10))
import threading
done = threading.Event()
courier.send(done.set)
done.wait()
journal.sync()
os.kill(os.getpid(), signal.SIGKILL)
"""
