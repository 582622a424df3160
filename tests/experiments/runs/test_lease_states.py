"""The life of a lease among processes that pause, die and oversleep on machines whose clocks jump."""

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from distilpose.whole_files import FencedError, write_whole
from experiments.runs import lease as lease_module
from experiments.runs.journal import Journal, read_events
from experiments.runs.lease import Lease, Watch, acquire, holder

TIMEOUT = 60.0
WHO = st.integers(0, 3)


@dataclass
class Process:
    """One that may hold the lease; two of them share a machine."""

    number: int
    pid: int
    now: float = 0.0
    alive: bool = True
    paused: bool = False
    lease: Lease | None = None
    journal: Journal | None = None
    watch: Watch = field(init=False)

    def __post_init__(self) -> None:
        self.watch = Watch(TIMEOUT, lambda: self.now)

    @property
    def machine(self) -> str:
        return f"machine {self.number % 2}"


class LeaseStates(RuleBasedStateMachine):
    """Checks that at most one process holds the lease, and that only what the last one wrote is there."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.root = Path(self.folder.name)
        self.lease = self.root / "lease"
        self.pids = 100
        self.processes = {number: Process(number, self._pid()) for number in range(4)}
        self.current = self.processes[0]
        self.highest = 0
        self.interruptions: list[Callable[[], Any]] = []
        self.patch = pytest.MonkeyPatch()
        rename, replace, link = Path.rename, Path.replace, os.link
        self.patch.setattr(lease_module, "_machine", lambda: self.current.machine)
        self.patch.setattr(lease_module, "process_start", self._process_start)
        self.patch.setattr(os, "fsync", lambda handle: None)  # no power is cut here
        self.patch.setattr(os, "getpid", lambda: self.current.pid)
        # What may happen between any two instructions happens before those that change names.
        self.patch.setattr(Path, "rename", lambda path, target: (self._interrupted(), rename(path, target))[1])
        self.patch.setattr(Path, "replace", lambda path, target: (self._interrupted(), replace(path, target))[1])
        self.patch.setattr(os, "link", lambda path, target: (self._interrupted(), link(path, target))[1])

    def _pid(self) -> int:
        self.pids += 1
        return self.pids

    def _process_start(self, pid: int) -> str | None:
        on_machine = [process for process in self.processes.values() if process.machine == self.current.machine]
        return str(pid) if any(process.pid == pid and process.alive for process in on_machine) else None

    def _interrupted(self) -> None:
        if self.interruptions:
            slept, act = self.current, self.interruptions.pop()
            act()
            self.current = slept

    def _awake(self, number: int) -> Process | None:
        process = self.processes[number]
        if not process.alive or process.paused:
            return None
        self.current = process
        return process

    def _take_over(self, number: int) -> None:
        """Wait until the holder counts as dead, and claim."""
        process = self.processes[number]
        if not process.alive or process.paused or process.lease is not None:
            return
        self.current = process
        for _ in range(6):
            process.now += TIMEOUT / 4
            process.watch.evict(self.lease)
        self._claim(process)

    def _claim(self, process: Process) -> None:
        lease = acquire(self.lease)
        if lease is not None:
            assert lease.token > self.highest
            self.highest, process.lease = lease.token, lease
            process.journal = Journal(self.root / "journal", aside=lease.aside, sync_seconds=0)

    @rule(number=WHO, meanwhile=st.lists(WHO, max_size=3))
    def claim(self, number: int, meanwhile: list[int]) -> None:
        process = self._awake(number)
        if process is not None and process.lease is None:
            others = [other for other in meanwhile if other != number]
            self.interruptions = [lambda: [self._take_over(other) for other in others]]
            try:
                self._claim(process)
            except FencedError:  # replaced before the journal was open
                process.journal = None
            self.interruptions = []

    @rule(number=WHO, seconds=st.floats(0, 200))
    def watch(self, number: int, seconds: float) -> None:
        process = self._awake(number)
        if process is not None and process.lease is None:
            process.now += seconds
            process.watch.evict(self.lease)

    @rule(number=WHO)
    def take_over(self, number: int) -> None:
        self._take_over(number)

    @rule(number=WHO)
    def beat(self, number: int) -> None:
        process = self._awake(number)
        if process is not None and process.lease is not None:
            try:
                process.lease.beat()
            except FileNotFoundError:
                assert not process.lease.held

    @rule(seconds=st.integers(-(10**9), 10**9))
    def clock_jump(self, seconds: int) -> None:
        for path in self.lease.glob("*/owner.json"):
            stamp = max(0.0, path.stat().st_mtime + seconds)
            os.utime(path, (stamp, stamp))

    @rule(number=WHO)
    def pause(self, number: int) -> None:
        self.processes[number].paused = True

    @rule(number=WHO)
    def go_on(self, number: int) -> None:
        self.processes[number].paused = False

    @rule(number=WHO)
    def die(self, number: int) -> None:
        old = self.processes[number]
        old.alive = False
        if old.journal is not None:
            old.journal.abandon()
        self.processes[number] = Process(number, self._pid())

    @rule(number=WHO)
    def give_back(self, number: int) -> None:
        process = self._awake(number)
        if process is not None and process.lease is not None:
            process.lease.release()
            process.lease = None
            if process.journal is not None:
                process.journal.abandon()

    @rule(number=WHO, meanwhile=WHO, exclusive=st.booleans())
    def write(self, number: int, meanwhile: int, exclusive: bool) -> None:
        process = self._awake(number)
        if process is None or process.lease is None:
            return
        token = process.lease.token
        name = f"result-{token}" if exclusive else "file"
        if meanwhile != number:
            self.interruptions = [lambda: self._take_over(meanwhile)]
        try:
            write_whole(self.root / name, str(token), aside=process.lease.aside, exclusive=exclusive)
            assert token == self.highest
        except FencedError:
            assert not process.lease.held
        except FileExistsError:
            assert exclusive
        self.interruptions = []

    @rule(number=WHO)
    def write_journal(self, number: int) -> None:
        process = self._awake(number)
        if process is not None and process.lease is not None and process.journal is not None:
            process.journal.note(str(process.lease.token))  # without looking first whether the lease is held

    @invariant()
    def at_most_one_holds(self) -> None:
        if not hasattr(self, "processes"):
            return
        held = [process.lease.token for process in self.processes.values() if process.lease and process.lease.held]
        assert held in ([], [self.highest])

    @invariant()
    def the_journal_never_goes_back_to_an_earlier_holder(self) -> None:
        if hasattr(self, "root"):
            tokens = [int(event["message"]) for event in read_events(self.root / "journal")]
            assert tokens == sorted(tokens)

    @precondition(lambda self: hasattr(self, "processes"))
    @rule()
    def once_all_are_dead_the_lease_can_be_had(self) -> None:
        for number in range(4):
            self.die(number)
        for number in range(4):
            self._take_over(number)
        self.current = self.processes[0]
        assert holder(self.lease) is not None

    def teardown(self) -> None:
        if hasattr(self, "patch"):
            self.patch.undo()
            for process in self.processes.values():
                if process.journal is not None:
                    process.journal.abandon()
            self.folder.cleanup()


TestLeaseStates = LeaseStates.TestCase
TestLeaseStates.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
