"""`distilpose work`: a worker, and the process of one on a cluster.

python -P -m experiments.cli.work RUNS/jobs/worker-HASH-N.json
"""

import os
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from experiments.cli.launch import Cache, RetryFailed, Workers, train
from experiments.cli.options import (
    INCOMPLETE,
    INTERRUPTED,
    RUNS,
    Changes,
    DataRoot,
    Device,
    Jobs,
    NewName,
    Place,
    Profile,
    Rows,
    Runs,
    Seeds,
    SweepName,
    Track,
    read_profile,
    selection_of,
)
from experiments.launch.choose import choose
from experiments.launch.protocol import Wish
from experiments.launch.workers import seconds_until
from experiments.runs.job import PREEMPTED

END = "SLURM_JOB_END_TIME"
END_SECONDS = 60.0  # before an allocation's end, for checkpoints; jobs of `launch --on slurm` are asked to stop earlier


def work(
    sweep: SweepName,
    profile: Profile = None,
    data: DataRoot = None,
    runs: Runs = RUNS,
    until: Annotated[
        str | None,
        typer.Option(
            help="Stop then, with checkpoints; by default a minute before the end of Slurm's allocation.",
            metavar="HH:MM|YYYY-MM-DDTHH:MM",
        ),
    ] = None,
    jobs: Jobs = 0,
    device: Device = "auto",
    track: Track = None,
    workers: Workers = None,
    cache: Cache = None,
    retry_failed: RetryFailed = False,
    rows: Rows = None,
    seeds: Seeds = "",
    changes: Changes = None,
    name: NewName = None,
) -> None:
    """Train what a sweep lacks on this machine's devices, beside any number of other workers.

    It takes free cohorts. It ends when its time is up, or once every run that is left has a worker.
    """
    wish = Wish(device=device, jobs=jobs)
    complete = train(
        read_profile(sweep, profile, data, changes, name),
        Place(data=data, runs=runs),
        wish,
        choose(wish=wish),
        track=track,
        workers=workers,
        cache=cache,
        retry_failed=retry_failed,
        selection=selection_of(rows, seeds),
        hours=hours_left(until),
        stay=False,
    )
    if not complete:
        raise typer.Exit(INCOMPLETE)


def hours_left(until: str | None) -> float | None:
    """The hours that are left, None for as many as it takes."""
    now = datetime.now()
    if until is not None:
        return seconds_until(until, now) / 3600
    end = os.environ.get(END, "")
    return max(0.0, float(end) - now.timestamp() - END_SECONDS) / 3600 if end.isdecimal() else None


def main() -> None:
    """Do what the file says. Whoever was asked to stop ends as a cohort's process does, and is queued again."""
    from pydantic import TypeAdapter

    from experiments.cli.main import main as command

    words = TypeAdapter(list[str]).validate_json(Path(sys.argv[1]).read_bytes())
    sys.argv = ["distilpose", "work", *words]
    try:
        command()
    except SystemExit as end:
        sys.exit(PREEMPTED if end.code == INTERRUPTED else end.code)


if __name__ == "__main__":
    main()
