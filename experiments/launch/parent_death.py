"""Becomes another command that gets SIGTERM when its parent dies (Linux only).

    python parent_death.py PARENT_PID COMMAND...

The setting outlives `exec`. A script with no other imports, since code between fork and exec could deadlock a parent
that has threads.
"""

import ctypes
import os
import signal
import sys

_SET_PARENT_DEATH_SIGNAL = 1
_PREEMPTED = 75  # as in experiments.runs.job


def main(parent: int, command: list[str]) -> None:
    """Tie this process to its parent and become the command."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the tie was made
            sys.exit(_PREEMPTED)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
