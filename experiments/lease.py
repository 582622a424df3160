"""Whose a run is: a lease that one process at a time holds, on a local or a shared disk.

Every holder links a file named by a number one higher than the last: linking is atomic, so of several claimants one
wins, also on NFS. The number is the fencing token: the highest is the holder, and a process that was paused and
replaced finds a higher one before it writes. A holder touches its file as a heartbeat. A dead process on this machine
is seen at once (by process id and start time, since ids come round again); elsewhere the heartbeat has to be older than
a timeout, by the clock of the disk.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 10.0
TIMEOUT_SECONDS = 60.0


class LeaseLostError(RuntimeError):
    """Another process holds the run now: this one must not write to it any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Who holds a lease. `machine` is one boot and process namespace, `started` the process's start in it."""

    token: int
    host: str
    machine: str
    pid: int
    started: str
    since: float


def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return socket.gethostname()


def _process_start(pid: int) -> str | None:
    """What tells a process from a later one of the same id; None where it is no more, or a zombie."""
    if not Path("/proc/self/stat").exists():
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        except PermissionError:
            pass
        return ""
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if after_name[0] in "ZX" else after_name[19]


def _tokens(directory: Path) -> list[int]:
    try:
        return sorted(int(path.name) for path in directory.iterdir() if path.name.isdigit())
    except (FileNotFoundError, NotADirectoryError):
        return []


def _file(directory: Path, token: int) -> Path:
    return directory / f"{token:08d}"


def _given_back(directory: Path, token: int) -> Path:
    return directory / f"{token:08d}.released"


def _disk_now(directory: Path) -> float:
    """The time by the clock that stamps this directory's files."""
    probe = directory / f".clock.{uuid4().hex}"
    try:
        probe.touch(exist_ok=False)
        return probe.stat().st_mtime
    except OSError:
        return time.time()
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)


def holder(directory: Path, *, timeout: float = TIMEOUT_SECONDS) -> Owner | None:
    """The living process that holds the lease, or None where it is free to be taken."""
    tokens = _tokens(directory)
    return _living(directory, tokens[-1], timeout) if tokens else None


def _living(directory: Path, token: int, timeout: float) -> Owner | None:
    if _given_back(directory, token).exists():
        return None
    path = _file(directory, token)
    try:
        stamp = path.stat().st_mtime
        owner = Owner(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError):  # damaged: nobody can be asked, so its age decides
        owner = Owner(token=token, host="unknown", machine="unknown", pid=0, started="", since=0.0)
        stamp = path.stat().st_mtime
    if owner.machine == _machine():
        return owner if _process_start(owner.pid) == owner.started else None
    return owner if _disk_now(directory) - stamp < timeout else None


class Lease:
    """A held lease; as a context it beats in a thread and gives itself back at the end."""

    def __init__(self, directory: Path, owner: Owner) -> None:
        self.owner = owner
        self._directory = directory
        self._ended = threading.Event()
        self._beating: threading.Thread | None = None

    @property
    def token(self) -> int:
        """The fencing token: higher than every earlier holder's."""
        return self.owner.token

    @property
    def held(self) -> bool:
        """Whether this process may still write."""
        tokens = _tokens(self._directory)
        return not self._ended.is_set() and bool(tokens) and tokens[-1] == self.token

    def check(self) -> None:
        """Raise LeaseLostError unless the lease is still held; to be called before every write."""
        if not self.held:
            raise LeaseLostError(
                f"lease {self.token} of {self._directory.parent.name} is lost: another process holds it"
            )

    def beat(self) -> None:
        """Say that this process lives."""
        os.utime(_file(self._directory, self.token))

    def start_heartbeat(self, seconds: float = HEARTBEAT_SECONDS) -> None:
        """Beat every so often from a thread, until given back or lost."""
        assert self._beating is None
        self._beating = threading.Thread(target=self._beat_on, args=(seconds,), daemon=True, name="lease heartbeat")
        self._beating.start()

    def _beat_on(self, seconds: float) -> None:
        while not self._ended.wait(seconds):
            try:
                self.beat()
            except FileNotFoundError:
                return  # taken over; the next check says so
            except OSError as error:
                log.warning("heartbeat of %s failed, going on: %s", self._directory, error)

    def release(self) -> None:
        """Give the lease back; harmless when done twice or already lost."""
        if self._ended.is_set():
            return
        held = self.held
        self._ended.set()
        if self._beating is not None:
            self._beating.join()
        if held:
            _given_back(self._directory, self.token).touch()

    def __enter__(self) -> Self:
        if self._beating is None:
            self.start_heartbeat()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def acquire(directory: Path, *, timeout: float = TIMEOUT_SECONDS) -> Lease | None:
    """The lease, or None where a living process holds it or another claimant was quicker."""
    directory.mkdir(parents=True, exist_ok=True)
    tokens = _tokens(directory)
    last = tokens[-1] if tokens else 0
    if last and _living(directory, last, timeout) is not None:
        return None
    started = _process_start(os.getpid())
    assert started is not None
    owner = Owner(
        token=last + 1,
        host=socket.gethostname(),
        machine=_machine(),
        pid=os.getpid(),
        started=started,
        since=time.time(),
    )
    if not _link(directory, owner):
        return None
    lease = Lease(directory, owner)
    if not lease.held:  # a claimant that was asleep linked a number long passed by
        _file(directory, owner.token).unlink(missing_ok=True)
        return None
    for token in tokens:
        _file(directory, token).unlink(missing_ok=True)
        _given_back(directory, token).unlink(missing_ok=True)
    return lease


def _link(directory: Path, owner: Owner) -> bool:
    content: dict[str, Any] = asdict(owner)
    beside = directory / f".claim.{uuid4().hex}"
    with beside.open("x") as file:
        file.write(json.dumps(content))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(beside, _file(directory, owner.token))
    except FileExistsError:
        return beside.stat().st_nlink == 2  # on NFS a repeated request may report the link its first try made
    finally:
        beside.unlink(missing_ok=True)
    return True
