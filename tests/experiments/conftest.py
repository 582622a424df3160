"""What tests of the engine share. This file's place also lets them import the modules beside it."""

from pathlib import Path

import pytest
from small_sweeps import small_plan

from experiments.plan import Plan
from experiments.store import Store


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Two rows, two seeds, one teacher."""
    return small_plan(tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "runs")
