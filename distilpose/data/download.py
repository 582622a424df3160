"""Large files fetched over HTTP so that a cut costs nothing: what has come is kept, gone on from, and at last checked.

The package managers of data that there are (pooch, torch hub) check but do not resume, and 19 GB are seldom had in one
go.
"""

from __future__ import annotations

import hashlib
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from distilpose.data.errors import DataError

Progress = Callable[[int, int], None]
"""Called with the bytes that are here and the bytes there are in all."""

ATTEMPTS = 8  # in a row that bring nothing
_TIMEOUT_S = 30.0
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A file to be had at `url`: its length in bytes, None where it is not known, and its checksum, `md5:...` or
    `sha256:...`, or as much of its beginning as is known.
    """

    url: str
    size: int | None
    checksum: str

    @property
    def name(self) -> str:
        """The file's own name."""
        return self.url.rpartition("/")[2]


def checksum(file: Path, algorithm: str) -> str:
    """The file's checksum, with its algorithm in front."""
    with file.open("rb") as stream:
        return f"{algorithm}:{hashlib.file_digest(stream, algorithm).hexdigest()}"


def matches(file: Path, remote: Remote) -> bool:
    """Whether the file is there, whole and unchanged."""
    if not file.is_file() or remote.size not in (None, file.stat().st_size):
        return False
    return checksum(file, remote.checksum.partition(":")[0]).startswith(remote.checksum)


def fetch(
    remote: Remote,
    file: Path,
    *,
    on_progress: Progress | None = None,
    attempts: int = ATTEMPTS,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Bring the file here, whole and checked, or not at all.

    What a cut leaves is kept beside it as `.NAME.part`, and gone on from, now or when called again. A file whose
    checksum is wrong is thrown away and fetched once more from the start.

    Raises:
        DataError: it could not be had, or was wrong twice.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.part")
    for last in (False, True):
        _fetch_all(remote, part, on_progress, attempts, pause)
        if matches(part, remote):
            part.replace(file)
            return
        got = checksum(part, remote.checksum.partition(":")[0])
        part.unlink()
        if last:
            raise DataError(
                f"{remote.url}: came twice, and is not the published file: its checksum must be {remote.checksum}, "
                f"got {got}; try another network, or fetch it by hand to {file}"
            )


def _fetch_all(
    remote: Remote, part: Path, on_progress: Progress | None, attempts: int, pause: Callable[[float], None]
) -> None:
    """Fetch until the server has no more, trying again after a cut as long as anything still comes."""
    failures = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            if _fetch_rest(remote, part, before, on_progress):
                return
            why = "the connection was cut"
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, urllib.error.HTTPError) and 400 <= error.code < 500 and error.code not in (408, 429):
                raise DataError(f"{remote.url}: the server says {error.code} {error.reason}") from error
            why = str(error)
        came = (part.stat().st_size if part.exists() else 0) > before
        failures = 0 if came else failures + 1
        if failures >= attempts:
            raise DataError(
                f"{remote.url}: could not be fetched ({why}), {attempts} times in a row; what has come is kept, and "
                "the same command goes on from there"
            )
        if failures:
            pause(min(60.0, 2.0**failures))


def _fetch_rest(remote: Remote, part: Path, have: int, on_progress: Progress | None) -> bool:
    """Add to the part what it lacks; whether it is then as long as the file."""
    if have and have == remote.size:
        return True
    asked = {"Range": f"bytes={have}-"} if have else {}
    request = urllib.request.Request(remote.url, headers={"User-Agent": "distilpose", **asked})
    try:
        answer = urllib.request.urlopen(request, timeout=_TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code != http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            raise
        if error.headers.get("Content-Range") == f"bytes */{have}":
            return True  # it ends where ours does
        part.unlink()  # another file, shorter than what is here
        return False
    with answer:
        if answer.status != http.HTTPStatus.PARTIAL_CONTENT:
            have = 0  # the server knows no ranges, and starts anew
        total = have + int(answer.headers.get("Content-Length") or 0)
        with part.open("r+b" if have else "wb") as stream:
            stream.seek(have)
            while block := answer.read(_BLOCK):
                stream.write(block)
                have += len(block)
                if on_progress is not None:
                    on_progress(have, remote.size or total)
    return have >= (remote.size or total)
