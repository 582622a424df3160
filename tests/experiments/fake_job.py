"""A cohort command that does next to nothing, as a run does it: claims, journals, checkpoints, finishes.

    python fake_job.py JOB.json

Every step it does is a line in the store's `ledger`. A file `<run_id>.fail` in the store makes the run's attempts fail
as often as the number in it says; `slow` makes every step last 30 ms, or as many seconds as it says.
"""

import json
import signal
import sys
import time
from pathlib import Path

from experiments.runs.store import Store

STEPS = 5


def main(job_file: Path, should_stop=lambda: False) -> int:
    job = json.loads(job_file.read_text())
    store = Store(job_file.parent.parent)
    code = 0
    for run_id in job["run_ids"]:
        run = store.run(run_id)
        lease = run.claim()
        if lease is None:
            continue
        with lease, run.journal(lease) as journal:
            teacher = run.spec()["teacher_id"]
            assert teacher is None or store.run(teacher).finished
            checkpoint = run.checkpoints / "step"
            first = int(checkpoint.read_text()) if checkpoint.exists() else 0
            journal.start(attempt=run.attempts + 1, step=first, total_steps=STEPS)
            wish = store.root / f"{run_id}.fail"
            if wish.exists() and run.attempts < int(wish.read_text()):
                run.fail("as wished", "error", lease)
                code = 1
                continue
            for step in range(first + 1, STEPS + 1):
                if should_stop():
                    journal.stop("preempted")
                    return 75
                if run.is_stopped:
                    journal.stop("preempted", "stopped by the user")
                    break
                slow = store.root / "slow"
                if slow.exists():
                    time.sleep(float(slow.read_text() or 0.03))
                with (store.root / "ledger").open("a") as ledger:
                    ledger.write(f"{run_id} {step}\n")
                journal.metrics(step, {"train/loss": 1 / step})
                checkpoint.parent.mkdir(exist_ok=True)
                checkpoint.write_text(str(step))
                journal.checkpoint(step=step, epoch=None, path="checkpoints/step")
            else:
                journal.finish()
                run.write_result({"metrics": {"AP": 0.5}, "cohort": job["cohort_id"], "threads": job["threads"]}, lease)
    return code


if __name__ == "__main__":
    asked: list[int] = []
    for name in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(name, lambda number, _: asked.append(number))
    sys.exit(main(Path(sys.argv[1]), lambda: bool(asked)))
