"""What of a run W&B's server is known to have: a small file beside the run, so that nothing is sent twice."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

from experiments.atomic import json_text, read_json, write_text
from experiments.track.wandb_server import server


def place_of(project: str, entity: str | None, environment: Mapping[str, str] | None = None) -> str:
    """The address of a project: its server, its owner (the key's own where none is given) and its name."""
    host = server(os.environ if environment is None else environment).netloc
    return "/".join((host, entity or "-", project))


def journal_digest(run_dir: Path) -> str:
    """What tells one state of a run's journal from another; a journal only ever grows."""
    journal = run_dir / "journal.jsonl"
    return hashlib.sha256(journal.read_bytes()).hexdigest() if journal.exists() else ""


def note(run_dir: Path, place: str, digest: str) -> None:
    """Write down that a place has all of the journal with this digest."""
    file = _file(run_dir)
    write_text(file, json_text({**(read_json(file) or {}), place: digest}))


def is_noted(run_dir: Path, place: str) -> bool:
    """Whether a place has all of the journal as it stands."""
    digest = journal_digest(run_dir)
    return bool(digest) and (read_json(_file(run_dir)) or {}).get(place) == digest


def _file(run_dir: Path) -> Path:
    return run_dir / "wandb" / "sent.json"
