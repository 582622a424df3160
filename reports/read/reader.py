"""One run as read from its directory. A finished run is read once: its result never changes."""

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from experiments.runs.atomic import DamagedError
from experiments.runs.journal import PictureRow, metric_rows, picture_rows
from experiments.runs.store import JsonFile, RunDir, Store
from reports.numbers.records import Cost, Interval, Picture, RunNumbers, Speed, State
from reports.read.curves import run_curves

log = logging.getLogger(__name__)

Content = TypeVar("Content")

PICTURE_KINDS = ("skeleton", "heatmaps", "attention")
_ACCURACIES = re.compile(r"(val/)?((AP|AR)(50|75|M|L)?|PCK(@[\d.]+(-torso)?)?(\(.*\))?)( on .+)?")
ON = " on "


def metric_scale(name: str) -> float:
    """100 for accuracies, which papers print in points; 1 for everything else."""
    return 100.0 if _ACCURACIES.fullmatch(name) else 1.0


def shown(metrics: Mapping[str, float] | None) -> dict[str, float]:
    """Metrics in the units they are shown in."""
    return {name: value * metric_scale(name) for name, value in (metrics or {}).items()}


@dataclass(frozen=True, slots=True)
class RunRead:
    """A run's numbers, and what its files say besides."""

    numbers: RunNumbers
    recipe: Mapping[str, Any]
    identity: Mapping[str, Any]
    provenance: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RunDetails:
    """What only drawings of a run need: its curves by metric and epoch, its pictures, how its errors are spread."""

    curves: Mapping[str, Mapping[float, float]]
    pictures: tuple[Picture, ...]
    diagnosis: Mapping[str, Any]


class RunReader:
    """Reads runs of a store, and keeps what it read of the finished ones."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._finished: dict[str, RunRead] = {}
        self._details: dict[str, RunDetails] = {}

    def read(self, run_id: str, row: str, seed: int, role: str) -> RunRead:
        """The run of that id, whether or not it has begun."""
        if run_id not in self._finished:
            found = _read(self._store.run(run_id), run_id, row, seed, role)
            if found.numbers.state != "finished":
                return found
            self._finished[run_id] = found
        return self._finished[run_id]

    def details(self, read: RunRead) -> RunDetails:
        """What the journal and the diagnosis of a run hold."""
        run_id = read.numbers.run_id
        if run_id not in self._details:
            run = self._store.run(run_id)
            events = _events(run, read.numbers.state)
            pictures = _pictures(run, picture_rows(events), read.numbers.seed, read.numbers.best_epoch)
            diagnosis = _read_aside(run.diagnosis)
            found = RunDetails(run_curves(metric_rows(events)), pictures, {} if diagnosis is None else {**diagnosis})
            if read.numbers.state != "finished":
                return found
            self._details[run_id] = found
        return self._details[run_id]


def _events(run: RunDir, state: State) -> list[dict[str, Any]]:
    """What the run journaled; nothing where the journal is not the one its result was written after."""
    try:
        fault = None if state == "damaged" else run.journal_fault(run.result())
        if state != "damaged" and fault is None:
            return run.read_journal()
    except DamagedError as error:
        fault = str(error)
    if fault is not None:
        log.warning("run %s: %s; its curves and pictures are left out", run.run_id, fault)
    return []


def _read_aside(file: JsonFile[Content]) -> Content | None:
    """What a file holds that a report can be without."""
    try:
        return file.read()
    except DamagedError as error:
        log.warning("%s; it is left out: remove it", error)
        return None


def _reason(run: RunDir, state: str, epochs: float | None) -> str:
    """Why a run has no result, in words."""
    if state in ("planned", "missing"):
        return "not started"
    progress = run.progress()
    reached = 0.0 if progress is None else progress.epoch or 0.0
    if progress is not None and progress.total_steps and epochs:
        reached = progress.step * epochs / progress.total_steps
    where = f"at epoch {reached:.3g}" + (f" of {epochs:g}" if epochs else "")
    if state == "failed":
        failure = run.failure
        told = "" if failure is None else f": {failure.message} ({failure.kind}, attempt {failure.attempts})"
        return where + told
    return f"{where}, still running" if state == "running" else f"{where}, stopped before its end"


LAYERS = "layers"  # plain people, for W&B to lay masks over: a page has the sheets


def _pictures(run: RunDir, rows: Iterable[PictureRow], seed: int, best_epoch: float | None) -> tuple[Picture, ...]:
    """The pictures of the best evaluation, or else the newest, one of each kind, from the run's directory alone."""
    inside = run.path.resolve()
    chosen: dict[str, Picture] = {}
    for row in rows:
        path = (inside / row.path).resolve()
        earlier = chosen.get(row.kind)
        if row.kind == LAYERS or not path.is_relative_to(inside) or not path.is_file():
            continue
        if earlier is None or best_epoch is None or earlier.epoch != best_epoch:
            chosen[row.kind] = Picture(kind=row.kind, path=path, caption=row.caption, seed=seed, epoch=row.epoch)
    known = {kind: position for position, kind in enumerate(PICTURE_KINDS)}
    return tuple(sorted(chosen.values(), key=lambda picture: (known.get(picture.kind, len(known)), picture.kind)))


def _cost(parameters: int | None, cost: Mapping[str, Any] | None) -> Cost | None:
    if cost is None:
        return None if parameters is None else Cost(parameters=parameters)
    speed = cost.get("speed")
    return Cost(
        parameters=cost["parameters"],
        gflops=cost["gflops"],
        input="×".join(map(str, cost["input"])),
        speed=None
        if speed is None
        else Speed(fps=speed["fps"], quartiles=Interval(low=speed["low"], high=speed["high"]), device=speed["device"]),
    )


def _on_other_sets(run: RunDir) -> dict[str, float]:
    """What the run is worth on other sets, as `AP on NAME`."""
    found = _read_aside(run.elsewhere)
    sets = {} if found is None else found["sets"]
    return {f"{metric}{ON}{name}": v for name, one in sets.items() for metric, v in one["metrics"].items()}


def _read(run: RunDir, run_id: str, row: str, seed: int, role: str) -> RunRead:
    damage = run.damage()
    result = None if damage else run.result()
    try:
        spec = None if damage else run.spec()
    except FileNotFoundError:
        spec = None
    recipe: Mapping[str, Any] = {} if spec is None else dict(spec["recipe"])
    epochs = (result and result.epochs) or (recipe.get("schedule") or {}).get("epochs")
    state: State = "finished" if result is not None else run.state()
    if damage:
        state = "damaged"
    elif spec is None:
        state = "missing"
    parameters = None if result is None else result.parameters
    numbers = RunNumbers(
        run_id=run_id,
        row=row,
        role=role,
        seed=seed if spec is None else spec["seed"],
        state=state,
        reason=damage or ("" if state == "finished" else _reason(run, state, epochs)),
        metrics={} if result is None else shown({**result.metrics, **_on_other_sets(run)}),
        last={} if result is None else shown(result.last),
        best_epoch=None if result is None else result.best_epoch,
        epochs=epochs,
        seconds=None if result is None else result.seconds,
        parameters=parameters,
        model=(recipe.get("model") or {}).get("model") or "",
        teacher_id=None if spec is None else spec["teacher_id"],
        cost=None if result is None else _cost(parameters, _read_aside(run.cost)),
    )
    provenance = {} if result is None else dict(result.provenance)
    return RunRead(numbers, recipe, {} if spec is None else spec["identity"], provenance)
