"""The store: a directory of run directories, which is all that launchers, runs and reports share. Imports no torch.

runs/<run_id>/run.json       what the run is, written when it is launched
runs/<run_id>/journal.jsonl  what it did
runs/<run_id>/lease/         whose it is
runs/<run_id>/failure.json   why its last attempt failed
runs/<run_id>/log.txt        what its process printed: a link
runs/<run_id>/diagnosis.json how the errors of its best weights are spread: calibration, joints
runs/<run_id>/cost.json      what its model costs: parameters, GFLOPs, speed
runs/<run_id>/elsewhere.json what its best weights are worth on other sets
runs/<run_id>/pruned.json    why a search ended it early; it can go on
runs/<run_id>/result.json    last, whole: without it a run is unfinished
runs/parts/<digest>/         a user's own code, as it was planned: what runs import
runs/sweeps/<sweep>.<profile>.json   plans; runs/jobs/<cohort_id>-<how>.json   what one process is told

A file that cannot be read as what it should be raises DamagedError, and makes its own run or plan damaged, no other.
Only people remove it: nothing here replaces it, except that a launch writes its own plan anew.
"""

from __future__ import annotations

import hashlib
import os
import re
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from pydantic import TypeAdapter, ValidationError

from experiments.runs.atomic import (
    DamagedError,
    ForeignError,
    create_text,
    first_fault,
    is_there,
    json_text,
    open_plain,
    read_json,
    write_text,
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
from experiments.runs.run_files import Cost, Diagnosis, Elsewhere, Failure, FailureKind, Pruning, Result, RunSpec
from experiments.runs.saved_plan import SavedPlan
from experiments.sweep.recipe import FILE_NAME, RunRecipe, run_recipe_from_json

__all__ = ["AlreadyFinishedError", "Failure", "FailureKind", "Progress", "RunDir", "State", "Store", "run_title"]

SCHEMA = 1
State = Literal["planned", "running", "finished", "failed", "interrupted", "pruned", "damaged"]
Content = TypeVar("Content")
_RUN_ID = re.compile(r"[0-9a-f]{12}")
_PLAN = re.compile(rf"({FILE_NAME})\.({FILE_NAME})\.json")
_WHAT_IS_LEFT = {"run_ids", "micro_batch"}  # of a job, may change from one attempt to the next
_LOG_BYTES = 16384  # at a log's end that its last lines are looked for in


class AlreadyFinishedError(RuntimeError):
    """A run that has its result is given a second one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run has come, and what it last measured.

    `rate` is its steps a second of late, where two points tell; `memory_bytes` the most that its process said it took.
    """

    step: int
    total_steps: int | None
    epoch: float | None
    values: dict[str, float | None]
    time: float
    rate: float | None = None
    memory_bytes: int | None = None


def run_title(spec: RunSpec) -> str:
    """How people call the run of this `run.json`: its row, or its model where it teaches, and its seed."""
    return f"{spec['row'] or 'teacher ' + spec['recipe']['model']['model']}, seed {spec['seed']}"


@dataclass(frozen=True, slots=True)
class JsonFile(Generic[Content]):
    """One JSON file of one run: read as its type, written whole."""

    path: Path
    kind: type[Content]

    def read(self) -> Content | None:
        """What it holds, or None where it is not there. Raises DamagedError where it holds something else."""
        return read_json(self.path, self.kind)

    def write(self, value: Mapping[str, Any], *, aside: Path | None = None) -> None:
        """Write or replace it; see `write_whole` for `aside`."""
        write_text(self.path, json_text({"schema": SCHEMA, **value}), aside=aside)

    def remove(self) -> None:
        """Remove it, if it is there."""
        self.path.unlink(missing_ok=True)


class _File(Generic[Content]):
    """The file of this name and type in a run's directory."""

    def __init__(self, name: str, kind: type[Content]) -> None:
        self._name, self._kind = name, kind

    def __get__(self, run: RunDir, owner: type[RunDir]) -> JsonFile[Content]:
        return JsonFile(run.path / self._name, self._kind)


class RunDir:
    """One run's directory. Nothing is created before something is written.

    What the run is and what it came to never change, and are read once.
    """

    diagnosis = _File("diagnosis.json", Diagnosis)
    cost = _File("cost.json", Cost)
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
        """Where training keeps its checkpoints and weights."""
        return self.path / "checkpoints"

    @property
    def weights(self) -> Path:
        """The trained weights, as safetensors."""
        return self.checkpoints / "weights.safetensors"

    @property
    def pictures(self) -> Path:
        """Where pictures go."""
        return self.path / "pictures"

    @property
    def predictions(self) -> Path:
        """The file of the run's predictions on the validation split, in COCO's result format."""
        return self.path / "predictions.json"

    @property
    def log(self) -> Path:
        """What the processes of the run's last cohort printed, for people: a link to the job's log."""
        return self.path / "log.txt"

    def link_log(self, file: Path, lease: Lease) -> None:
        """Let the run's log be `file`, in the same store, where the disk can do that."""
        link = lease.aside / self.log.name
        if not file.exists():  # the process prints elsewhere
            return
        with suppress(OSError):
            link.symlink_to(os.path.relpath(file, self.path))
            link.replace(self.log)

    def log_tail(self, lines: int = 5) -> list[str]:
        """The last lines of the run's log; none where there is no log, or it is no plain file of this store."""
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
        """Say what the run is. A run's id fixes it, so what is already written stays."""
        if not self._spec.path.exists():
            self._spec.write({"run_id": self.run_id, **spec})

    def spec(self) -> RunSpec:
        """What the run is. Raises FileNotFoundError for a run that was never launched."""
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
        """Whether a result is there: then nothing trains the run, also where the result is damaged."""
        return os.path.exists(self._result.path)  # noqa: PTH110  Path's raises in a folder that may not be read

    def state(self) -> State:
        """Where the run stands."""
        try:
            return self._state()
        except DamagedError:
            return "damaged"

    def damage(self) -> str | None:
        """Which of the files that say where the run stands is damaged, why, and what to do; None as a rule."""
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
        if self.failure is not None:
            return "failed"
        if self.pruning is not None:
            return "pruned"
        return "interrupted" if begun else "planned"

    def holder(self) -> Owner | None:
        """The process that has the run, if any."""
        return holder(self.path / "lease")

    def evict(self) -> bool:
        """Whether nobody has the run, once its holder was thrown out if this process saw it silent for too long."""
        return self._watch.evict(self.path / "lease")

    def claim(self) -> Lease | None:
        """The lease of an unfinished run; None where the run is finished or another living process has it."""
        if self.finished:
            return None
        lease = acquire(self.path / "lease")
        if lease is not None and self.finished:
            lease.release()
            return None
        return lease

    def journal(self, lease: Lease | None = None) -> Journal:
        """An append handle; with a lease, one that cannot write once the lease is lost."""
        path = self.path / "journal.jsonl"
        return Journal(path) if lease is None else Journal(path, guard=lease.check, aside=lease.aside)

    def read_journal(self) -> list[dict[str, Any]]:
        """Every event of the journal, as written."""
        return read_events(self.path / "journal.jsonl")

    def last_event(self) -> dict[str, Any] | None:
        """The journal's last event, cheaply."""
        return last_event(self.path / "journal.jsonl")

    def progress(self) -> Progress | None:
        """How far the run has come, by the journal's ends; None where it has not begun."""
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
        """How often the run was begun or gone on with."""
        return sum(event["event"] == "start" for event in self.read_journal())

    def result(self) -> Result | None:
        """What the run came to, or None while it is unfinished."""
        if self._known_result is not None:
            return self._known_result
        result = self._result.read()
        if result is not None and result.run_id != self.run_id:
            raise ForeignError(self._result.path, f"it is the result of run {result.run_id}")
        self._known_result = result
        return result

    def journal_fault(self, result: Result | None) -> str | None:
        """Why the journal does not belong to the run's result, as after folders were mixed; None where it does."""
        if result is None or result.journal is None:
            return None
        return journal_fault(self.path / "journal.jsonl", result.journal)

    def write_result(self, result: Mapping[str, Any], lease: Lease | None = None) -> Result:
        """Finish the run: the last thing written, whole, once. Returns it as it is read back.

        Raises FencedError where the lease was lost, AlreadyFinishedError where a result is there already.
        """
        mark = journal_mark(self.path / "journal.jsonl")
        journal = {} if mark is None else {"journal": asdict(mark)}
        record = {"schema": SCHEMA, "run_id": self.run_id, **result, **journal}
        text = json_text(record)
        read_back = TypeAdapter(Result).validate_python(record)
        try:
            create_text(self._result.path, text, aside=None if lease is None else lease.aside)
        except FileExistsError:
            raise AlreadyFinishedError(f"run {self.run_id} has its result already") from None
        self._failure.remove()
        self._pruning.remove()
        return read_back

    @property
    def pruning(self) -> Pruning | None:
        """Where and by which search the run was ended early, or None."""
        return self._pruning.read()

    def prune(self, why: Mapping[str, Any], lease: Lease | None = None) -> None:
        """Write down that a search ended the run early. No failure: whoever wants all of it goes on with it."""
        self._pruning.write({**why, "t": round(time.time(), 3)}, aside=None if lease is None else lease.aside)

    @property
    def failure(self) -> Failure | None:
        """Why the last attempt failed, or None."""
        return self._failure.read()

    @property
    def attempts(self) -> int:
        """How many attempts failed in a row without getting further."""
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
        """Write down that an attempt failed, and return what was written."""
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

    def forgive(self) -> None:
        """Forget the failures, so that the run is tried again."""
        self._failure.remove()


class Store:
    """A directory of runs, plans and jobs."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self._watch = Watch()

    def run(self, run_id: str) -> RunDir:
        """The directory of one run, whether or not it exists yet."""
        return RunDir(self.root / run_id, self._watch)

    def runs(self) -> list[RunDir]:
        """Every run that was ever launched, by id. A folder of another name than an id is no run's."""
        ids = sorted(name for name in self.names() if _RUN_ID.fullmatch(name))
        return [run for run in map(self.run, ids) if os.path.lexists(run.path / "run.json")]

    @property
    def parts(self) -> Path:
        """The folder of kept copies of users' own code, each in a folder named by its digest."""
        return self.root / "parts"

    def names(self) -> set[str]:
        """The names of all there is, in one look: the id of every run that was begun is among them."""
        try:
            return {entry.name for entry in os.scandir(self.root)}
        except FileNotFoundError:
            return set()

    def states(self, run_ids: Iterable[str]) -> dict[str, State]:
        """Where each of these runs stands; those that were never begun cost nothing."""
        there = self.names()
        return {run_id: self.run(run_id).state() if run_id in there else "planned" for run_id in run_ids}

    def save_plan(self, plan: SavedPlan) -> Path:
        """Keep a plan for reports, replacing the sweep's earlier one, damaged or not; returns its file.

        Raises ForeignError where the file is another sweep's, as on a disk to which `A` and `a` are one name.
        """
        path = self._plan_file(plan.sweep, plan.profile)
        try:
            self.load_plan(plan.sweep, plan.profile)
        except ForeignError:
            raise
        except (DamagedError, FileNotFoundError):
            pass
        write_text(path, json_text(plan.json()))
        return path

    def load_plan(self, sweep: str, profile: str) -> SavedPlan:
        """The plan last saved. Raises FileNotFoundError naming the plans there are, DamagedError."""
        path = self._plan_file(sweep, profile)
        try:
            plan = read_json(path, SavedPlan)
        except DamagedError as error:
            raise DamagedError(path, f"{error.why}; launch the sweep again to write it anew, or remove it") from error
        if plan is None:
            there = ", ".join(f"{name} ({size})" for name, size in self.plans()) or "none"
            raise FileNotFoundError(
                f"no plan of {sweep} ({profile}) in {self.root}: launch it first; plans there: {there}"
            )
        if (plan.sweep, plan.profile) != (sweep, profile):
            raise ForeignError(path, f"it is the plan of {plan.sweep} ({plan.profile}); remove or rename it")
        return plan

    def plans(self) -> list[tuple[str, str]]:
        """The sweep and profile of every saved plan; files of other names are no plans."""
        found = (_PLAN.fullmatch(path.name) for path in sorted(self.root.glob("sweeps/*.json")))
        return [(match[1], match[2]) for match in found if match is not None]

    def read_plans(self) -> tuple[list[SavedPlan], list[DamagedError]]:
        """Every saved plan that can be read, and why the others cannot."""
        plans, damaged = [], []
        for name in self.plans():
            try:
                plans.append(self.load_plan(*name))
            except DamagedError as error:
                damaged.append(error)
            except FileNotFoundError:  # removed since
                continue
        return plans, damaged

    def write_job(self, job: Mapping[str, Any]) -> Path:
        """Write what one process is told; returns the file, named after its cohort and how it is to work.

        So launchers that have a cohort trained on different devices do not write over each other's words, and one that
        only tells anew which runs are left writes the same file.
        """
        how = json_text({name: job[name] for name in sorted(job.keys() - _WHAT_IS_LEFT)})
        path = self.root / "jobs" / f"{job['cohort_id']}-{hashlib.sha256(how.encode()).hexdigest()[:8]}.json"
        write_text(path, json_text(dict(job)))
        return path

    def _plan_file(self, sweep: str, profile: str) -> Path:
        return self.root / "sweeps" / f"{sweep}.{profile}.json"
