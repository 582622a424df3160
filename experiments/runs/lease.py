"""Which process holds a run: a lease on a local or shared disk.

    lease/00000007/owner.json    the holder, or the last one; touched as a heartbeat
    lease/00000007/aside.<uuid>  where the holder writes files before they are put in place

A claimant prepares the folder of the next number and renames it into place. A folder cannot be renamed onto one with
content, so one of several claimants wins, also on NFS. The number is the fencing token: the highest is the holder,
while its aside folder exists.

A holder writes everything through that folder; whoever takes the run over first renames it away. So a process that was
paused at any instruction, and replaced meanwhile, can put no file in place any more: the file system refuses. Checks
before writes only make it notice sooner.

When is a holder dead? On the same machine (boot and process namespace) the process table tells at once. Elsewhere it
may be evicted when its heartbeat has not *changed* for a timeout, by the clock of the process that watches. Clocks of
two machines are never compared, nor a clock that can be set.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Self
from uuid import uuid4

from pydantic import Field, StringConstraints, TypeAdapter, ValidationError

from distilpose.whole_files import FencedError, sync_folder
from experiments.runs.atomic import DamagedError, open_plain

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 10.0
TIMEOUT_SECONDS = 60.0
_ANOTHER_WAS_QUICKER = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOENT)
_TOKEN = re.compile(r"[0-9]{1,18}")
_LOOKS = 4  # a silence counts when it was seen at this many looks or more, spread over the timeout


class LeaseLostError(FencedError):
    """Another process may hold the run now: this one must not write to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The holder of a lease. `machine` is one boot and process namespace, `started` the process's start in it.

    `since` is for people. `aside` names the folder that must exist for the lease to be held.
    """

    token: int
    host: str
    machine: str
    pid: int
    started: str
    since: Annotated[float, Field(ge=0, le=1e11)]
    aside: Annotated[str, StringConstraints(pattern=r"^aside\.[0-9a-f]{32}$")]


_OWNER = TypeAdapter(Owner)


def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return socket.gethostname()


def process_start(pid: int) -> str | None:
    """When a process started, which tells it from a later one of its id; None where it is gone, or a zombie."""
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


def is_alive(pid: int, started: str) -> bool:
    """Whether the process of this machine that started then is still there."""
    return process_start(pid) == started


def _last_token(directory: Path) -> int:
    """The highest number, 0 for none."""
    try:
        return max((int(path.name) for path in directory.iterdir() if _TOKEN.fullmatch(path.name)), default=0)
    except (FileNotFoundError, NotADirectoryError):
        return 0


def _folder(directory: Path, token: int) -> Path:
    return directory / f"{token:08d}"


def _take_away(folder: Path) -> None:
    """Remove a folder: first its name, then its content."""
    gone = folder.with_name(f".gone.{uuid4().hex}")
    try:
        folder.rename(gone)
    except FileNotFoundError:
        return
    shutil.rmtree(gone, ignore_errors=True)


def _look(directory: Path, token: int) -> tuple[Owner, int] | None:
    """The holder of that number and the stamp of its heartbeat; None where there is none, or it is dead."""
    folder = _folder(directory, token)
    file = folder / "owner.json"
    try:
        with open_plain(file) as stream:  # opening makes NFS ask for the stamp anew
            stamp, text = os.fstat(stream.fileno()).st_mtime_ns, stream.read()
    except FileNotFoundError:
        return None
    except DamagedError:
        stamp, text = file.stat().st_mtime_ns, b""
    try:
        owner = _OWNER.validate_json(text)
    except ValidationError:  # damaged: nobody can be asked, so silence decides
        aside = next((path.name for path in folder.glob("aside.*")), "aside")
        owner = Owner(token=token, host="unknown", machine="", pid=0, started="", since=0.0, aside=aside)
    if not (folder / owner.aside).is_dir():
        return None
    if owner.machine == _machine() and not is_alive(owner.pid, owner.started):
        return None
    return owner, stamp


def is_here(owner: Owner) -> bool:
    """Whether a holder is a process of this machine."""
    return owner.machine == _machine()


def holder(directory: Path) -> Owner | None:
    """The process that holds the lease, or None."""
    seen = _look(directory, _last_token(directory))
    return None if seen is None else seen[0]


@dataclass(slots=True)
class _Silence:
    token: int
    stamp: int
    looked: float
    seconds: float = 0.0


class Watch:
    """The heartbeats that one process has seen, by its own monotonic clock.

    A pause between two looks counts for at most a quarter of the timeout: a holder that slept too gets the time to
    beat.
    """

    def __init__(self, timeout: float = TIMEOUT_SECONDS, clock: Callable[[], float] = time.monotonic) -> None:
        self._timeout, self._clock = timeout, clock
        self._silences: dict[Path, _Silence] = {}

    def evict(self, directory: Path) -> bool:
        """Evict the holder if it was silent for the timeout; whether the lease is free now."""
        seen = _look(directory, _last_token(directory))
        if seen is None:
            self._silences.pop(directory, None)
            return True
        owner, stamp = seen
        now = self._clock()
        silence = self._silences.get(directory)
        if silence is None or (silence.token, silence.stamp) != (owner.token, stamp):
            self._silences[directory] = _Silence(owner.token, stamp, now)
            return False
        silence.seconds += min(now - silence.looked, self._timeout / _LOOKS)
        silence.looked = now
        if silence.seconds < self._timeout:
            return False
        log.warning(
            "%s: process %d on %s was silent for %.0f s; its run goes to others",
            directory,
            owner.pid,
            owner.host,
            silence.seconds,
        )
        _take_away(_folder(directory, owner.token) / owner.aside)
        return True


class Lease:
    """A held lease; as a context it beats in a thread and releases itself at the end."""

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
    def aside(self) -> Path:
        """The folder to write files in before they are put in place; gone once the lease is lost."""
        return _folder(self._directory, self.token) / self.owner.aside

    @property
    def held(self) -> bool:
        """Whether this process may still write."""
        return not self._ended.is_set() and self.aside.is_dir()

    def check(self) -> None:
        """Raise LeaseLostError unless the lease is still held."""
        if not self.held:
            raise LeaseLostError(
                f"lease {self.token} of {self._directory.parent.name} is lost: its run is another's now"
            )

    def beat(self) -> None:
        """Touch the heartbeat. Raises FileNotFoundError once the run was taken over."""
        os.utime(_folder(self._directory, self.token) / "owner.json")

    def start_heartbeat(self, seconds: float = HEARTBEAT_SECONDS) -> None:
        """Beat from a thread until released or lost."""
        assert self._beating is None
        self._beating = threading.Thread(target=self._beat_on, args=(seconds,), daemon=True, name="lease heartbeat")
        self._beating.start()

    def _beat_on(self, seconds: float) -> None:
        while not self._ended.wait(seconds):
            try:
                self.beat()
            except FileNotFoundError:
                return  # taken over; the next write says so
            except OSError as error:
                log.warning("heartbeat of %s failed, going on: %s", self._directory, error)

    def release(self) -> None:
        """Release the lease; harmless when done twice or lost."""
        if self._ended.is_set():
            return
        self._ended.set()
        if self._beating is not None:
            self._beating.join()
        _take_away(self.aside)

    def __enter__(self) -> Self:
        if self._beating is None:
            self.start_heartbeat()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()


def acquire(directory: Path) -> Lease | None:
    """The lease, or None where a process holds it or another claimant was quicker."""
    last = _last_token(directory)
    if _look(directory, last) is not None:
        return None
    directory.mkdir(parents=True, exist_ok=True)
    started = process_start(os.getpid())
    assert started is not None
    owner = Owner(
        token=last + 1,  # that of the holder just seen dead: whoever took it meanwhile was quicker
        host=socket.gethostname(),
        machine=_machine(),
        pid=os.getpid(),
        started=started,
        since=time.time(),
        aside=f"aside.{uuid4().hex}",
    )
    if not _claim(directory, owner):
        return None
    lease = Lease(directory, owner)
    if _last_token(directory) != owner.token:  # a claimant that was asleep took a number long passed by
        _take_away(_folder(directory, owner.token))
        return None
    for path in directory.iterdir():
        name = path.name.removeprefix(".claim.").partition(".")[0]
        if path.name.startswith(".gone.") or (
            name.isdigit() and int(name) <= owner.token and path != lease.aside.parent
        ):
            _take_away(path)
    return lease


def _claim(directory: Path, owner: Owner) -> bool:
    """Whether the owner got its number."""
    folder = _folder(directory, owner.token)
    prepared = directory / f".claim.{owner.token:08d}.{uuid4().hex}"
    try:
        (prepared / owner.aside).mkdir(parents=True)
        with (prepared / "owner.json").open("x", encoding="utf-8") as file:
            file.write(json.dumps(asdict(owner)))
            file.flush()
            os.fsync(file.fileno())
        prepared.rename(folder)
    except OSError as error:
        shutil.rmtree(prepared, ignore_errors=True)
        if error.errno not in _ANOTHER_WAS_QUICKER:
            raise
        return (folder / owner.aside).is_dir()  # on NFS a repeated request may not find what its first try renamed
    sync_folder(directory)
    return True
