"""A chain job killed at each of its instants in turn: `python die_at.py FOLDER FIRST EVERY`.

An instant is before or after a call that changes what is on disk, or in the middle of a write. For each one a run is
begun in a store of its own below FOLDER, killed there, and gone on with by a second process to its end. Prints how many
instants there were.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import chain_job
from chain_sweep import chain_plan

from experiments.runs.store import Store

CALLS = ("mkdir", "rename", "replace", "link", "unlink", "symlink", "rmdir", "fsync", "write", "ftruncate")


def dying(call: Callable[..., Any], left: list[int]) -> Callable[..., Any]:
    """A system call at which the process dies once its instants are used up."""

    def instant() -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def either_side(*arguments: Any, **named: Any) -> Any:
        instant()
        if call.__name__ == "write" and left[0] == 1:
            arguments = (arguments[0], arguments[1][: len(arguments[1]) // 2])
        done = call(*arguments, **named)
        instant()
        return done

    return either_side


def forked(job: Path, die_at: int) -> int:
    """The wait status of a process that did the job, or died of it."""
    pid = os.fork()
    if pid == 0:
        if die_at:
            left = [die_at]
            for name in CALLS:
                setattr(os, name, dying(getattr(os, name), left))
        os._exit(chain_job.main(job))
    return os.waitpid(pid, 0)[1]


def main(folder: Path, first: int, every: int) -> int:
    """How many instants a job has, having killed one at every `every`th."""
    instant = first
    while True:
        root = folder / f"{instant:04d}"
        root.mkdir(parents=True)
        plan, store = chain_plan(root), Store(root / "runs")
        run = plan.runs[plan.teachers[0].run_id]
        store.run(run.run_id).write_spec(run.spec)
        job = store.write_job({"cohort_id": "one", "run_ids": [run.run_id]})
        status = forked(job, instant)
        if status == 0:
            return instant
        assert os.WTERMSIG(status) == signal.SIGKILL, status
        assert forked(job, 0) == 0
        instant += every


if __name__ == "__main__":
    print(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
