"""Files that are whole or absent, also after a power cut: written aside, synced, then put in their place at once."""

import os
from pathlib import Path
from uuid import uuid4


class FencedError(RuntimeError):
    """The folder a writer was given to write aside in is gone: somebody else writes now, and it must not any more."""


def write_whole(path: Path, content: bytes | str, *, aside: Path | None = None, exclusive: bool = False) -> None:
    """Write or replace a file; a reader sees the old content or the new, never a part. Failing leaves nothing.

    Args:
        path: the file; its folder is made if need be.
        content: text is written as UTF-8.
        aside: the folder, on the same disk, where the file is first written: beside it by default. One that is given
            must exist. Who takes it away, by renaming it, shuts the writer out: from then on nothing of its can reach
            `path`, however long it slept between two instructions.
        exclusive: the file must not exist yet; of several writers one succeeds.

    Raises:
        FencedError: `aside` is gone.
        FileExistsError: the file is there, and the write is `exclusive`.
        OSError: it cannot be written, for want of room say; names `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = (path.parent if aside is None else aside) / f".{path.name}.{uuid4().hex}.tmp"
    try:
        try:
            _write_synced(beside, content.encode() if isinstance(content, str) else content)
            _put(beside, path, exclusive=exclusive)
        finally:
            beside.unlink(missing_ok=True)
    except FileNotFoundError as error:
        refuse_if_fenced(aside, error)
        raise
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error  # that of a handle, or of the file beside
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def refuse_if_fenced(aside: Path | None, error: Exception) -> None:
    """Raise FencedError, because of `error`, where the folder to write aside in is gone."""
    if aside is not None and not aside.is_dir():
        raise FencedError(f"{aside} is gone: somebody else writes here now") from error


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _put(beside: Path, path: Path, *, exclusive: bool) -> None:
    if not exclusive:
        beside.replace(path)
        return
    try:
        os.link(beside, path)
    except FileExistsError:
        if beside.stat().st_nlink != 2:  # on NFS a repeated request may report the link its first try made
            raise
