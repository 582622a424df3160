"""What a tracker shows a run as: a name, a group, tags, a configuration. A function of the run alone."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from experiments.runs.run_files import Result, RunSpec
from experiments.runs.store import run_title


@dataclass(frozen=True, slots=True, kw_only=True)
class RunCard:
    """A run as others see it.

    A service knows it by `run_id`, so that whoever tells of the run again tells of the same one. `group` are the runs
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
        tags=tuple(dict.fromkeys((spec["role"], row, sweep, profile))),
        config={
            **_without_places(spec["recipe"]),
            **{name: value for name, value in facts.items() if value is not None},
        },
    )


def flat_config(config: Mapping[str, Any]) -> dict[str, bool | int | float | str]:
    """A configuration as one level of plain values, named with dots: `losses.KT`."""
    flat: dict[str, bool | int | float | str] = {}
    for name, value in config.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}.{inner}": plain for inner, plain in flat_config(value).items()}
        elif value is not None:
            flat[name] = value if isinstance(value, bool | int | float | str) else json.dumps(value)
    return flat


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
