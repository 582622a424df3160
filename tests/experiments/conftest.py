"""What tests of the engine share. This file's place also lets them import the modules beside it."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Said
from finished_runs import untrained_store
from small_sweeps import DATA_GONE, small_plan

from distilpose.data.coco import PoseData, load_pose_data
from distilpose.synthetic.dataset import SyntheticSpec, write_synthetic
from experiments.cli.main import main
from experiments.plan.plan import Plan
from experiments.runs.store import Store


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    """Two rows, two seeds, one teacher."""
    return small_plan(tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store."""
    return Store(tmp_path / "runs")


@pytest.fixture(scope="session")
def people(tmp_path_factory: pytest.TempPathFactory) -> PoseData:
    """Two synthetic people."""
    folder = tmp_path_factory.mktemp("people")
    write_synthetic(SyntheticSpec(train=1, val=2, seed=0), folder / "data")
    return load_pose_data(folder / "data", "val")


@pytest.fixture
def runs(tmp_path: Path, people: PoseData) -> tuple[Store, Plan]:
    """A sweep of runs that look finished, whose data are not where the sweep says."""
    return untrained_store(tmp_path, DATA_GONE, people)


@pytest.fixture
def distilpose(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """The command in this process: its exit code, what it prints, and what it tells the user."""

    def run(*arguments: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["distilpose", *map(str, arguments)])
        with pytest.raises(SystemExit) as ending:
            main()
        out, err = capfd.readouterr()
        return int(ending.value.code or 0), out, err

    return run
