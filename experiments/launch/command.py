"""The command that does the job of a cohort, in one process or several."""

import sys
from pathlib import Path

# -P: the user's folder may have packages with the names of ours.
COMMAND = (sys.executable, "-P", "-m", "experiments.train.run")
TETHER = (sys.executable, "-I", "-S", str(Path(__file__).with_name("parent_death.py")))
RENDEZVOUS = "DISTILPOSE_RENDEZVOUS"  # where the processes of several nodes meet, host:port


def cohort_command(processes: int = 1, nodes: int = 1) -> tuple[str, ...]:
    """What a launcher starts; the job file follows."""
    if processes == 1:
        return COMMAND
    return (sys.executable, "-P", "-m", "experiments.launch.torchrun", str(processes), str(nodes))
