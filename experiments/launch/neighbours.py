"""The other launches of this user on this machine: which GPUs their processes are on, and with how much memory."""

from __future__ import annotations

import fcntl
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from distilpose.whole_files import write_whole
from experiments.runs.lease import is_alive, process_start


@dataclass(frozen=True, slots=True)
class Tenant:
    """A process on a GPU. `gpu` is the GPU's UUID, `peak` the most memory it may need in bytes, None where unknown."""

    gpu: str
    peak: int | None


@dataclass(frozen=True, slots=True)
class _Said:
    """What a launch says of itself; `started` tells its process from a later one of its id."""

    pid: int
    started: str
    tenants: tuple[Tenant, ...]


_SAID = TypeAdapter(_Said)


class Neighbours:
    """A folder with a file for each launch, by default in the machine's temporary folder.

    What a launch said is void once its process has ended: its own processes end with it.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or Path(tempfile.gettempdir()) / f"distilpose-{os.getuid()}-gpus"
        self._mine = self._folder / f"{os.getpid()}.json"

    @contextmanager
    def meet(self) -> Iterator[list[Tenant]]:
        """The processes of the others, who wait until this context ends to look or to tell."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._folder.stat().st_uid != os.getuid():
            raise PermissionError(f"{self._folder}: must be a folder of this user; remove it")
        with (self._folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield [tenant for file in self._folder.glob("*.json") if file != self._mine for tenant in _read(file)]

    def tell(self, mine: Sequence[Tenant]) -> None:
        """Say which GPUs this launch's processes are on now."""
        pid = os.getpid()
        said = _Said(pid=pid, started=process_start(pid) or "", tenants=tuple(mine))
        if mine:
            write_whole(self._mine, json.dumps(_SAID.dump_python(said, mode="json")))
        else:
            self._mine.unlink(missing_ok=True)


def _read(file: Path) -> tuple[Tenant, ...]:
    """What is still true of a file; one of a launch that ended is removed."""
    try:
        said = _SAID.validate_json(file.read_bytes())
    except (OSError, ValidationError):
        said = None
    if said is not None and is_alive(said.pid, said.started):
        return said.tenants
    with suppress(OSError):
        file.unlink()
    return ()
