"""The measured time of a training step, kept beside the runs, for plans of what was never trained here."""

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
    """Seconds of one optimiser step on a device; `how` says how they were measured."""

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
    """Add these to those kept; the latest of a kind stays."""
    kept = {kind: asdict(found) for kind, found in (read_step_times(store) | dict(times)).items()}
    write_whole(store.root / FILE, json_text(kept))
