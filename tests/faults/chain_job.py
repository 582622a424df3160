"""A cohort command that writes all that a training writes and trains nothing, so that it can be killed often.

    python chain_job.py JOB.json

A run's state is a chain of digests, one a step: a step lost, done twice or read half gives another end. Runs of a
cohort go in step; each validates and checkpoints every second step, as the training loop does: journal first. A file
`steps` in the store says how many steps there are. What happens is a line in the store's `ledger`.
"""

import hashlib
import json
import os
import re
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distilpose.whole_files import FencedError, write_whole
from experiments.runs.journal import Journal
from experiments.runs.lease import Lease
from experiments.runs.store import RunDir, Store

STEPS = 6
EVERY = 2
FINISHED, FAILED, PREEMPTED = 0, 1, 75
_NAME = re.compile(r"step-(\d+)-([0-9a-f]{16})\.json")


@dataclass
class Member:
    """One run of the cohort, as far as it has come."""

    run: RunDir
    lease: Lease
    journal: Journal
    step: int = 0
    chain: str = ""
    damaged: int = 0
    works: bool = True

    @property
    def value(self) -> float:
        """A number in [0, 1) that all steps so far have made."""
        return int(self.chain[:8], 16) / 16**8

    def restore(self) -> None:
        """Go on from the newest checkpoint whose content is what its name says."""
        for path in sorted(self.run.checkpoints.glob("step-*.json"), reverse=True):
            content, name = path.read_bytes(), _NAME.fullmatch(path.name)
            assert name is not None
            if hashlib.sha256(content).hexdigest()[:16] == name[2]:
                state = json.loads(content)
                self.step, self.chain = state["step"], state["chain"]
                return
            path.unlink()
            self.damaged += 1

    def advance(self) -> None:
        """Do a step."""
        self.step += 1
        self.chain = hashlib.sha256(f"{self.chain} {self.run.run_id} {self.step}".encode()).hexdigest()
        self.journal.metrics(self.step, {"train/loss": self.value}, epoch=self.step / EVERY)

    def checkpoint(self) -> None:
        """Write what a later process goes on from."""
        self.journal.sync()
        content = json.dumps({"step": self.step, "chain": self.chain}).encode()
        name = f"step-{self.step:08d}-{hashlib.sha256(content).hexdigest()[:16]}.json"
        write_whole(self.run.checkpoints / name, content, aside=self.lease.aside)
        for old in sorted(self.run.checkpoints.glob("step-*.json"))[:-2]:
            old.unlink(missing_ok=True)
        self.journal.checkpoint(step=self.step, epoch=None, path="checkpoints")

    def finish(self) -> None:
        """Write the result, last."""
        self.journal.finish()
        result = {
            "metrics": {"AP": self.value},
            "last": {"AP": self.value},
            "best_epoch": self.step // EVERY,
            "epochs": self.step // EVERY,
            "steps": self.step,
            "seconds": 1.0,
            "cohort": "chain",
            "cohort_size": 1,
            "parameters": 1,
            "provenance": {"device": "cpu"},
        }
        self.run.write_result(result, self.lease)


def main(job_file: Path, should_stop: Callable[[], bool] = lambda: False) -> int:
    """Do a job."""
    job = json.loads(job_file.read_text())
    store = Store(job_file.parent.parent)
    steps = int((store.root / "steps").read_text()) if (store.root / "steps").exists() else STEPS
    members: list[Member] = []
    try:
        for run_id in job["run_ids"]:
            run = store.run(run_id)
            lease = run.claim()
            if lease is not None:
                lease.start_heartbeat(0.05)
                run.link_log(job_file.with_suffix(".log"), lease)
                members.append(_begin(store, run, lease, steps))
        return _work(store, members, steps, should_stop)
    except OSError as error:
        reason = str(error)
        for member in members:
            with suppress(OSError):  # nor is there room for this
                _tell(member, lambda member=member: member.run.fail(reason, "disk", member.lease))
        return FAILED
    finally:
        for member in members:
            member.journal.abandon()
            member.lease.release()


def _begin(store: Store, run: RunDir, lease: Lease, steps: int) -> Member:
    teacher = run.spec()["teacher_id"]
    assert teacher is None or store.run(teacher).finished
    member = Member(run, lease, run.journal(lease))
    member.restore()
    _ledger(store, "begin", run)
    member.journal.start(attempt=run.attempts + 1, step=member.step, total_steps=steps)
    if member.damaged:
        member.journal.note("a checkpoint was damaged")
    return member


def _work(store: Store, members: list[Member], steps: int, should_stop: Callable[[], bool]) -> int:
    while working := [member for member in members if member.works and member.step < steps]:
        step = min(member.step for member in working)
        stop = should_stop()
        for member in working:
            if member.step == step:
                _tell(member, lambda member=member, stop=stop: _one(store, member, steps, stop))
        if stop:
            return PREEMPTED
    for member in members:  # killed between its last checkpoint and its result
        if member.works and not member.run.finished:
            _tell(member, member.finish)
    return FINISHED


def _one(store: Store, member: Member, steps: int, stop: bool) -> None:
    if stop:
        member.checkpoint()
        member.journal.stop("preempted")
        return
    member.advance()
    if member.step % EVERY == 0:
        member.journal.metrics(member.step, {"val/AP": member.value}, epoch=member.step // EVERY)
        write_whole(member.run.checkpoints / "weights", member.chain, aside=member.lease.aside)
        member.checkpoint()
    if member.step == steps:
        member.finish()
        _ledger(store, "end", member.run)


def _tell(member: Member, act: Callable[[], Any]) -> None:
    try:
        act()
    except FencedError:
        member.works = False


def _ledger(store: Store, what: str, run: RunDir) -> None:
    handle = os.open(store.root / "ledger", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, f"{what} {run.run_id}\n".encode())
    os.close(handle)


if __name__ == "__main__":
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGUSR1):
        signal.signal(number, lambda number, _: asked.append(number))
    sys.exit(main(Path(sys.argv[1]), lambda: bool(asked)))
