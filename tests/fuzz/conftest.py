"""Lets the fuzz tests use what the tests of the engine and of the reports make their stores with."""

import sys
from pathlib import Path

for _room in ("experiments", "reports"):
    sys.path.insert(0, str(Path(__file__).parents[1] / _room))
