"""A job's options, and the script of a job array."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from annotated_types import Ge

from experiments.launch.command import RENDEZVOUS
from experiments.runs.job import PREEMPTED

_TIME = re.compile(r"\d+(:\d{1,2}){0,2}|\d+-\d{1,2}(:\d{1,2}){0,2}|infinite|UNLIMITED")
_SBATCH = (
    "account", "comment", "constraint", "exclude", "licenses", "mail_type", "mail_user", "mem", "mem_per_gpu",
    "nice", "nodelist", "partition", "qos", "reservation", "time",
)  # fmt: skip


CORES = 4  # of a process, where nothing tells what it needs


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmOptions:
    """How a cohort's job is asked for. Slurm's other settings come from SBATCH_* variables.

    Args:
        account to time: sbatch's own options.
        nodes: machines of one cohort.
        worker: the GPUs of a worker, as 4gpu; instead of a job for each cohort there are `--jobs` workers.
        gpu_type: the kind of GPU, as the cluster names it; None for any.
        cpus: cores of one process; None for what its input needs on a GPU, and 4 on a CPU.
        throttle: how many of an array may run at a time; None for all.
        notice: seconds before the end of its time at which a job is asked to write its checkpoint and is queued again.
        on_interrupt: whether Ctrl-C on the launcher leaves the jobs to Slurm or cancels them.
    """

    account: str | None = None
    comment: str | None = None
    constraint: str | None = None
    exclude: str | None = None
    licenses: str | None = None
    mail_type: str | None = None
    mail_user: str | None = None
    mem: str | None = None
    mem_per_gpu: str | None = None
    nice: str | None = None
    nodelist: str | None = None
    partition: str | None = None
    qos: str | None = None
    reservation: str | None = None
    time: str | None = None
    nodes: Annotated[int, Ge(1)] = 1
    worker: str | None = None
    gpu_type: str | None = None
    cpus: Annotated[int, Ge(1)] | None = None
    throttle: Annotated[int, Ge(1)] | None = None
    notice: Annotated[int, Ge(1)] = 120
    on_interrupt: Literal["leave", "cancel"] = "leave"

    def __post_init__(self) -> None:
        if self.worker is not None and self.nodes > 1:
            raise ValueError(f"nodes={self.nodes}: must be 1 with worker={self.worker}, which is on one machine")
        if self.time is not None and not _TIME.fullmatch(self.time):
            raise ValueError(f"time={self.time}: must be minutes, hours:minutes:seconds or days-hours")


def sbatch_text(
    options: SlurmOptions,
    *,
    name: str,
    jobs: Sequence[Path],
    folder: Path,
    command: Sequence[str],
    processes: int = 1,
    gpus: bool = False,
) -> str:
    """The script of a job array that runs `command JOB` for each of `jobs`; all paths are absolute.

    A task writes the command's output to the job's `.log`, and last its exit code to `folder`/TASK.exit. Before its
    time is up it asks the command for a checkpoint and requeues itself. Where `processes` are spread over nodes, srun
    starts the command once on each.
    """
    assert processes % options.nodes == 0, f"{processes} processes cannot be spread evenly over {options.nodes} nodes"
    per_node, cores = processes // options.nodes, options.cpus or CORES
    throttle = "" if options.throttle is None else f"%{options.throttle}"
    kind = "" if options.gpu_type is None else f"{options.gpu_type}:"
    settings = [
        f"job-name={name}",
        f"array=0-{len(jobs) - 1}{throttle}",
        *(f"{name.replace('_', '-')}={value}" for name in _SBATCH if (value := getattr(options, name)) is not None),
        f"nodes={options.nodes}",
        "ntasks-per-node=1",
        f"cpus-per-task={cores * per_node}",
        *([f"gres=gpu:{kind}{per_node}"] if gpus else []),
        "requeue",
        f"signal=B:USR1@{options.notice}",
        f"output={folder}/%a.out",
        "open-mode=append",
    ]
    start = shlex.join(command)
    if options.nodes > 1:
        start = f'{RENDEZVOUS}="$(hostname):$((20000 + SLURM_JOB_ID % 20000))" srun --kill-on-bad-exit=1 {start}'
    header = "".join(f"#SBATCH --{setting}\n" for setting in settings)
    listed = "".join(f"  {shlex.quote(str(job))}\n" for job in jobs)
    return f"""#!/bin/bash
{header}
jobs=(
{listed})
job=${{jobs[SLURM_ARRAY_TASK_ID]}}
exit_file={shlex.quote(str(folder))}/$SLURM_ARRAY_TASK_ID.exit
rm -f "$exit_file"
exec >>"${{job%.json}}.log" 2>&1

asked= child=
trap 'asked=time woken=yes; kill -USR1 $child' USR1  # its time is nearly up
trap 'asked=end woken=yes; kill -TERM $child' TERM   # cancelled, or preempted
export OMP_NUM_THREADS={cores}
{start} "$job" &
child=$!
[ -n "$asked" ] && kill -TERM "$child"

code=127
while
  woken=  # by a signal, which ends `wait` early
  wait "$child"
  last=$?
  [ "$last" != 127 ] && code=$last  # 127: already reaped
  [ -n "$woken" ]
do :; done
case $asked:$code in
  time:{PREEMPTED} | time:138 | time:143)  # it has its checkpoint, or ended by the signal before it began
    scontrol requeue "$SLURM_JOB_ID" && exit {PREEMPTED} ;;
esac
echo "$code" >"$exit_file.new" && mv "$exit_file.new" "$exit_file"
exit "$code"
"""
