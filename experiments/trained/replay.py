"""A finished run trained again, alone and beside the store, and compared with its record."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distilpose.evaluation.metrics import metric_of
from distilpose.parts.own import OwnPart
from experiments.build.data import data_facts, data_root, prepare
from experiments.runs.job import Job
from experiments.runs.store import RunDir, Store

TOLERANCE = 0.02
"""How far a metric (in [0, 1]) may be off where the machine or its packages are others: rounding, grown by training."""

_DECIDES_ROUNDING = ("cpu", "cuda", "device", "gpu", "packages", "precision", "threads", "variables")
_SAYS_NOTHING = ("command", "finished", "job", "memory_bytes", "started")
_MEASURES_SPEED = "train/images_per_second"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rerun:
    """A run ready to be trained again: its place, its job, and its slot."""

    original: RunDir
    again: RunDir
    job: Path
    device: str
    threads: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """A run's two results side by side.

    metrics: recorded and again, by name.
    weights_equal: whether the best weights are the same to the last bit; None where either are gone.
    parted: the first measurement that differs (step, name, recorded, again); None where none does.
    environment: what differs between the two machines, packages and codes (recorded, again).
    tolerance: how far each metric may be off.
    """

    run_id: str
    metrics: dict[str, tuple[float, float]]
    weights_equal: bool | None
    parted: tuple[int, str, float, float] | None
    environment: dict[str, tuple[Any, Any]]
    tolerance: float

    @property
    def equal(self) -> bool:
        """Whether every metric is the same to the last bit."""
        return all(_same(*pair) for pair in self.metrics.values())

    @property
    def agrees(self) -> bool:
        """Whether every metric is within the tolerance."""
        return all(_same(*pair) or abs(pair[0] - pair[1]) <= self.tolerance for pair in self.metrics.values())


def make_ready(
    store: Store, run_id: str, out: Path | None = None, *, data: Path | None = None, device: str | None = None
) -> Rerun:
    """A place where the run can be trained again by its recorded settings; the run itself is only read.

    Args:
        store: where the run is.
        run_id: a finished run.
        out: the folder to make; by default a new one below `replays/`.
        data: the folder of its data, if they have moved.
        device: another device than it was trained on.

    Raises:
        ValueError: the run is not finished, its teacher is gone, or the data are not those it was trained on.
        FileNotFoundError: there is no such run.
    """
    original = store.run(run_id)
    spec, result = original.spec(), original.result()
    if result is None:
        raise ValueError(f"run {run_id}: must be finished to be replayed, is {original.state()}; launch its sweep")
    origin = result.provenance
    recipe = original.recipe()
    if data is not None and recipe.data.synthetic is not None:
        raise ValueError(f"--data {data}: means nothing for run {run_id}, which is trained on synthetic people")
    told = origin.get("job")
    place = data or (None if told is None else Path(told["data_root"]))
    facts = data_facts(recipe.data, recipe.evaluation, root=place, runs=store.root)
    if facts.fingerprint != spec["identity"].get("data"):
        where = data_root(recipe.data, root=place, runs=store.root)
        raise ValueError(f"data: {where} does not hold what run {run_id} was trained on; name its folder with --data")
    prepare(recipe.data, root=place, runs=store.root)
    again = Store(_new_folder(store, run_id) if out is None else out)
    if again.root.exists():
        raise ValueError(f"out: must be a folder that is not there yet, got {again.root}")
    lent = [spec["teacher_id"]] if spec["teacher_id"] is not None and recipe.given_teacher is None else []
    lent += [spec["identity"]["start"]] if "start" in spec["identity"] else []
    own: set[OwnPart | None] = set(recipe.own_parts)
    for needed in lent:
        _lend(store.run(needed), again.run(needed))
        own |= set(store.run(needed).recipe().own_parts)
    launched: Any = origin.get("job") or {}
    metric = launched.get("metric")
    if metric is not None:
        own.add(metric_of(metric).own)
    for code in {part.code for part in own if part is not None}:
        if not (store.parts / code).is_dir():
            raise ValueError(f"run {run_id}: the kept copy of its own code, {store.parts / code}, is gone")
        shutil.copytree(store.parts / code, again.parts / code)
    run = again.run(run_id)
    run.write_spec({name: value for name, value in spec.items() if name not in ("schema", "run_id")})
    job = Job(
        cohort_id=run_id,
        run_ids=(run_id,),
        sweep="replay",
        profile=run_id,
        data_root=data_root(recipe.data, root=place, runs=store.root).resolve(),
        device=device or origin["device"],
        threads=origin["threads"],
        metric=metric,
    )
    file = again.write_job(job.to_json())
    return Rerun(original=original, again=run, job=file, device=job.device, threads=job.threads)


def compare(original: RunDir, again: RunDir, *, tolerance: float | None = None) -> Comparison:
    """The two results of a run, both finished; without a `tolerance`, 0 on equal machines and TOLERANCE on others."""
    recorded, now = original.result(), again.result()
    assert recorded is not None, original.path
    assert now is not None, again.path
    environment = dict(_differences(recorded.provenance, now.provenance))
    rounds_alike = not any(name.partition(".")[0] in _DECIDES_ROUNDING for name in environment)
    if tolerance is None:
        tolerance = 0.0 if rounds_alike else TOLERANCE
    names = recorded.metrics.keys() | now.metrics.keys()
    return Comparison(
        run_id=original.run_id,
        metrics={name: tuple(_number(end.metrics.get(name)) for end in (recorded, now)) for name in sorted(names)},  # type: ignore[misc]
        weights_equal=_weights_equal(original, again),
        parted=_parted(original, again),
        environment=environment,
        tolerance=tolerance,
    )


def _new_folder(store: Store, run_id: str) -> Path:
    number = 1
    while (folder := store.root / "replays" / f"{run_id}-{number}").exists():
        number += 1
    return folder


def _lend(needed: RunDir, place: RunDir) -> None:
    """The finished teacher's or start's files that a replay needs, as hard links where the disk has them."""
    if not needed.finished:
        raise ValueError(
            f"run {needed.run_id}: must be finished for what it teaches or starts to be replayed; launch its sweep"
        )
    weights = sorted(path for path in needed.checkpoints.iterdir() if path.suffix == ".safetensors")
    for file in (needed.path / "run.json", *weights, needed.path / "result.json"):
        target = place.path / file.relative_to(needed.path)
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(file, target)
        except OSError:
            shutil.copyfile(file, target)


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _same(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


def _weights_equal(original: RunDir, again: RunDir) -> bool | None:
    tensors = [_tensors(run.weights) for run in (original, again)]
    return None if None in tensors else tensors[0] == tensors[1]


def _tensors(path: Path) -> tuple[dict[str, Any], str] | None:
    """The header of a safetensors file and the hash of its tensors' bytes; metadata do not count."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        header.pop("__metadata__", None)
        return header, hashlib.sha256(file.read()).hexdigest()


def _parted(original: RunDir, again: RunDir) -> tuple[int, str, float, float] | None:
    """The first measurement of both journals that differs; a run that was interrupted has no sums for some steps."""
    now = {row.step: row.values for row in again.metrics()}
    for row in original.metrics():
        for name in row.values.keys() & now.get(row.step, {}).keys() - {_MEASURES_SPEED}:
            if not _same(row.values[name], now[row.step][name]):
                return row.step, name, row.values[name], now[row.step][name]
    return None


def _differences(
    recorded: Mapping[str, Any], now: Mapping[str, Any], at: str = ""
) -> Iterator[tuple[str, tuple[Any, Any]]]:
    """The values that differ between two provenances, by dotted name; what only one has is unknown."""
    for name in recorded.keys() & now.keys():
        one, other = recorded[name], now[name]
        if at + name in _SAYS_NOTHING or one == other:
            continue
        if isinstance(one, dict) and isinstance(other, dict):
            yield from _differences(one, other, f"{at}{name}.")
        else:
            yield f"{at}{name}", (one, other)
