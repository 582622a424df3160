"""What a step of training was measured to take, kept beside the runs: for plans of what has never been trained here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from pydantic import Field

from experiments.runs.atomic import json_text, read_json, write_whole
from experiments.runs.store import Store

FILE = "step_times.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTime:
    """Seconds of one optimiser step on a device; `how` says by what they were measured."""

    seconds: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    device: str
    how: str


def step_kind(recipe: Mapping[str, Any]) -> str:
    """What makes two runs equally costly a step."""
    batch = recipe["schedule"]["batch_size"]
    return f"{recipe['role']} {recipe['model']} {recipe['input_size']} {batch} {recipe['precision']}"


def read_step_times(store: Store) -> dict[str, StepTime]:
    """The measured steps by kind; none where nobody has measured. Raises DamagedError."""
    return read_json(store.root / FILE, dict[str, StepTime]) or {}


def keep_step_times(store: Store, times: Mapping[str, StepTime]) -> None:
    """Keep these beside what is kept already; the latest of a kind stays."""
    kept = {kind: asdict(found) for kind, found in (read_step_times(store) | dict(times)).items()}
    write_whole(store.root / FILE, json_text(kept))
