"""Becomes another command that is asked to stop (SIGTERM) when its parent dies, however suddenly; Linux only.

    python parent_death.py PARENT_PID COMMAND...

The wish outlives `exec`, so the command need not know of it. Run as a script, with nothing imported but this: a
function between fork and exec could do the same, at the risk of a deadlock in a parent that has threads.
"""

import ctypes
import os
import signal
import sys

_SET_PARENT_DEATH_SIGNAL = 1
_PREEMPTED = 75


def main(parent: int, command: list[str]) -> None:
    """Tie this process to its parent and become the command."""
    if sys.platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGTERM)
        if os.getppid() != parent:  # it died before the tie was made
            sys.exit(_PREEMPTED)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
