"""The cohort command in several processes of torchrun, with the exit codes of `experiments.train.run`.

    python -P -m experiments.launch.torchrun PROCESSES NODES RUNS/jobs/COHORT.json

On several nodes it is started once on each; they meet at $DISTILPOSE_RENDEZVOUS (host:port). SIGTERM, SIGINT and
SIGUSR1 reach its processes, which write one checkpoint together.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType

from experiments.launch.command import COMMAND, RENDEZVOUS, TETHER
from experiments.runs.job import FINISHED, PREEMPTED


def main(processes: int, nodes: int, job: str) -> int:
    """The exit code after `processes` processes in all, on `nodes` machines, have done the job."""
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import main as torchrun

    def stop(_: int, __: FrameType | None) -> None:  # older ones of torchrun know SIGTERM alone
        os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGUSR1, stop)
    where = ["--standalone"]
    if nodes > 1:
        meeting = os.environ[RENDEZVOUS]
        where = [f"--nnodes={nodes}", "--rdzv-backend=c10d", f"--rdzv-endpoint={meeting}", f"--rdzv-id={meeting}"]
    try:
        # Tied to this process: torchrun gives each a session of its own, in which it would outlive a kill of this one.
        tied = [*TETHER, str(os.getpid()), *COMMAND, job]
        torchrun([*where, f"--nproc-per-node={processes // nodes}", "--no-python", *tied])
    except SignalException:
        return PREEMPTED
    except ChildFailedError as error:
        codes = [failure.exitcode for failure in error.failures.values()]
        # The first to end is not always the one that had a reason: the others are stopped because of it.
        reasons = [code for code in codes if code not in (PREEMPTED, -signal.SIGTERM)]
        code = int(reasons[0]) if reasons else PREEMPTED
        return 128 - code if code < 0 else code
    return FINISHED


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
