"""A month of a cluster in minutes: the engine's own code by a clock that jumps from event to event.

Workers (`distilpose work`) on nodes of several GPUs share one plan. Real are the scheduler, the fates, the store, the
leases, journals and results on the disk. Made up are time, the trainings, and what goes wrong:

nodes      die without a word, 6.5 times in 1,000 node-days (Kokolis et al., HPCA 2025, RSC-1), and are back hours later
allocations end after two days, and wait for the next one
processes  die without a word, as for a GPU's error
the disk   tells of new runs and of ends up to half a minute late, as NFS does

It counts what the month must not have: a part of a run done twice, a run lost. Rates may be raised by a factor.
"""

from __future__ import annotations

import argparse
import heapq
import json
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import matplotlib.pyplot as plt

from benchmarks.engine_growth import planned, sweep_file
from benchmarks.measure import most_gigabytes
from experiments.launch import scheduler
from experiments.launch.neighbours import Neighbours
from experiments.launch.protocol import Slot
from experiments.launch.records import LaunchSettings
from experiments.launch.scheduler import launch_plan
from experiments.plan.plan import Plan
from experiments.runs import journal
from experiments.runs.job import FINISHED, PREEMPTED
from experiments.runs.journal import Journal
from experiments.runs.lease import Lease, LeaseLostError, Watch
from experiments.runs.store import RunDir, Store

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
NODE_FAILURES = 6.5 / 1000 / DAY  # a node's, a second
PROCESS_DEATHS = 1 / (200 * HOUR)  # of a process; ours
REPAIR = 4 * HOUR
QUEUE = 10 * MINUTE  # what the next allocation of a node is waited for, on average
ALLOCATION = 2 * DAY
DONE = 6 * HOUR  # until a node whose worker found nothing left to do is asked for again
START = 40.0  # from a process's start to its first step
CHECKPOINT = 30 * MINUTE
BEAT, TIMEOUT = 10 * MINUTE, HOUR  # of a lease; sixty times as long as real ones, to touch fewer files
STALE = 30.0
POLL = 2 * MINUTE  # between two looks of a worker; a real one's is a second at most
COHORT = 8


class Dead(BaseException):
    """Ends what a node's thread was doing."""


class Clock:
    """Virtual time; of all threads that sleep by it one runs at a time."""

    def __init__(self) -> None:
        self.now = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []  # at one time in the order of their numbers
        self._count = 0
        self._idle = threading.Event()

    def at(self, when: float, act: Callable[[], None]) -> None:
        """Have something happen."""
        self._count += 1
        heapq.heappush(self._events, (max(when, self.now), self._count, act))

    def sleep(self, seconds: float) -> None:
        """Let the others run until then."""
        woken = threading.Event()
        self.at(self.now + seconds, lambda: self._run(woken.set))
        self._idle.set()
        woken.wait()

    def start(self, work: Callable[[], None]) -> None:
        """Run a thread until it sleeps or ends."""

        def whole() -> None:
            try:
                work()
            finally:
                self._idle.set()

        self._run(threading.Thread(target=whole, daemon=True).start)

    def _run(self, wake: Callable[[], object]) -> None:
        self._idle.clear()
        wake()
        self._idle.wait()

    def run(self, until: float, over: Callable[[], bool]) -> None:
        """Let time pass."""
        while self._events and self._events[0][0] <= until and not over():
            self.now, _, act = heapq.heappop(self._events)
            act()


class Beating:
    """A lease whose heart beats by the clock, until its node dies."""

    def __init__(self, clock: Clock, node: Node, lease: Lease) -> None:
        self.lease, self._clock, self._node, self._held = lease, clock, node, True
        self._life = node.life

    def start_heartbeat(self) -> None:
        """Beat from now on."""
        self._beat()

    def _beat(self) -> None:
        if self._held and self._node.life == self._life:
            with suppress(FileNotFoundError):
                self.lease.beat()
                self._clock.at(self._clock.now + BEAT, self._beat)

    def release(self) -> None:
        """Release the lease, if there is anybody to do it."""
        if self._held and self._node.life == self._life:
            self.lease.release()
        self._held = False


class LateStore(Store):
    """A store on a disk that tells of new folders late."""

    def __init__(self, root: Path, clock: Clock, node: Node) -> None:
        super().__init__(root)
        self._watch = Watch(TIMEOUT, lambda: clock.now)
        self._clock, self._node = clock, node
        self._names: tuple[float, set[str]] = (float("-inf"), set())

    def names(self) -> set[str]:
        """The names as they were up to half a minute ago."""
        if self._clock.now - self._names[0] > STALE:
            self._names = (self._clock.now, super().names())
        return set(self._names[1])

    def claim_cohort(self, cohort_id: str) -> Any:
        """A claim that beats by the clock."""
        lease = super().claim_cohort(cohort_id)
        return None if lease is None else Beating(self._clock, self._node, lease)


class Node:
    """A machine with GPUs, the worker on it, and what its processes do."""

    def __init__(self, month: Month, number: int) -> None:
        self.month, self.number, self.life = month, number, 0
        self.cpu = 0.0
        self.up_since: float | None = None
        self.slots = tuple(Slot(device=f"cuda:{gpu}", machine=f"node {number}") for gpu in range(month.gpus_a_node))

    def allocate(self) -> None:
        """Begin an allocation."""
        clock, month = self.month.clock, self.month
        life = self.life
        self.up_since = clock.now

        def work() -> None:
            before = time.thread_time()
            over = False
            settings = LaunchSettings(
                data_root=lambda data: month.root,
                neighbours=Neighbours(month.root / "gpus" / str(self.number)),
                stay=False,
                hours=(ALLOCATION - 5 * MINUTE) / HOUR,
                poll_seconds=POLL,
                progress_seconds=HOUR,
                grace_seconds=4 * MINUTE,
                backoff_seconds=MINUTE,
            )
            try:
                over = launch_plan(month.plan, LateStore(month.root, clock, self), self, settings).over
            except Dead:
                pass
            finally:
                self.cpu += time.thread_time() - before
            if self.life == life:
                self.end()
                if not month.is_over():
                    wait = month.random.expovariate(1 / QUEUE) if over else DONE
                    clock.at(clock.now + wait, self.allocate)

        clock.start(work)

    @property
    def held(self) -> float:
        """The GPU-seconds of the allocation so far."""
        return 0.0 if self.up_since is None else (self.month.clock.now - self.up_since) * len(self.slots)

    def end(self) -> None:
        """Count the time that the node was ours."""
        self.month.allocated += self.held
        self.up_since = None

    def die(self) -> None:
        """Lose all that runs here, and come back."""
        clock = self.month.clock
        if self.up_since is not None:
            self.month.happened["node failures"] += 1
            self.month.failures.append(clock.now / DAY)
            self.end()
            self.life += 1
            clock.at(clock.now + REPAIR, self.allocate)
        clock.at(clock.now + self.month.random.expovariate(NODE_FAILURES * self.month.factor), self.die)

    def start(self, job: Path, slot: Slot) -> Process:
        """Start a cohort's process."""
        return Process(self, json.loads(job.read_text())["run_ids"])


@dataclass
class Training:
    """A run in a process, `step` parts of it done."""

    run: RunDir
    lease: Beating
    log: Journal
    step: int


class Process:
    """A cohort in training: its runs do their parts together, a checkpoint after each."""

    def __init__(self, node: Node, run_ids: list[str]) -> None:
        self.node, self.month = node, node.month
        self._life, self._asked = node.life, False
        self._code: int | None = None
        self._run_ids = run_ids
        self._store = LateStore(self.month.root, self.month.clock, node)
        self._held: list[Training] = []
        self._due = self._length = self._whole = 0.0  # of the part: its end, what is done of it here, all of it
        self.month.clock.at(self.month.clock.now + START, self._claim)

    @property
    def _gone(self) -> bool:
        return self.node.life != self._life or self._code is not None

    @property
    def _left(self) -> list[Training]:
        return [one for one in self._held if one.step < self.month.parts]

    def poll(self) -> int | None:
        """The exit code."""
        if self.node.life != self._life:
            raise Dead
        return self._code

    def stop(self) -> None:
        """Ask for the end at the next moment."""
        if not self._gone and not self._asked:
            self._asked = True
            self.month.clock.at(self.month.clock.now + 20.0, self._preempt)

    def kill(self) -> None:
        """End without a word."""
        if not self._gone:
            self._code = -9

    def _claim(self) -> None:
        if self._gone:
            return
        clock = self.month.clock
        for run_id in self._run_ids:
            run = self._store.run(run_id)
            lease = run.claim()
            if lease is None:
                self.month.happened["runs found taken"] += 1
                continue
            beating = Beating(clock, self.node, lease)
            beating.start_heartbeat()
            progress = run.progress()
            step = 0 if progress is None else progress.step
            log = run.journal(lease)
            log.start(attempt=run.attempts + 1, step=step, total_steps=self.month.parts)
            self._held.append(Training(run, beating, log, step))
        clock.at(clock.now + self.month.random.expovariate(PROCESS_DEATHS * self.month.factor), self._die)
        self._next()

    def _next(self) -> None:
        left = self._left
        if not left:
            self._end(FINISHED)
            return
        self._whole = CHECKPOINT * (0.3 + 0.1 * len(left))
        self._length = self._whole * max([self.month.rests.pop(one.run.run_id, 1.0) for one in left])
        self._due = self.month.clock.now + self._length
        self.month.clock.at(self._due, self._part)

    def _part(self) -> None:
        if self._gone or self._asked:
            if self.node.life != self._life:
                self._forget()
            return
        for one in self._left:
            try:
                one.lease.lease.check()
            except LeaseLostError:
                self.month.happened["leases lost"] += 1
                self._held.remove(one)
                continue
            one.step += 1
            self.month.counted[(one.run.run_id, one.step)] += 1
            one.log.metrics(one.step, {"train/loss": 1 / one.step})
            one.log.checkpoint(step=one.step, epoch=None, path="checkpoints/step")
            if one.step == self.month.parts:
                one.log.finish()
                one.run.write_result({"metrics": {"AP": 0.5}, "steps": one.step}, one.lease.lease)
                self.month.finished[one.run.run_id] += 1
        self.month.trained += self._length
        self._next()

    def _preempt(self) -> None:
        """End with a checkpoint within the part: the next process does its rest."""
        if self._gone:
            return
        rest = max(0.0, self._due - self.month.clock.now)
        for one in self._left:
            self.month.rests[one.run.run_id] = rest / self._whole
            one.log.stop("preempted")
        if self._held:
            self.month.trained += self._length - rest
        self._end(PREEMPTED)

    def _die(self) -> None:
        if not self._gone:
            self.month.happened["process deaths"] += 1
            self._end(-9)

    def _end(self, code: int) -> None:
        """On its own machine a process that ended holds nothing: there the process table tells."""
        for one in self._held:
            with suppress(OSError, LeaseLostError):
                one.log.close()
            one.lease.release()
        self._held.clear()
        self._code = code

    def _forget(self) -> None:
        for one in self._held:
            one.log.abandon()
        self._held.clear()


@dataclass
class Month:
    """The cluster and all that is counted."""

    root: Path
    plan: Plan
    nodes: int
    gpus_a_node: int
    parts: int
    factor: float
    random: random.Random
    clock: Clock = field(default_factory=Clock)
    rests: dict[str, float] = field(default_factory=dict)
    counted: Counter[tuple[str, int]] = field(default_factory=Counter)
    finished: Counter[str] = field(default_factory=Counter)
    happened: Counter[str] = field(default_factory=Counter)
    curve: list[tuple[float, int, float, float]] = field(default_factory=list)
    failures: list[float] = field(default_factory=list)
    trained: float = 0.0
    allocated: float = 0.0
    cpu: float = 0.0

    def is_over(self) -> bool:
        """Whether every run is finished."""
        return len(self.finished) == len(self.plan.runs)

    def live(self, days: float) -> None:
        """Let the month pass, or as much of it as the work takes."""
        cluster = [Node(self, number) for number in range(self.nodes)]
        for node in cluster:
            self.clock.at(self.random.random() * MINUTE, node.allocate)
            self.clock.at(self.random.expovariate(NODE_FAILURES * self.factor), node.die)
        self._watch(cluster)
        with _virtual(self.clock):
            self.clock.run(days * DAY, self.is_over)
        for node in cluster:
            node.end()
        self._watch([])
        self.cpu = sum(node.cpu for node in cluster)

    def _watch(self, cluster: list[Node]) -> None:
        allocated = self.allocated + sum(node.held for node in cluster)
        self.curve.append((self.clock.now / DAY, len(self.finished), self.trained, allocated))
        print(f"\rday {self.clock.now / DAY:.1f}, {len(self.finished)} runs finished", end="", file=sys.stderr)
        self.clock.at(self.clock.now + 6 * HOUR, lambda: self._watch(cluster))

    def draw(self, file: Path) -> None:
        """Draw how the runs were finished, and what share of the allocated GPUs trained."""
        figure, (upper, lower) = plt.subplots(2, 1, figsize=(7, 4), sharex=True, layout="constrained")
        days, finished, trained, allocated = (list(values) for values in zip(*self.curve, strict=True))
        upper.plot(days, finished, color="tab:blue")
        upper.set_ylabel("finished runs")
        spans = list(zip(pairwise(trained), pairwise(allocated), strict=True))
        use = [100 * (after - before) / max(1.0, late - early) for (before, after), (early, late) in spans]
        lower.stairs(use, days, color="tab:blue", fill=True, alpha=0.5)
        lower.set(ylim=(0, 100), xlabel="days", ylabel="% of allocated\nGPUs that train")
        for day in self.failures:
            lower.axvline(day, ymax=0.06, color="tab:red")
        figure.savefig(file)
        plt.close(figure)


@contextmanager
def _virtual(clock: Clock) -> Iterator[None]:
    """The engine's time is the clock's, and nobody waits for the disk."""
    told = SimpleNamespace(monotonic=lambda: clock.now, sleep=clock.sleep, time=lambda: clock.now)
    with ExitStack() as patches:
        for module in (scheduler, journal):
            patches.enter_context(patch.object(module, "time", told))
        patches.enter_context(patch.object(os, "fsync", lambda _: None))
        yield


def main() -> None:
    """Simulate a month and print what it was like."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=16)
    parser.add_argument("--gpus", type=int, default=4, help="of a node")
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--days", type=float, default=30.0)
    parser.add_argument("--factor", type=float, default=1.0, help="of all rates of failure")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", type=Path, help="where to draw it, such as docs/pictures/month.svg")
    choice = parser.parse_args()
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
        root = Path(folder)
        plan = planned(sweep_file(root, choice.runs), Store(root), max_cohort=COHORT)
        # As long as fills the cluster for most of the month; a part of eight runs takes 1.1 checkpoints' time.
        work = 0.85 * choice.nodes * choice.gpus * choice.days * DAY
        parts = max(1, round(work / (1.1 * CHECKPOINT * len(plan.cohorts))))
        month = Month(root, plan, choice.nodes, choice.gpus, parts, choice.factor, random.Random(choice.seed))
        month.live(choice.days)
        days = month.clock.now / DAY
        print(file=sys.stderr)
        print(f"{choice.nodes} nodes of {choice.gpus} GPUs, {days:.1f} days")
        print(f"{len(plan.runs)} runs in {len(plan.cohorts)} cohorts of {parts} checkpoints")
        print(f"finished {len(month.finished)}, twice {sum(count > 1 for count in month.finished.values())}")
        print(f"parts done {len(month.counted)}, twice {sum(count > 1 for count in month.counted.values())}")
        print(f"training: {100 * month.trained / month.allocated:.1f} % of the allocated GPUs' time")
        a_day = month.cpu / (days * choice.nodes)
        print(f"workers' CPU: {a_day:.2f} s a day each, for a look every {POLL:.0f} s")
        print(f"memory of all: {most_gigabytes():.2f} GiB")
        if choice.picture is not None:
            month.draw(choice.picture)
        print(f"happened: {dict(month.happened)}")
        print(f"took {time.perf_counter() - began:.0f} s, of CPU {time.process_time():.0f} s")


if __name__ == "__main__":
    main()
