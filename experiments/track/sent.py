"""What of a run a service is known to have: a small file beside the run, so that nothing is sent twice."""

import hashlib
import threading
from pathlib import Path

from experiments.runs.atomic import json_text, read_json, write_whole

NAME = "tracked.json"
_LOCK = threading.Lock()  # the trackers of one run each have a thread


def journal_digest(run_dir: Path) -> str:
    """What tells one state of a run's journal from another; a journal only ever grows."""
    journal = run_dir / "journal.jsonl"
    return hashlib.sha256(journal.read_bytes()).hexdigest() if journal.exists() else ""


def note(run_dir: Path, place: str, digest: str) -> None:
    """Write down that a place has all of the journal with this digest."""
    with _LOCK:
        write_whole(run_dir / NAME, json_text({**(read_json(run_dir / NAME, dict[str, str]) or {}), place: digest}))


def is_noted(run_dir: Path, place: str) -> bool:
    """Whether a place has all of the journal as it stands."""
    digest = journal_digest(run_dir)
    return bool(digest) and (read_json(run_dir / NAME, dict[str, str]) or {}).get(place) == digest
