"""Tests here run beside those of the engine and borrow their small sweeps."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "experiments"))
