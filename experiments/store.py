"""The store: a directory of run directories, which is all that launchers, runs and reports share. Imports no torch.

runs/<run_id>/run.json       what the run is, written when it is launched
runs/<run_id>/journal.jsonl  what it did
runs/<run_id>/lease/         whose it is
runs/<run_id>/failure.json   why its last attempt failed
runs/<run_id>/log.txt        what its process printed: a link
runs/<run_id>/diagnosis.json how the errors of its best weights are spread: calibration, joints
runs/<run_id>/cost.json      what its model costs: parameters, GFLOPs, speed
runs/<run_id>/pruned.json    why a search ended it early; it can go on
runs/<run_id>/result.json    last, whole: without it a run is unfinished
runs/parts/<digest>/         a user's own code, as it was planned: what runs import
runs/sweeps/<sweep>.<profile>.json   plans; runs/jobs/<cohort_id>-<how>.json   what one process is told
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal

from experiments.atomic import create_text, json_text, read_json, write_text
from experiments.journal import (
    Journal,
    MetricRow,
    PictureRow,
    edge_events,
    last_event,
    metric_rows,
    picture_rows,
    read_events,
    recent_rate,
)
from experiments.lease import Lease, Owner, Watch, acquire, holder

SCHEMA = 1
State = Literal["planned", "running", "finished", "failed", "interrupted", "pruned"]
FailureKind = Literal["nan", "oom", "disk", "killed", "error"]
_WHAT_IS_LEFT = {"run_ids", "micro_batch"}  # of a job, may change from one attempt to the next
_LOG_BYTES = 16384  # at a log's end that its last lines are looked for in


class AlreadyFinishedError(RuntimeError):
    """A run that has its result is given a second one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a run's last attempt failed, and how many failed in a row without getting further than the one before.

    `step` is that of its newest checkpoint then. `did_not_fit` is the micro-batch for which there was too little
    memory, in that attempt or one before.
    """

    attempts: int
    kind: FailureKind
    message: str
    step: int = 0
    did_not_fit: int | None = None


_FAILURE = tuple(field.name for field in fields(Failure))


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


def run_title(spec: Mapping[str, Any]) -> str:
    """How people call the run of this `run.json`: its row, or its model where it teaches, and its seed."""
    return f"{spec['row'] or 'teacher ' + spec['recipe']['model']['model']}, seed {spec['seed']}"


class RunDir:
    """One run's directory. Nothing is created before something is written."""

    def __init__(self, path: Path, watch: Watch | None = None) -> None:
        self.path = path
        self.run_id = path.name
        self._watch = watch or Watch()

    @property
    def checkpoints(self) -> Path:
        """Where training keeps its checkpoints and weights."""
        return self.path / "checkpoints"

    @property
    def pictures(self) -> Path:
        """Where pictures go."""
        return self.path / "pictures"

    @property
    def predictions(self) -> Path:
        """The file of the run's predictions on the validation split, in COCO's result format."""
        return self.path / "predictions.json"

    def diagnosis(self) -> dict[str, Any] | None:
        """How the errors of the best weights are spread, or None where that was not worked out."""
        found = read_json(self.path / "diagnosis.json")
        assert found is None or isinstance(found, dict)
        return found

    def write_diagnosis(self, diagnosis: Mapping[str, Any], *, aside: Path | None = None) -> None:
        """Keep how the errors of the best weights are spread, replacing what was known of earlier ones."""
        write_text(self.path / "diagnosis.json", json_text({"schema": SCHEMA, **diagnosis}), aside=aside)

    def cost(self) -> dict[str, Any] | None:
        """What the run's model costs, or None where that was not measured."""
        found = read_json(self.path / "cost.json")
        assert found is None or isinstance(found, dict)
        return found

    def write_cost(self, cost: Mapping[str, Any], *, aside: Path | None = None) -> None:
        """Keep what the run's model costs."""
        write_text(self.path / "cost.json", json_text({"schema": SCHEMA, **cost}), aside=aside)

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
        """The last lines of the run's log; none where there is no log."""
        try:
            with self.log.open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _LOG_BYTES))
                return file.read().decode(errors="replace").strip().splitlines()[-lines:]
        except FileNotFoundError:
            return []

    def write_spec(self, spec: Mapping[str, Any]) -> None:
        """Say what the run is. A run's id fixes it, so what is already written stays."""
        path = self.path / "run.json"
        if not path.exists():
            write_text(path, json_text({"schema": SCHEMA, "run_id": self.run_id, **spec}))

    def spec(self) -> dict[str, Any]:
        """What the run is. Raises FileNotFoundError for a run that was never launched."""
        spec = read_json(self.path / "run.json")
        if spec is None:
            raise FileNotFoundError(f"no run {self.run_id} in {self.path.parent}: its run.json is missing")
        assert isinstance(spec, dict)
        return spec

    @property
    def finished(self) -> bool:
        """Whether the result is there."""
        return (self.path / "result.json").exists()

    def state(self) -> State:
        """Where the run stands."""
        if self.finished:
            return "finished"
        if self.holder() is not None:
            return "running"
        if self.finished:  # it was finished between the two looks
            return "finished"
        if (self.path / "failure.json").exists():
            return "failed"
        if self.pruning is not None:
            return "pruned"
        return "interrupted" if (self.path / "journal.jsonl").exists() else "planned"

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

    def result(self) -> dict[str, Any] | None:
        """What the run came to, or None while it is unfinished."""
        result = read_json(self.path / "result.json")
        assert result is None or isinstance(result, dict)
        return result

    def write_result(self, result: Mapping[str, Any], lease: Lease | None = None) -> None:
        """Finish the run: the last thing written, whole, once.

        Raises FencedError where the lease was lost, AlreadyFinishedError where a result is there already.
        """
        text = json_text({"schema": SCHEMA, "run_id": self.run_id, **result})
        try:
            create_text(self.path / "result.json", text, aside=None if lease is None else lease.aside)
        except FileExistsError:
            raise AlreadyFinishedError(f"run {self.run_id} has its result already") from None
        (self.path / "failure.json").unlink(missing_ok=True)
        (self.path / "pruned.json").unlink(missing_ok=True)

    @property
    def pruning(self) -> dict[str, Any] | None:
        """Where and by which search the run was ended early, or None."""
        pruning = read_json(self.path / "pruned.json")
        assert pruning is None or isinstance(pruning, dict)
        return pruning

    def prune(self, why: Mapping[str, Any], lease: Lease | None = None) -> None:
        """Write down that a search ended the run early. No failure: whoever wants all of it goes on with it."""
        record = {**why, "t": round(time.time(), 3)}
        write_text(self.path / "pruned.json", json_text(record), aside=None if lease is None else lease.aside)

    @property
    def failure(self) -> Failure | None:
        """Why the last attempt failed, or None."""
        failure = read_json(self.path / "failure.json")
        if failure is None:
            return None
        return Failure(**{name: failure[name] for name in _FAILURE if name in failure})

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
        write_text(self.path / "failure.json", json_text(record), aside=None if lease is None else lease.aside)
        return failure

    def forgive(self) -> None:
        """Forget the failures, so that the run is tried again."""
        (self.path / "failure.json").unlink(missing_ok=True)


class Store:
    """A directory of runs, plans and jobs."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self._watch = Watch()

    def run(self, run_id: str) -> RunDir:
        """The directory of one run, whether or not it exists yet."""
        return RunDir(self.root / run_id, self._watch)

    def runs(self) -> list[RunDir]:
        """Every run that was ever launched, by id."""
        if not self.root.is_dir():
            return []
        return [RunDir(path, self._watch) for path in sorted(self.root.iterdir()) if (path / "run.json").exists()]

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

    def save_plan(self, plan: Mapping[str, Any]) -> Path:
        """Keep a plan (its JSON) for reports, replacing the sweep's earlier one; returns its file."""
        path = self._plan_file(plan["sweep"], plan["profile"])
        write_text(path, json_text(dict(plan)))
        return path

    def load_plan(self, sweep: str, profile: str) -> dict[str, Any]:
        """The JSON of the plan last saved. Raises FileNotFoundError naming the plans there are."""
        plan = read_json(self._plan_file(sweep, profile))
        if plan is None:
            there = ", ".join(f"{name} ({size})" for name, size in self.plans()) or "none"
            raise FileNotFoundError(
                f"no plan of {sweep} ({profile}) in {self.root}: launch it first; plans there: {there}"
            )
        assert isinstance(plan, dict)
        return plan

    def plans(self) -> list[tuple[str, str]]:
        """The sweep and profile of every saved plan."""
        names = (path.name.removesuffix(".json") for path in sorted(self.root.glob("sweeps/*.json")))
        return [(sweep, profile) for sweep, _, profile in (name.rpartition(".") for name in names)]

    def write_job(self, job: Mapping[str, Any]) -> Path:
        """Write what one process is told; returns the file, named after its cohort and how it is to work.

        So launchers that have a cohort trained on different devices do not write over each other's words, and one that
        only tells anew which runs are left writes the same file.
        """
        how = json_text({name: job[name] for name in sorted(job.keys() - _WHAT_IS_LEFT)})
        path = self.root / "jobs" / f"{job['cohort_id']}-{hashlib.sha256(how.encode()).hexdigest()[:8]}.json"
        write_text(path, json_text(dict(job)))
        return path

    def last_job(self, cohort_id: str) -> dict[str, Any] | None:
        """What the cohort's last process was told, or None."""
        files = list((self.root / "jobs").glob(f"{cohort_id}*.json"))
        job = read_json(max(files, key=lambda file: file.stat().st_mtime)) if files else None
        assert job is None or isinstance(job, dict)
        return job

    def _plan_file(self, sweep: str, profile: str) -> Path:
        return self.root / "sweeps" / f"{sweep}.{profile}.json"
