"""Cohorts as tasks of a Ray cluster whose nodes share the run directories: the one module that imports Ray.

What crosses to a node is the cohort command and the path of a job file. Ray retries nothing: what was lost with a node
is given back, and started again by the scheduler, as everywhere.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM
from types import ModuleType
from typing import Any

from experiments.launch import workers
from experiments.launch.command import COMMAND, TETHER, cohort_command
from experiments.launch.options import read_options
from experiments.launch.protocol import Opened, Slot, Wish
from experiments.runs.job import PREEMPTED

log = logging.getLogger(__name__)

_KILLED = -9


def load_ray() -> ModuleType:
    """Ray, if it is installed. Raises ValueError that says how to get it."""
    # Under `uv run` Ray would build the project's environment again for every worker.
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise ValueError("--on ray: Ray is not installed: pip install 'distilpose[ray]'") from None
    # Sent as it is, not by name: a worker looks in the folder of the driver first, which may have an `experiments`.
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[no-untyped-call]
    return ray


def carry_out(command: Sequence[str], job: str, threads: int) -> int:
    """The exit code of `command JOB`, run beside this process; Ray calls it on a node.

    A cancelled task waits for the command's checkpoint; one that dies takes the command along.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    with Path(job).with_suffix(".log").open("ab") as out:
        process = subprocess.Popen(
            [*TETHER, str(os.getpid()), *command, job],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    try:
        while True:  # a wait without end would not hear of the cancellation
            try:
                return process.wait(0.2)
            except subprocess.TimeoutExpired:
                continue
    except KeyboardInterrupt:
        process.send_signal(SIGTERM)
        return process.wait()


class RayHandle:
    """A task that waits for a node, runs or has ended."""

    def __init__(self, ray: ModuleType, task: Any, job: Path) -> None:
        self._ray, self._task, self._job = ray, task, job
        self._code: int | None = None

    def poll(self) -> int | None:
        """The exit code, or None while Ray has the task."""
        if self._code is None and self._ray.wait([self._task], timeout=0)[0]:
            self._code = self._ended()
        return self._code

    def _ended(self) -> int:
        errors = self._ray.exceptions
        try:
            return int(self._ray.get(self._task))
        except errors.TaskCancelledError:
            return PREEMPTED
        except errors.OutOfMemoryError as error:
            why, code = error, _KILLED
        except errors.RayTaskError as error:  # the command could not be started
            why, code = error, 1
        except errors.RayError as error:
            why, code = error, PREEMPTED
        last = str(why).strip().splitlines()[-1] if str(why).strip() else type(why).__name__
        log.warning("Ray lost the task of cohort %s: %s", self._job.stem, last)
        with self._job.with_suffix(".log").open("a") as file:
            file.write(f"Ray: {type(why).__name__}: {last}\n")
        return code

    def stop(self) -> None:
        """Have the command write its checkpoint, or take the task from the queue."""
        if self.poll() is None:
            self._ray.cancel(self._task)

    def kill(self) -> None:
        """End the task; its command is asked to stop, and not waited for."""
        if self.poll() is None:
            self._ray.cancel(self._task, force=True)


class RayLauncher:
    """Starts a task for each cohort on the cluster at `address`; None starts one of this machine alone.

    Args:
        address: as `ray.init` takes it, such as auto or ray-head:6379.
        jobs: tasks at a time; 0 for one per `processes` GPUs, or one a node without GPUs.
        device: auto, cuda or cpu; auto is cuda where the cluster has GPUs.
        processes: how many processes train one cohort, each with a GPU if there are any.
        command: what does a job file; found by this path on every node.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        jobs: int = 0,
        device: str = "auto",
        processes: int = 1,
        command: Sequence[str] = COMMAND,
    ) -> None:
        self._ray = load_ray()
        if not self._ray.is_initialized():
            small = {} if address else {"object_store_memory": 80 * 2**20, "include_dashboard": False}
            self._ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, **small)
        nodes = [node["Resources"] for node in self._ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
        cores, gpus = (sum(int(node.get(kind, 0)) for node in nodes) for kind in ("CPU", "GPU"))
        if device == "auto":
            device = "cuda" if gpus else "cpu"
        if not cores or (device == "cuda" and gpus < processes):
            raise ValueError(
                f"--on ray: the cluster has {cores} CPUs and {gpus} GPUs, too few for a run of {processes} processes "
                f"on {device}"
            )
        slots = jobs or (gpus // processes if device == "cuda" else len(nodes))
        most = min(int(node["CPU"]) for node in nodes) // processes
        threads = max(1, min(most, cores // (slots * processes)))
        self._slots = tuple(Slot(device=device, threads=threads, machine=f"task {i}") for i in range(slots))
        self._processes, self._command = processes, tuple(command)
        self._task = self._ray.remote(max_retries=0)(carry_out)

    @property
    def slots(self) -> tuple[Slot, ...]:
        """The tasks there may be at a time."""
        return self._slots

    def start(self, job: Path, slot: Slot) -> RayHandle:
        """Give Ray the job's task."""
        needs = {
            "num_cpus": slot.threads * self._processes,
            "num_gpus": 0 if slot.device == "cpu" else self._processes,
        }
        job = job.resolve()
        task = self._task.options(**needs, name=job.stem).remote(self._command, str(job), slot.threads)
        return RayHandle(self._ray, task, job)

    def close(self) -> None:
        """Leave the cluster; one of this machine alone ends."""
        self._ray.shutdown()


@dataclass(frozen=True, slots=True, kw_only=True)
class RayOptions:
    """Where the cluster is, as `ray.init` takes it; None starts one of this machine alone. `worker`: the GPUs of a
    worker, as 4gpu; instead of a task for each cohort there are `--jobs` workers.
    """

    address: str | None = None
    worker: str | None = None


def open_ray(wish: Wish, pairs: Sequence[str]) -> Opened:
    """Tasks of a Ray cluster."""
    options, device = read_options(RayOptions, pairs), wish.kind_of_device("Ray")
    if options.worker is not None:
        wish = wish.of_workers(options.worker)
    launcher = RayLauncher(
        options.address,
        jobs=wish.jobs,
        device=device,
        processes=wish.processes,
        command=workers.COMMAND if options.worker else cohort_command(wish.processes),
    )
    return Opened(launcher=launcher, poll_seconds=0.5, by_workers=options.worker is not None)
