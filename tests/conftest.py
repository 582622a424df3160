"""Fixtures every test may use: the reference data beside a developer's checkout, skipped where a user has none."""

import os
from pathlib import Path

import pytest
from hypothesis import settings
from installed_wheel import installed, installed_distilpose

__all__ = ("installed", "installed_distilpose")

# The suite runs one process per core, so each takes one thread; W&B must never look for a server or a key.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("GOMP_SPINCOUNT", "0")  # tests run beside each other: what waits leaves the cores to them
settings.register_profile("untimed", deadline=None)  # a machine may be busy
settings.load_profile("untimed")
os.environ["WANDB_MODE"] = "offline"
os.environ["WANDB_SILENT"] = "true"


def pytest_addoption(parser: pytest.Parser) -> None:
    """How hard the fault suite is to be on the engine."""
    parser.addoption(
        "--kills", type=int, default=None, help="processes to kill in tests/faults, say 200 (default: few)"
    )


SHARED = Path(__file__).resolve().parents[2] / "shared"


def _shared(part: str) -> Path:
    path = SHARED / part
    if not path.exists():
        pytest.skip(f"needs the reference data {part}, which is not part of the project")
    return path


@pytest.fixture
def shared_dir() -> Path:
    """The folder of reference data."""
    return _shared(".")


@pytest.fixture
def parity_dir() -> Path:
    """The authors' implementation in numbers."""
    return _shared("parity")


@pytest.fixture
def lspet_dir() -> Path:
    """5,800 real people with 14 joints, COCO format."""
    return _shared("data/lspet")


@pytest.fixture
def coco_mini_dir() -> Path:
    """64 genuine COCO images in the official layout."""
    return _shared("data/coco_mini")


@pytest.fixture
def samples_dir() -> Path:
    """A few genuine people of several published sets, in their own formats."""
    return _shared("data/samples")
