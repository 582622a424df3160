"""What of a run a project on W&B is known to have: a small file beside the run, so that nothing is sent twice."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from experiments.runs.atomic import json_text, read_json, write_whole
from experiments.track.wandb.server import server


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """Where on W&B runs are shown. Without an entity the key's own is meant."""

    project: str = "distilpose"
    entity: str | None = None

    @classmethod
    def of(cls, project: str | None = None, entity: str | None = None) -> Self:
        """The project so named, or else the one that WANDB_PROJECT and WANDB_ENTITY name, or else the usual one."""
        return cls(
            project=project or os.environ.get("WANDB_PROJECT") or "distilpose",
            entity=entity or os.environ.get("WANDB_ENTITY") or None,
        )

    @property
    def place(self) -> str:
        """Its address: the server, the owner and the name."""
        return "/".join((server(os.environ).netloc, self.entity or "-", self.project))


def journal_digest(run_dir: Path) -> str:
    """What tells one state of a run's journal from another; a journal only ever grows."""
    journal = run_dir / "journal.jsonl"
    return hashlib.sha256(journal.read_bytes()).hexdigest() if journal.exists() else ""


def note(run_dir: Path, place: str, digest: str) -> None:
    """Write down that a place has all of the journal with this digest."""
    file = _file(run_dir)
    write_whole(file, json_text({**(read_json(file, dict[str, str]) or {}), place: digest}))


def is_noted(run_dir: Path, place: str) -> bool:
    """Whether a place has all of the journal as it stands."""
    digest = journal_digest(run_dir)
    return bool(digest) and (read_json(_file(run_dir), dict[str, str]) or {}).get(place) == digest


def _file(run_dir: Path) -> Path:
    return run_dir / "wandb" / "sent.json"
