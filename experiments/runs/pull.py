"""A folder of runs fetched from another machine by rsync over ssh, then merged."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from pathlib import Path

from experiments.runs.merge import Merged, merge

_NOT_FETCHED = ("/data", "/reports", "/explained", "/replays", "/replaced", "/wandb", "/*/lease", "/*/wandb", ".*")
_CHECKPOINTS = "/*/checkpoints"
_SHOWN = 400


def pull(source: str, into: Path, *, checkpoints: bool = False) -> Merged:
    """Fetch HOST:DIR and merge it; without `checkpoints` neither these nor weights.

    Files that are here already are not fetched again, and a pull that was cut off goes on where it was. Ports, keys and
    jump hosts are ssh's affair (`~/.ssh/config`, or `RSYNC_RSH`).

    Raises:
        ValueError: the source is no HOST:DIR, rsync is not here, or it failed.
    """
    host, colon, folder = source.partition(":")
    if not (host and colon and folder) or source.startswith("-") or "/" in host or folder.startswith(":"):
        raise ValueError(f"source: must be HOST:DIR, such as gpu1:work/runs, got {source!r:.200}")
    if shutil.which("rsync") is None:
        raise ValueError("rsync: is not installed here; it must be here and there (apt-get install rsync)")
    into.mkdir(parents=True, exist_ok=True)
    fetched = into / f".pull.{hashlib.sha256(source.encode()).hexdigest()[:32]}"  # gc removes it, if nobody goes on
    left = [f"--exclude={name}" for name in (*_NOT_FETCHED, *(() if checkpoints else (_CHECKPOINTS,)))]
    done = subprocess.run(
        ["rsync", "-rt", "--links", "--safe-links", "--delete", f"--link-dest={into.resolve()}", *left, "--",
         f"{source.rstrip('/')}/", f"{fetched}/"],
        capture_output=True, text=True, errors="replace", check=False, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    if done.returncode:
        said = " ".join(done.stderr.split())
        raise ValueError(f"{source}: rsync could not fetch it (exit {done.returncode}): {said[-_SHOWN:]}")
    merged = merge([fetched], into)
    shutil.rmtree(fetched)
    return merged
