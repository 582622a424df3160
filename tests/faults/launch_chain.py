"""Launchers that race over a sweep of chains: `python launch_chain.py FOLDER`.

Imports what they need once, then forks a launcher for every line it reads, and prints its process id: so they begin at
once, and can be killed where it matters more often than in their imports.
"""

import os
import signal
import sys
from pathlib import Path

from chain_sweep import COMMAND, chain_plan, settings

from experiments.launch.local import LocalLauncher
from experiments.launch.protocol import Slot
from experiments.launch.scheduler import launch_plan
from experiments.runs.store import Store


def launch(folder: Path) -> int:
    """The exit code of one launcher."""
    launcher = LocalLauncher([Slot(), Slot()], command=COMMAND)
    outcome = launch_plan(chain_plan(folder), Store(folder / "runs"), launcher, settings())
    return 0 if outcome.complete else 3 if outcome.interrupted else 4


if __name__ == "__main__":
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # whoever is killed is forgotten
    for _ in sys.stdin:
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            os._exit(launch(Path(sys.argv[1])))
        print(pid, flush=True)
