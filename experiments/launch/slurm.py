"""Cohorts as jobs of a Slurm cluster whose nodes share the store: cohorts ready together are one job array.

The jobs outlive the launcher; the next launch finds those that wait or run by name and does not submit them again. So
an array's folder, `runs/slurm/NAME`, is written before it is submitted:

script.sh     the submitted script
jobs.json     the job file of each task
TASK.exit     the exit code of an ended task, written by the task: no accounting is needed
"""

from __future__ import annotations

import logging
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from experiments.launch import workers
from experiments.launch.command import COMMAND, cohort_command
from experiments.launch.options import read_options
from experiments.launch.protocol import Opened, Slot, Wish
from experiments.launch.slurm_script import CORES, SlurmOptions, sbatch_text
from experiments.runs.atomic import json_text, read_json, write_whole
from experiments.runs.job import PREEMPTED

log = logging.getLogger(__name__)

_NAME = "distilpose-"
_KILLED = -9
# Ends that are nobody's fault: the run goes on from its checkpoint in another job.
_HANDED_BACK = {"PREEMPTED", "NODE_FAIL", "REVOKED", "REQUEUED"}
_FULL = "maxsubmit"  # sbatch refuses for now: a user's share of the queue is full
_AWAY = ("unable to contact", "timed out", "connection refused", "temporarily", "zero bytes")  # it may have accepted


class SlurmError(ValueError):
    """Slurm refused for good."""


@dataclass(frozen=True, slots=True)
class Task:
    """One cohort's place in an array, which is named by its folder."""

    array: Path
    index: int

    @property
    def exit_code(self) -> int | None:
        """The exit code that the task wrote, negative for a signal; None before."""
        try:
            code = int((self.array / f"{self.index}.exit").read_text())
        except (FileNotFoundError, ValueError):
            return None
        return 128 - code if code > 128 else code


@dataclass(frozen=True, slots=True)
class Queued:
    """What squeue says of a task that has not ended."""

    job_id: str
    state: str
    reason: str


class SlurmHandle:
    """A cohort that waits for submission, waits in the queue, runs or has ended."""

    def __init__(self, launcher: SlurmLauncher, job: Path) -> None:
        self.job = job
        self.task: Task | None = None
        self.code: int | None = None
        self.job_id = ""
        self.gone_since: float | None = None
        self._launcher = launcher

    def poll(self) -> int | None:
        """The exit code, or None while Slurm has the job. The first look submits everything started before it."""
        self._launcher.look()
        return self.code

    def stop(self) -> None:
        """Leave the job to Slurm, or, where Ctrl-C cancels, dequeue it or have it checkpoint."""
        if self.code is None:
            self._launcher.stop(self)

    def kill(self) -> None:
        """End the job at once, where Ctrl-C cancels."""
        if self.code is None:
            self._launcher.cancel(self)


class SlurmLauncher:
    """Submits the cohorts started between two looks as one array, and follows them with squeue.

    Args:
        options: what every job asks for.
        jobs: how many cohorts may wait or run in Slurm at a time.
        device: cpu or cuda; each process of a cohort gets a GPU.
        processes: how many processes train one cohort.
        command: what does a job file; found by this path on every node.
        look_seconds: time between two questions to Slurm.
        settle_seconds: how long an exit code may take to appear on the shared disk.
    """

    def __init__(
        self,
        options: SlurmOptions,
        *,
        jobs: int = 100,
        device: str = "cuda",
        processes: int = 1,
        command: Sequence[str] = COMMAND,
        look_seconds: float = 10.0,
        settle_seconds: float = 30.0,
    ) -> None:
        self._options, self._command = options, tuple(command)
        self._device, self._processes = device, processes
        self._look_seconds, self._settle_seconds = look_seconds, settle_seconds
        self._jobs = jobs
        self._waiting: list[SlurmHandle] = []
        self._followed: list[SlurmHandle] = []
        self._looked = float("-inf")
        self._warned: set[str] = set()

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The jobs that Slurm may have at a time."""
        threads = self._options.cpus or CORES
        return tuple(Slot(device=self._device, threads=threads, machine=f"job {i}") for i in range(self._jobs))

    def ask_for_cores(self, cores: int) -> None:
        """Give each process of jobs submitted from now on so many cores."""
        self._options = replace(self._options, cpus=cores)

    def start(self, job: Path, slot: Slot) -> SlurmHandle:
        """Have the job submitted, with all others started before the first of them is looked at."""
        handle = SlurmHandle(self, job.resolve())
        self._waiting.append(handle)
        self._looked = float("-inf")
        return handle

    def look(self) -> None:
        """Submit what waits and see what has ended, unless Slurm was asked a moment ago."""
        if time.monotonic() - self._looked < self._look_seconds or not (self._waiting or self._followed):
            return
        queue = self._queue()
        self._looked = time.monotonic()
        if queue is None:
            return  # Slurm does not answer; what it has, it has
        for handle in list(self._followed):
            self._follow(handle, queue)
        if self._waiting:
            self._submit(queue)

    def stop(self, handle: SlurmHandle) -> None:
        """What Ctrl-C does to a job; see `SlurmHandle.stop`."""
        if handle in self._waiting:
            self._waiting.remove(handle)
            handle.code = PREEMPTED
        elif self._options.on_interrupt == "leave":
            self._end(handle, PREEMPTED)
        else:
            _slurm("scancel", "--quiet", "--state=PENDING", handle.job_id)
            _slurm("scancel", "--quiet", "--state=RUNNING", "--batch", "--signal=TERM", handle.job_id)
            self._looked = float("-inf")

    def cancel(self, handle: SlurmHandle) -> None:
        """End a job at once."""
        _slurm("scancel", "--quiet", handle.job_id)
        self._end(handle, _KILLED)

    def _warn(self, message: str) -> None:
        """Warn once."""
        if message not in self._warned:
            self._warned.add(message)
            log.warning(message)

    def _end(self, handle: SlurmHandle, code: int) -> None:
        self._followed.remove(handle)
        handle.code = code

    def _queue(self) -> dict[Task, Queued] | None:
        """The tasks of this store in Slurm's queue, whoever submitted them; None where Slurm does not answer."""
        folders = {folder for handle in self._waiting for folder in _folder(handle.job).glob(f"{_NAME}*")}
        folders |= {handle.task.array for handle in self._followed if handle.task is not None}
        if not folders:
            return {}
        by_name = {folder.name: folder for folder in folders}
        form = "--format=%j|%F|%K|%T|%r"
        asked = _slurm("squeue", "--noheader", "--array", form, f"--name={','.join(sorted(by_name))}")
        if asked.returncode:
            self._warn(f"{asked.stderr.strip()}; asking again")
            return None
        found = {}
        for line in asked.stdout.splitlines():
            name, job_id, index, state, reason = line.split("|", 4)
            found[Task(by_name[name], int(index))] = Queued(f"{job_id}_{index}", state, reason)
        return found

    def _submit(self, queue: Mapping[Task, Queued]) -> None:
        """Submit what waits, except what another launcher has submitted."""
        files = {array: read_json(array / "jobs.json", list[str]) or [] for array in {task.array for task in queue}}
        alive = [task for task, queued in queue.items() if queued.state != "COMPLETING" or task.exit_code is None]
        there = {Path(files[task.array][task.index]): task for task in alive if task.index < len(files[task.array])}
        for handle in list(self._waiting):
            if handle.job in there:
                task = there[handle.job]
                log.info("cohort %s: Slurm has it already, as job %s", handle.job.stem, queue[task].job_id)
                self._submitted(handle, task, queue[task].job_id)
        if not self._waiting:
            return
        name = f"{_NAME}{uuid4().hex[:8]}"
        array = _folder(self._waiting[0].job) / name
        jobs = [handle.job for handle in self._waiting]
        text = sbatch_text(
            self._options,
            name=name,
            jobs=jobs,
            folder=array,
            command=self._command,
            processes=self._processes,
            gpus=self._device != "cpu",
        )
        write_whole(array / "jobs.json", json_text([str(job) for job in jobs]))
        write_whole(array / "script.sh", text)
        said = _slurm("sbatch", "--parsable", str(array / "script.sh"))
        if said.returncode:
            why = said.stderr.strip()
            if any(word in why.lower() for word in _AWAY):
                self._warn(f"{why}; asking again")  # what it did accept will be found by its name
                return
            shutil.rmtree(array)
            if _FULL not in why.lower():
                raise SlurmError(why)
            self._warn(f"{why}; waiting for room in the queue")
            return
        array_id = said.stdout.strip().partition(";")[0]
        log.info("Slurm job %s: %d cohorts", array_id, len(jobs))
        for index, handle in enumerate(list(self._waiting)):
            self._submitted(handle, Task(array, index), f"{array_id}_{index}")

    def _submitted(self, handle: SlurmHandle, task: Task, job_id: str) -> None:
        self._waiting.remove(handle)
        self._followed.append(handle)
        handle.task, handle.job_id = task, job_id

    def _follow(self, handle: SlurmHandle, queue: Mapping[Task, Queued]) -> None:
        """See whether a submitted job has ended, and how."""
        assert handle.task is not None
        queued = queue.get(handle.task)
        if queued is not None:  # also when it is queued again after it said how it ended
            handle.gone_since = None
            if "held" in queued.reason.lower():
                self._warn(f"Slurm holds job {handle.job_id} ({queued.reason}): scontrol release {handle.job_id}")
            return
        code = handle.task.exit_code
        if code is not None:
            self._end(handle, code)
        elif handle.gone_since is None:
            handle.gone_since = time.monotonic()
        elif time.monotonic() - handle.gone_since >= self._settle_seconds:
            state = _last_state(handle.job_id)
            with handle.job.with_suffix(".log").open("a") as file:
                file.write(f"Slurm ended job {handle.job_id}: {state}\n")
            self._end(handle, PREEMPTED if state in _HANDED_BACK else _KILLED)


def _folder(job: Path) -> Path:
    """The folder of a store's Slurm jobs."""
    return job.parent.parent / "slurm"


def _last_state(job_id: str) -> str:
    """A job's last state, from the controller or the accounting, if there is one."""
    shown = _slurm("scontrol", "--oneliner", "show", "job", job_id)
    for word in shown.stdout.split():
        if word.startswith("JobState="):
            return word.removeprefix("JobState=")
    told = _slurm("sacct", "--allocations", "--noheader", "--parsable2", f"--jobs={job_id}", "--format=State")
    words = told.stdout.split()  # "CANCELLED by 0" is three
    return words[0] if words and told.returncode == 0 else "in an unknown state"


def _slurm(*command: str) -> subprocess.CompletedProcess[str]:
    """The output of one of Slurm's commands. Raises SlurmError where it is not installed (sacct may be absent)."""
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=120)
    except FileNotFoundError:
        if command[0] == "sacct":
            return subprocess.CompletedProcess(command, 127, "", "not installed")
        raise SlurmError(f"{command[0]}: not found; launch from a machine that has Slurm's commands") from None
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 124, "", f"{command[0]} timed out")


def open_slurm(wish: Wish, pairs: Sequence[str]) -> Opened:
    """Jobs of Slurm. Cohorts may be queued by the hundred: Slurm is what limits how many run."""
    options, device = read_options(SlurmOptions, pairs), wish.kind_of_device("Slurm")
    if options.worker is not None:
        wish = wish.of_workers(options.worker)
    if wish.processes % options.nodes:
        raise ValueError(f"--with nodes={options.nodes}: must divide --gpus-per-run, which is {wish.processes}")
    if shutil.which("sbatch") is None:
        raise ValueError("--on slurm: sbatch was not found; launch from a machine that has Slurm's commands")
    launcher = SlurmLauncher(
        options,
        device="cuda" if device == "auto" else device,  # a machine that launches tells nothing of those that compute
        jobs=wish.jobs or 100,
        processes=wish.processes,
        command=workers.COMMAND if options.worker else cohort_command(wish.processes, options.nodes),
    )
    opened = Opened(
        launcher=launcher,
        poll_seconds=1.0,
        by_workers=options.worker is not None,
        ask_for_cores=launcher.ask_for_cores if options.cpus is None and device != "cpu" else None,
    )
    if options.on_interrupt == "cancel":
        return opened
    farewell = "Slurm goes on with the jobs it has, and the same command follows them and submits the rest."
    return replace(opened, farewell=farewell)
