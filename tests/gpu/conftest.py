"""The card that the tests of this folder run on.

They are skipped where there is none. `DISTILPOSE_GPU_TESTS=cpu pytest tests/gpu` runs them on the CPU instead, which
proves that they work and that what they hold is true there.
"""

import os
import sys
from pathlib import Path

import pytest
import torch

for _room in ("training", "models", "experiments", "faults"):
    sys.path.insert(0, str(Path(__file__).parents[1] / _room))


@pytest.fixture(scope="session")
def device() -> str:
    """`cuda`, or what DISTILPOSE_GPU_TESTS says."""
    wanted = os.environ.get("DISTILPOSE_GPU_TESTS", "cuda")
    if wanted == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a CUDA card; DISTILPOSE_GPU_TESTS=cpu runs it on the CPU")
    return wanted
