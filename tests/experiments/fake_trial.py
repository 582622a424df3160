"""A cohort command that scores loss weights by a formula, epoch by epoch, and ends trials as the real one does.

    python fake_trial.py JOB.json

AP grows to 1 / (1 + distance), in powers of ten, from KT = 1e-3. Every epoch done is a line in the store's `ledger`;
a file `slow` in the store makes each last 30 ms.
"""

import json
import math
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from experiments.runs.atomic import write_whole
from experiments.runs.store import Store
from experiments.search.pruning import Pruning

EPOCHS = 4


def score(recipe: dict) -> float:
    weight = (recipe["losses"].get("KT") or {"weight": 0.0})["weight"] if recipe["losses"] else 1e-3
    return 1 / (1 + abs(math.log10(max(weight, 1e-9)) + 3)) + 1e-4 * recipe["seed"]


def main(job_file: Path, should_stop=lambda: False) -> int:
    job = json.loads(job_file.read_text())
    store = Store(job_file.parent.parent)
    pruning = Pruning(store, job["search"], epochs=EPOCHS) if job["search"] else None
    with ExitStack() as stack:
        runs = []
        for run_id in job["run_ids"]:
            run = store.run(run_id)
            lease = run.claim()
            if lease is None:
                continue
            stack.enter_context(lease)
            journal = stack.enter_context(run.journal(lease))
            kept = run.checkpoints / "epoch"
            first = int(kept.read_text()) if kept.exists() else 0
            journal.start(attempt=1, step=first, total_steps=EPOCHS)
            runs.append((run, lease, journal, first))
        for epoch in range(1, EPOCHS + 1):
            for run, lease, journal, first in list(runs):
                if epoch <= first:
                    continue
                if should_stop():
                    return 75
                if (store.root / "slow").exists():
                    time.sleep(0.03)
                with (store.root / "ledger").open("a") as ledger:
                    ledger.write(f"{run.run_id} {epoch}\n")
                value = score(run.spec()["recipe"]) * epoch / EPOCHS
                journal.metrics(epoch, {"val/AP": value}, epoch=epoch)
                write_whole(run.checkpoints / "epoch", str(epoch))
                journal.checkpoint(step=epoch, epoch=epoch, path="checkpoints/epoch")
                if epoch == EPOCHS:
                    journal.finish()
                    result = {"metrics": {"AP": value}, "steps": 0, "cohort": job["cohort_id"]}
                    run.write_result(result, lease)
                elif pruning is not None and pruning.ends(run.run_id):
                    run.prune({"by": "test", "epoch": epoch, "step": epoch, "metrics": {"AP": value}}, lease)
                    journal.stop("pruned")
                    runs.remove((run, lease, journal, first))
    return 0


if __name__ == "__main__":
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    sys.exit(main(Path(sys.argv[1]), lambda: bool(asked)))
