"""What the fault suite shared. This file's place also lets its tests import the modules beside it."""

from pathlib import Path
from typing import Any

import chain_job
import pytest
from chain_sweep import chain_plan, settings, story

from experiments.launch.inline import InlineLauncher
from experiments.launch.scheduler import launch_plan
from experiments.plan.plan import Plan
from experiments.runs.store import Store


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int | None:
    """How many kills were asked for, None for the short version."""
    wanted: int | None = request.config.getoption("--kills")
    return wanted


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the sweep of chains comes to where nothing happens."""
    folder = tmp_path_factory.mktemp("undisturbed")
    plan, store = chain_plan(folder), Store(folder / "runs")
    assert launch_plan(plan, store, InlineLauncher(work=chain_job.main), settings()).complete
    return story(store, plan)


@pytest.fixture
def chains(tmp_path: Path) -> tuple[Plan, Store]:
    """The sweep of chains, planned, and an empty store."""
    (tmp_path / "runs").mkdir()
    return chain_plan(tmp_path), Store(tmp_path / "runs")
