"""One run's directory, `runs/<run_id>/`:

run.json        what the run is, written when it is launched
journal.jsonl   what it did
lease/          which process holds it
failure.json    why its last attempt failed
log.txt         what its process printed: a link
diagnosis.json  how the errors of its best weights are spread: calibration, joints
cost.json       what its model costs: parameters, GFLOPs, speed
per_picture.npz what its best weights found, picture by picture; per_picture.NAME.npz on another set
keypoints.npy   x, y and score of every person's joints, by its best weights
measured.json   metrics of a sweep's own, and by which code
elsewhere.json  what its best weights are worth on other sets
stopped.json    the user stopped it: nothing trains it
pruned.json     why a search ended it early; it can go on
result.json     last, whole: without it a run is unfinished

A file of another content raises DamagedError and makes its own run damaged, no other. Only people remove it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from pydantic import ValidationError

from experiments.runs.atomic import (
    DamagedError,
    ForeignError,
    adapter,
    first_fault,
    is_there,
    json_text,
    open_plain,
    read_json,
    write_whole,
)
from experiments.runs.journal import (
    Journal,
    MetricRow,
    PictureRow,
    edge_events,
    journal_fault,
    journal_mark,
    last_event,
    metric_rows,
    picture_rows,
    read_events,
    recent_rate,
)
from experiments.runs.lease import Lease, Owner, Watch, acquire, holder
from experiments.runs.run_files import (
    Cost,
    Diagnosis,
    Elsewhere,
    Failure,
    FailureKind,
    Measured,
    Pruning,
    Result,
    RunSpec,
)
from experiments.sweep.recipe import RunRecipe
from experiments.sweep.recipe_json import run_recipe_from_json

SCHEMA = 1
State = Literal["planned", "running", "finished", "failed", "interrupted", "pruned", "stopped", "damaged"]
Content = TypeVar("Content")
_STOPPED = "stopped.json"
_LOG_BYTES = 16384  # at a log's end, searched for its last lines


class AlreadyFinishedError(RuntimeError):
    """A second result for a run that has one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run has come, and what it last measured; `rate` is in steps a second, `memory_bytes` its peak."""

    step: int
    total_steps: int | None
    epoch: float | None
    values: dict[str, float | None]
    time: float
    rate: float | None = None
    memory_bytes: int | None = None


def run_title(spec: RunSpec) -> str:
    """A run's name for people: its row, or a teacher's model, and its seed."""
    return f"{spec['row'] or 'teacher ' + spec['recipe']['model']['model']}, seed {spec['seed']}"


@dataclass(frozen=True, slots=True)
class JsonFile(Generic[Content]):
    """One JSON file of one run: read as its type, written whole."""

    path: Path
    kind: type[Content]

    def read(self) -> Content | None:
        """The content, or None where there is no file. Raises DamagedError for another content."""
        return read_json(self.path, self.kind)

    def write(self, value: Mapping[str, Any], *, aside: Path | None = None) -> None:
        """Write or replace the file; see `write_whole` for `aside`."""
        write_whole(self.path, json_text({"schema": SCHEMA, **value}), aside=aside)

    def remove(self) -> None:
        """Remove the file, if it is there."""
        self.path.unlink(missing_ok=True)


class _File(Generic[Content]):
    """The file of this name and type in a run's directory."""

    def __init__(self, name: str, kind: type[Content]) -> None:
        self._name, self._kind = name, kind

    def __get__(self, run: RunDir, owner: type[RunDir]) -> JsonFile[Content]:
        return JsonFile(run.path / self._name, self._kind)


class RunDir:
    """One run's directory. Nothing is created before something is written.

    `run.json` and `result.json` never change, and are read once.
    """

    diagnosis = _File("diagnosis.json", Diagnosis)
    cost = _File("cost.json", Cost)
    measured = _File("measured.json", Measured)
    elsewhere = _File("elsewhere.json", Elsewhere)
    _spec = _File("run.json", RunSpec)
    _result = _File("result.json", Result)
    _failure = _File("failure.json", Failure)
    _pruning = _File("pruned.json", Pruning)

    def __init__(self, path: Path, watch: Watch | None = None) -> None:
        self.path = path
        self.run_id = path.name
        self._watch = watch or Watch()
        self._known_spec: RunSpec | None = None
        self._known_result: Result | None = None

    @property
    def checkpoints(self) -> Path:
        """The folder of checkpoints and weights."""
        return self.path / "checkpoints"

    @property
    def weights(self) -> Path:
        """The trained weights, as safetensors."""
        return self.checkpoints / "weights.safetensors"

    @property
    def pictures(self) -> Path:
        """The folder of pictures."""
        return self.path / "pictures"

    @property
    def predictions(self) -> Path:
        """The predictions on the validation split, in COCO's result format."""
        return self.path / "predictions.json"

    def per_picture(self, on: str = "") -> Path:
        """What the best weights found, picture by picture, on the validation split or the other set of that name.

        AP and PCK of any drawn pictures are counted from it.
        """
        return self.path / (f"per_picture.{on}.npz" if on else "per_picture.npz")

    @property
    def keypoints(self) -> Path:
        """Every validation person's joints: x, y in image pixels and score, in the order of the split."""
        return self.path / "keypoints.npy"

    @property
    def log(self) -> Path:
        """A link to the log of the run's last job."""
        return self.path / "log.txt"

    def link_log(self, file: Path, lease: Lease) -> None:
        """Make the run's log a link to `file` of the same store, where the disk has links."""
        link = lease.aside / self.log.name
        if not file.exists():  # the process prints elsewhere
            return
        with suppress(OSError):
            link.symlink_to(os.path.relpath(file, self.path))
            link.replace(self.log)

    def log_tail(self, lines: int = 5) -> list[str]:
        """The last lines of the log; none where it is missing or no plain file of this store."""
        try:
            file = self.log.resolve(strict=True)
            if not file.is_relative_to(self.path.parent.resolve()):
                return []
            with open_plain(file) as stream:
                stream.seek(max(0, stream.seek(0, os.SEEK_END) - _LOG_BYTES))
                return stream.read(_LOG_BYTES).decode(errors="replace").strip().splitlines()[-lines:]
        except (OSError, RuntimeError, DamagedError):  # RuntimeError: links that lead round
            return []

    def write_spec(self, spec: Mapping[str, Any]) -> None:
        """Write `run.json`, unless it is there: a run's id fixes its content."""
        if not self._spec.path.exists():
            self._spec.write({"run_id": self.run_id, **spec})

    def spec(self) -> RunSpec:
        """`run.json`. Raises FileNotFoundError for a run that was never launched."""
        if self._known_spec is not None:
            return self._known_spec
        spec = self._spec.read()
        if spec is None:
            raise FileNotFoundError(f"no run {self.run_id} in {self.path.parent}: its run.json is missing")
        if spec["run_id"] != self.run_id:
            raise ForeignError(self._spec.path, f"it is of run {spec['run_id']}, a copy say")
        self._known_spec = spec
        return spec

    def recipe(self) -> RunRecipe:
        """What the run trains. Raises ForeignError where another version of this program wrote it."""
        try:
            return run_recipe_from_json(self.spec()["recipe"])
        except ValueError as error:
            fault = first_fault(error) if isinstance(error, ValidationError) else str(error)
            raise ForeignError(self._spec.path, f"recipe: of another version: {fault}") from error

    @property
    def finished(self) -> bool:
        """Whether there is a result, damaged or not: then nothing trains the run."""
        return os.path.exists(self._result.path)  # noqa: PTH110  Path's raises in a folder that may not be read

    def state(self) -> State:
        """Where the run stands."""
        try:
            return self._state()
        except DamagedError:
            return "damaged"

    def damage(self) -> str | None:
        """Which file is damaged, why, and the remedy; None as a rule."""
        try:
            self._state()
        except DamagedError as error:
            return f"{error}; remove the file, or the folder, and launch trains the run again"
        return None

    def _state(self) -> State:
        if os.path.lexists(self._spec.path):
            self.spec()
        begun = is_there(self.path / "journal.jsonl")
        if self.result() is not None:
            return "finished"
        if self.holder() is not None:
            return "running"
        if self.result() is not None:  # it was finished between the two looks
            return "finished"
        if self.is_stopped:
            return "stopped"
        if self.failure is not None:
            return "failed"
        if self.pruning is not None:
            return "pruned"
        return "interrupted" if begun else "planned"

    def holder(self) -> Owner | None:
        """The process that holds the run, if any."""
        return holder(self.path / "lease")

    def evict(self) -> bool:
        """Whether the run is free, after evicting a holder that timed out."""
        return self._watch.evict(self.path / "lease")

    def claim(self) -> Lease | None:
        """The lease of the run; None where it is finished or another living process holds it."""
        if self.finished:
            return None
        lease = acquire(self.path / "lease")
        if lease is not None and self.finished:
            lease.release()
            return None
        return lease

    def journal(self, lease: Lease | None = None) -> Journal:
        """The journal, open for appending; with a lease, it cannot write once the lease is lost."""
        path = self.path / "journal.jsonl"
        return Journal(path) if lease is None else Journal(path, guard=lease.check, aside=lease.aside)

    def read_journal(self) -> list[dict[str, Any]]:
        """Every event of the journal."""
        return read_events(self.path / "journal.jsonl")

    def last_event(self) -> dict[str, Any] | None:
        """The journal's last event, found at its end."""
        return last_event(self.path / "journal.jsonl")

    def progress(self) -> Progress | None:
        """How far the run has come, from both ends of its journal; None where it has not begun."""
        events = edge_events(self.path / "journal.jsonl")
        steps = [event for event in events if "step" in event]
        if not steps:
            return None
        measured = [event for event in events if event["event"] == "metrics"]
        begun = [place for place, event in enumerate(events) if event["event"] == "start"]
        saved = [event for event in events[begun[-1] if begun else 0 :] if event["event"] == "checkpoint"]
        return Progress(
            step=steps[-1]["step"],
            total_steps=events[begun[-1]].get("total_steps") if begun else None,
            epoch=measured[-1]["epoch"] if measured else None,
            values={name: value for event in measured for name, value in event["values"].items()},
            time=events[-1]["t"],
            rate=recent_rate(events),
            memory_bytes=saved[-1].get("memory_bytes") if saved else None,
        )

    def metrics(self) -> list[MetricRow]:
        """The run's measurements by step, as if it had never been interrupted."""
        return metric_rows(self.read_journal())

    def picture_rows(self) -> list[PictureRow]:
        """The run's pictures by step and kind."""
        return picture_rows(self.read_journal())

    @property
    def starts(self) -> int:
        """How often a process started or resumed the run."""
        return sum(event["event"] == "start" for event in self.read_journal())

    def result(self) -> Result | None:
        """`result.json`, or None while the run is unfinished."""
        if self._known_result is not None:
            return self._known_result
        result = self._result.read()
        if result is not None and result.run_id != self.run_id:
            raise ForeignError(self._result.path, f"it is the result of run {result.run_id}")
        if result is not None and (measured := self.measured.read()):
            later = {name: value for one in measured["metrics"].values() for name, value in one["values"].items()}
            result = replace(result, metrics={**result.metrics, **later})
        self._known_result = result
        return result

    def journal_fault(self, result: Result | None) -> str | None:
        """Why the journal is not that of the result, as after folders were mixed; None where it is."""
        if result is None or result.journal is None:
            return None
        return journal_fault(self.path / "journal.jsonl", result.journal)

    def write_result(self, result: Mapping[str, Any], lease: Lease | None = None) -> Result:
        """Finish the run: write its result, once. Returns it as read back.

        Raises FencedError where the lease was lost, AlreadyFinishedError where there is a result.
        """
        mark = journal_mark(self.path / "journal.jsonl")
        journal = {} if mark is None else {"journal": asdict(mark)}
        record = {"schema": SCHEMA, "run_id": self.run_id, **result, **journal}
        text = json_text(record)
        read_back: Result = adapter(Result).validate_python(record)
        try:
            write_whole(self._result.path, text, exclusive=True, aside=None if lease is None else lease.aside)
        except FileExistsError:
            raise AlreadyFinishedError(f"run {self.run_id} has its result already") from None
        self.forgive()
        self._pruning.remove()
        return read_back

    @property
    def pruning(self) -> Pruning | None:
        """`pruned.json`: which search ended the run early, or None."""
        return self._pruning.read()

    def prune(self, why: Mapping[str, Any], lease: Lease | None = None) -> None:
        """Record that a search ended the run early. A launch that wants the whole run resumes it."""
        self._pruning.write({**why, "t": round(time.time(), 3)}, aside=None if lease is None else lease.aside)

    @property
    def failure(self) -> Failure | None:
        """`failure.json`: why the last attempt failed, or None."""
        return self._failure.read()

    @property
    def attempts(self) -> int:
        """How many attempts failed in a row without progress."""
        failure = self.failure
        return 0 if failure is None else failure.attempts

    def fail(
        self,
        message: str,
        kind: FailureKind = "error",
        lease: Lease | None = None,
        *,
        did_not_fit: int | None = None,
    ) -> Failure:
        """Record a failed attempt; returns the record."""
        before = self.failure or Failure(attempts=0, kind=kind, message="")
        events = edge_events(self.path / "journal.jsonl")
        step = max((event["step"] for event in events if event["event"] == "checkpoint"), default=0)
        failure = Failure(
            attempts=1 if step > before.step else before.attempts + 1,
            kind=kind,
            message=message,
            step=step,
            did_not_fit=did_not_fit or before.did_not_fit,
        )
        record = {**asdict(failure), "t": round(time.time(), 3)}
        self._failure.write(record, aside=None if lease is None else lease.aside)
        return failure

    @property
    def is_stopped(self) -> bool:
        """Whether the user stopped the run."""
        return os.path.lexists(self.path / _STOPPED)

    def stop(self) -> None:
        """Have the process that trains the run, if any, leave it at its checkpoint, and no other start it."""
        self.path.mkdir(parents=True, exist_ok=True)
        write_whole(self.path / _STOPPED, json_text({"schema": SCHEMA, "t": round(time.time(), 3)}))

    def forgive(self) -> None:
        """Forget that the run failed or was stopped, so that it is tried again."""
        self._failure.remove()
        (self.path / _STOPPED).unlink(missing_ok=True)
