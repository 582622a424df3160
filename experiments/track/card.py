"""What a mirror shows a run as: a name, a group, tags, a configuration. A function of the run alone."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from experiments.runs.run_files import Result, RunSpec
from experiments.runs.store import run_title

TAG_LENGTH = 64  # W&B refuses longer ones


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCard:
    """A run as others see it.

    `run_id` is the mirror's id too, so that whoever tells of the run again tells of the same one. `group` are the runs
    of one sweep, `job_type` is "student" or "teacher".
    """

    run_id: str
    name: str
    group: str | None = None
    job_type: str | None = None
    tags: tuple[str, ...] = ()
    config: Mapping[str, Any]


def run_card(run_id: str, spec: RunSpec, *, sweep: str, profile: str, commit: str | None = None) -> RunCard:
    """The card of a run, from its run.json and the sweep it was trained for.

    The configuration is the recipe, with the table's row; of paths on this machine only the last part is kept.
    """
    row = spec["row"] or spec["recipe"]["model"]["model"]
    facts = {
        "sweep": sweep,
        "profile": profile,
        "role": spec["role"],
        "row": row,
        "seed": spec["seed"],
        "teacher_run": spec.get("teacher_id"),
        "commit": commit,
    }
    return RunCard(
        run_id=run_id,
        name=run_title(spec),
        group=f"{sweep}.{profile}",
        job_type=spec["role"],
        tags=tuple(dict.fromkeys(tag[:TAG_LENGTH] for tag in (spec["role"], row, sweep, profile))),
        config={
            **_without_places(spec["recipe"]),
            **{name: value for name, value in facts.items() if value is not None},
        },
    )


def shown_name(metric: str) -> str:
    """The name of a metric on W&B, which sorts and filters by letters, digits and underscores alone: PCK_0_1."""
    return re.sub(r"[^A-Za-z0-9_/]", "_", metric)


def run_summary(result: Result) -> dict[str, float]:
    """The numbers a run is compared by, from its result: the best validation's, and what they cost."""
    best = {f"best/{name}": value for name, value in result.metrics.items()}
    rest: dict[str, float | None] = {"best/epoch": result.best_epoch, "epochs": result.epochs, "steps": result.steps}
    rest |= {"seconds": result.seconds, "parameters": result.parameters}
    return best | {name: value for name, value in rest.items() if value is not None}


def _without_places(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _without_places(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_without_places(inner) for inner in value]
    if isinstance(value, str):
        for path in (PurePosixPath(value), PureWindowsPath(value)):
            if path.is_absolute():
                return path.name
    return value
