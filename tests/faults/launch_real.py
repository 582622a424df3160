"""A launcher of real trainings: `python launch_real.py FOLDER`, whose sweep is FOLDER/mini.yaml."""

import sys
from pathlib import Path

from real_sweep import launched, planned

from experiments.launch.local import LocalLauncher
from experiments.launch.protocol import Slot

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    plan = planned(folder)  # in one thread, as the undisturbed one: sums depend on how many make them
    outcome = launched(plan, folder / "runs", LocalLauncher([Slot()]), retries=10**6)
    sys.exit(0 if outcome.complete else 4)
