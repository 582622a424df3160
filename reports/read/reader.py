"""One run as read from its directory. A finished run is read once: its result never changes."""

import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from experiments.runs.atomic import DamagedError
from experiments.runs.journal import PictureRow, metric_rows, picture_rows
from experiments.runs.run_files import Diagnosis, OnOtherSet
from experiments.runs.store import JsonFile, Progress, RunDir, Store
from reports.read.curves import run_curves
from reports.read.per_picture import PerPicture, read_per_picture

log = logging.getLogger(__name__)
Content = TypeVar("Content")

State = Literal["finished", "running", "interrupted", "failed", "planned", "pruned", "stopped", "damaged", "missing"]

_PEOPLE = "people"  # the kind of picture that a page shows; trackers have the others
_ACCURACIES = re.compile(
    r"(val/)?((AP|AR)(50|75|M|L)?|AP-(easy|medium|hard|categories|parts)|PCKh?(@\d+(\.\d+)?(-torso)?)?|AUC)"
    r"(\(.*\))?(\.\w+)?( on .+)?"
)
ON = " on "
ON_TEST = " on test"


def metric_scale(name: str) -> float:
    """100 for accuracies, which papers print in points; 1 for everything else."""
    return 100.0 if _ACCURACIES.fullmatch(name) else 1.0


def metric_digits(name: str) -> int:
    """How many decimals a metric is shown with."""
    return 1 if metric_scale(name) == 100 else 2


def _shown(metrics: Mapping[str, float]) -> dict[str, float]:
    """Metrics in the units they are shown in."""
    return {name: value * metric_scale(name) for name, value in metrics.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """The cost of a model: trained parameters, GFLOPs as papers count them for the size of `input`, images a second."""

    parameters: int
    gflops: float | None = None
    input: str = ""
    fps: float | None = None
    device: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunNumbers:
    """One run: its state and, when finished, its metrics in the units they are shown in; its files besides.

    `last` is its last evaluation, also before it finishes. `other_sets` are those that it was measured on beside its
    own, by their names.
    """

    run_id: str
    row: str
    role: str
    seed: int
    state: State
    reason: str
    metrics: Mapping[str, float]
    last: Mapping[str, float]
    best_epoch: float | None
    epochs: float | None
    seconds: float | None
    parameters: int | None
    teacher_id: str | None
    cost: Cost | None
    recipe: Mapping[str, Any]
    identity: Mapping[str, Any]
    provenance: Mapping[str, Any]
    other_sets: Mapping[str, OnOtherSet]

    @property
    def model(self) -> str:
        """The model's name, empty before the run was launched."""
        return (self.recipe.get("model") or {}).get("model") or ""

    @property
    def finished(self) -> bool:
        """Whether it has a result."""
        return self.state == "finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPicture:
    """What a run drew of people."""

    path: Path
    epoch: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDetails:
    """A run's curves by metric and epoch, its people and its diagnosis; `..._fault` says why one was left out."""

    curves: Mapping[str, Mapping[float, float]] = field(default_factory=dict)
    people: RunPicture | None = None
    diagnosis: Diagnosis | None = None
    journal_fault: str = ""
    diagnosis_fault: str = ""


class RunReader:
    """Reads runs of a store, or of the first of several that has them, and keeps what it has read."""

    def __init__(self, store: Store, *others: Store) -> None:
        self._stores = (store, *others)
        self._runs: dict[str, RunNumbers] = {}
        self._details: dict[str, RunDetails] = {}

    def _run(self, run_id: str) -> RunDir:
        runs = [store.run(run_id) for store in self._stores]
        return next((run for run in runs if run.finished), next((run for run in runs if run.path.exists()), runs[0]))

    def forget_unfinished(self) -> None:
        """Read runs without a result anew from now on."""
        for run_id in [run_id for run_id, run in self._runs.items() if not run.finished]:
            del self._runs[run_id]
            self._details.pop(run_id, None)

    def read(self, run_id: str, row: str, seed: int, role: str) -> RunNumbers:
        """The run of that id, whether or not it has begun."""
        if run_id not in self._runs:
            self._runs[run_id] = _read(self._run(run_id), row, seed, role)
        return self._runs[run_id]

    def details(self, run: RunNumbers) -> RunDetails:
        """The run's journal and diagnosis."""
        if run.run_id not in self._details:
            self._details[run.run_id] = _read_details(self._run(run.run_id), run)
        return self._details[run.run_id]

    def per_picture(self, run: RunNumbers, on: str = "") -> PerPicture | None:
        """What the run found, picture by picture, on another set if one is named; None where that is not there, or
        damaged.
        """
        try:
            file = self._run(run.run_id).per_picture(on)
            return read_per_picture(file) if file.exists() else None
        except ValueError as error:
            log.warning("%s; it is left out: remove it", error)
            return None


def _read_details(run: RunDir, numbers: RunNumbers) -> RunDetails:
    """What the journal and the diagnosis hold; a journal that is not that of the run's result is left out."""
    events: list[dict[str, Any]] = []
    diagnosis, journal_fault, diagnosis_fault = None, "", ""
    if numbers.state != "damaged":
        try:
            journal_fault = run.journal_fault(run.result()) or ""
            events = [] if journal_fault else run.read_journal()
        except DamagedError as error:
            journal_fault = "its journal is damaged"
            log.warning("%s; curves and pictures are left out", error)
        else:
            if journal_fault:
                log.warning("run %s: %s; its curves and pictures are left out", run.run_id, journal_fault)
    try:
        diagnosis = run.diagnosis.read()
    except DamagedError as error:
        diagnosis_fault = "its diagnosis.json is damaged"
        log.warning("%s; it is left out: remove it", error)
    return RunDetails(
        curves=run_curves(metric_rows(events)),
        people=_people(run, picture_rows(events), numbers.best_epoch),
        diagnosis=diagnosis,
        journal_fault=journal_fault,
        diagnosis_fault=diagnosis_fault,
    )


def _people(run: RunDir, rows: Iterable[PictureRow], best_epoch: float | None) -> RunPicture | None:
    """What the best evaluation drew, or else the newest, from the run's directory alone."""
    inside = run.path.resolve()
    chosen: RunPicture | None = None
    for row in rows:
        path = (inside / row.path).resolve()
        if row.kind != _PEOPLE or not path.is_relative_to(inside) or not path.is_file():
            continue
        if chosen is None or best_epoch is None or chosen.epoch != best_epoch:
            chosen = RunPicture(path=path, epoch=row.epoch)
    return chosen


def _so_far(progress: Progress | None) -> dict[str, float]:
    """What a run without a result measured last."""
    values = {} if progress is None else progress.values
    return {
        name.removeprefix("val/"): value
        for name, value in values.items()
        if name.startswith("val/") and value is not None
    }


def _reason(run: RunDir, state: State, epochs: float | None, progress: Progress | None) -> str:
    """Why a run has no result, in words."""
    if state in ("planned", "missing"):
        return "not started"
    reached = 0.0 if progress is None else progress.epoch or 0.0
    if progress is not None and progress.total_steps and epochs:
        reached = progress.step * epochs / progress.total_steps
    where = f"at epoch {reached:.3g}" + (f" of {epochs:g}" if epochs else "")
    if state == "failed":
        failure = run.failure
        return where + (f": {failure.message} ({failure.kind}, attempt {failure.attempts})" if failure else "")
    return f"{where}, still running" if state == "running" else f"{where}, stopped before its end"


def _read_aside(file: JsonFile[Content]) -> Content | None:
    """What a file beside the result holds; None where it is damaged or absent."""
    try:
        return file.read()
    except DamagedError as error:
        log.warning("%s; it is left out: remove it", error)
        return None


def _cost(run: RunDir, parameters: int | None) -> Cost | None:
    """The model's cost; of a run that recorded none, its parameters."""
    cost = _read_aside(run.cost)
    if cost is None:
        return None if parameters is None else Cost(parameters=parameters)
    speed = cost.get("speed")
    return Cost(
        parameters=cost["parameters"],
        gflops=cost["gflops"],
        input="×".join(map(str, cost["input"])),
        fps=speed and speed["fps"],
        device=speed["device"] if speed else "",
    )


def _other_sets(run: RunDir) -> dict[str, OnOtherSet]:
    found = _read_aside(run.elsewhere)
    return {} if found is None else dict(found["sets"])


def _on_other_sets(sets: Mapping[str, OnOtherSet]) -> dict[str, float]:
    """What a run is worth on other sets, as `AP on NAME`."""
    return {f"{metric}{ON}{name}": v for name, one in sets.items() for metric, v in one["metrics"].items()}


def _read(run: RunDir, row: str, seed: int, role: str) -> RunNumbers:
    damage = run.damage()
    result = None if damage else run.result()
    try:
        spec = None if damage else run.spec()
    except FileNotFoundError:
        spec = None
    recipe: dict[str, Any] = {} if spec is None else {**spec["recipe"]}
    epochs = (result and result.epochs) or (recipe.get("schedule") or {}).get("epochs")
    state: State = "finished" if result is not None else "damaged" if damage else run.state() if spec else "missing"
    progress = None if damage or result is not None else run.progress()
    sets = {} if result is None else _other_sets(run)
    return RunNumbers(
        run_id=run.run_id,
        row=row,
        role=role,
        seed=seed if spec is None else spec["seed"],
        state=state,
        reason=damage or ("" if result is not None else _reason(run, state, epochs, progress)),
        metrics={} if result is None else _shown({**result.metrics, **_on_other_sets(sets)}),
        last=_shown(_so_far(progress) if result is None else result.last),
        best_epoch=None if result is None else result.best_epoch,
        epochs=epochs,
        seconds=None if result is None else result.seconds,
        parameters=None if result is None else result.parameters,
        teacher_id=None if spec is None else spec["teacher_id"],
        cost=None if result is None else _cost(run, result.parameters),
        recipe=recipe,
        identity={} if spec is None else spec["identity"],
        provenance={} if result is None else {**result.provenance},
        other_sets=sets,
    )
