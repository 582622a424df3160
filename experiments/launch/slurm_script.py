"""What Slurm is told: the options a user gives, and the text of a job array."""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

PREEMPTED = 75
RENDEZVOUS = "DISTILPOSE_RENDEZVOUS"  # where the processes of several nodes meet, host:port
# Options of sbatch that are handed on as they are.
HANDED_ON = (
    "account", "comment", "constraint", "exclude", "licenses", "mail-type", "mail-user", "mem", "mem-per-gpu",
    "nice", "nodelist", "partition", "qos", "reservation", "time",
)  # fmt: skip
_TIME = re.compile(r"\d+(:\d{1,2}){0,2}|\d+-\d{1,2}(:\d{1,2}){0,2}|infinite|UNLIMITED")


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmOptions:
    """How a cohort's job is asked for.

    Args:
        handed_on: options of sbatch by their names; the rest of Slurm's settings come from SBATCH_* variables.
        nodes: machines of one cohort.
        gpu_type: the kind of GPU, as the cluster names it; None for any.
        cpus: cores of one process.
        throttle: how many of an array may run at a time; None for all.
        notice: seconds before the end of its time at which a job is asked to write its checkpoint and is queued again.
        on_interrupt: what Ctrl-C on the launcher does to the jobs: leave them to Slurm, or cancel them.
    """

    handed_on: tuple[tuple[str, str], ...] = ()
    nodes: int = 1
    gpu_type: str | None = None
    cpus: int = 4
    throttle: int | None = None
    notice: int = 120
    on_interrupt: Literal["leave", "cancel"] = "leave"


_NUMBERS = ("nodes", "cpus", "throttle", "notice")
_ON_INTERRUPT = ("leave", "cancel")
OPTIONS = (*HANDED_ON, *_NUMBERS, "gpu-type", "on-interrupt")


def read_options(pairs: Iterable[str]) -> SlurmOptions:
    """The options that `KEY=VALUE` pairs give. Raises ValueError that lists everything wrong with them."""
    problems: list[str] = []
    values: dict[str, str] = {}
    for pair in pairs:
        key, equals, value = (part.strip() for part in pair.partition("="))
        key = key.replace("_", "-")
        if not equals or not value or not value.isprintable():
            problems.append(f"--slurm {pair}: must be KEY=VALUE, such as partition=gpu")
        elif key not in OPTIONS:
            near = difflib.get_close_matches(key, OPTIONS, 1)
            hint = f"did you mean {near[0]}?" if near else f"one of {', '.join(OPTIONS)}"
            problems.append(f"--slurm {pair}: {key} is no option, {hint}")
        elif key in values:
            problems.append(f"--slurm {pair}: {key} is given twice, also as {values[key]}")
        else:
            values[key] = value
    numbers: dict[str, int] = {}
    for key in _NUMBERS:
        if key in values:
            if values[key].isdecimal() and int(values[key]) >= 1:
                numbers[key] = int(values[key])
            else:
                problems.append(f"--slurm {key}={values[key]}: must be a whole number of at least 1")
    if "time" in values and not _TIME.fullmatch(values["time"]):
        problems.append(f"--slurm time={values['time']}: must be minutes, hours:minutes:seconds or days-hours")
    on_interrupt = values.get("on-interrupt", "leave")
    if on_interrupt not in _ON_INTERRUPT:
        problems.append(f"--slurm on-interrupt={on_interrupt}: must be one of {', '.join(_ON_INTERRUPT)}")
    if problems:
        raise ValueError("\n".join(problems))
    return SlurmOptions(
        handed_on=tuple((key, values[key]) for key in HANDED_ON if key in values),
        gpu_type=values.get("gpu-type"),
        on_interrupt="cancel" if on_interrupt == "cancel" else "leave",
        **numbers,
    )


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

    A task writes what the command prints to the job's `.log`, and its exit code to `folder`/TASK.exit, the last thing
    it does. Before its time is up it asks the command for a checkpoint and puts itself back in the queue. Where
    `processes` of a cohort are spread over several nodes, srun starts the command once on each.
    """
    if processes % options.nodes:
        raise ValueError(
            f"--slurm nodes={options.nodes}: must divide the processes of a run, got --gpus-per-run {processes}"
        )
    per_node = processes // options.nodes
    throttle = "" if options.throttle is None else f"%{options.throttle}"
    kind = "" if options.gpu_type is None else f"{options.gpu_type}:"
    settings = [
        f"job-name={name}",
        f"array=0-{len(jobs) - 1}{throttle}",
        *(f"{key}={value}" for key, value in options.handed_on),
        f"nodes={options.nodes}",
        "ntasks-per-node=1",
        f"cpus-per-task={options.cpus * per_node}",
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
export OMP_NUM_THREADS={options.cpus}
{start} "$job" &
child=$!
[ -n "$asked" ] && kill -TERM "$child"

code=127
while
  woken=  # by a signal, which ends `wait` early
  wait "$child"
  last=$?
  [ "$last" != 127 ] && code=$last  # 127: it was had already
  [ -n "$woken" ]
do :; done
case $asked:$code in
  time:{PREEMPTED} | time:138 | time:143)  # it has its checkpoint, or ended by the signal before it began
    scontrol requeue "$SLURM_JOB_ID" && exit {PREEMPTED} ;;
esac
echo "$code" >"$exit_file.new" && mv "$exit_file.new" "$exit_file"
exit "$code"
"""
