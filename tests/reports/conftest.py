"""Made-up sweeps, written and aggregated once for all tests of reports."""

from pathlib import Path

import pytest
from made_up_store import HOSTILE, ROWS, made_up_plan, write_complete, write_troubled

from experiments.runs.saved_plan import SavedPlan
from experiments.runs.store import Store
from reports.numbers.sweep import SweepNumbers, aggregate


@pytest.fixture(scope="session")
def complete(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, SavedPlan]:
    """Eight rows of three seeds, all finished."""
    return write_complete(tmp_path_factory.mktemp("complete"), seeds=3)


@pytest.fixture(scope="session")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, SavedPlan]:
    """The same with one run failed, one stopped and one that never began."""
    return write_troubled(tmp_path_factory.mktemp("troubled"))


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, SavedPlan]:
    """Three rows of two seeds, one named like a script."""
    rows = (ROWS[0], (HOSTILE, ("KT",), 60.0, 0.25), ROWS[7])
    return write_complete(tmp_path_factory.mktemp("hostile"), seeds=2, rows=rows)


@pytest.fixture(scope="session")
def single(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, SavedPlan]:
    """Three rows of one seed."""
    return write_complete(tmp_path_factory.mktemp("single"), seeds=1, rows=(ROWS[0], ROWS[4], ROWS[7]))


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, SavedPlan]:
    """A plan of which nothing has begun."""
    return Store(tmp_path_factory.mktemp("empty")), made_up_plan(2)


@pytest.fixture(scope="session")
def complete_numbers(complete: tuple[Store, SavedPlan]) -> SweepNumbers:
    """Numbers of the complete sweep."""
    return aggregate(*complete)


@pytest.fixture(scope="session")
def troubled_numbers(troubled: tuple[Store, SavedPlan]) -> SweepNumbers:
    """Numbers of the troubled sweep."""
    return aggregate(*troubled)


@pytest.fixture(scope="session")
def hostile_numbers(hostile: tuple[Store, SavedPlan]) -> SweepNumbers:
    """Numbers of the sweep with a hostile name."""
    return aggregate(*hostile)


@pytest.fixture(scope="session")
def single_numbers(single: tuple[Store, SavedPlan]) -> SweepNumbers:
    """Numbers of the one-seed sweep."""
    return aggregate(*single)


@pytest.fixture(scope="session")
def empty_numbers(empty: tuple[Store, SavedPlan]) -> SweepNumbers:
    """Numbers of the sweep that has not begun."""
    return aggregate(*empty)


@pytest.fixture
def own_store(tmp_path: Path) -> tuple[Store, SavedPlan]:
    """Two rows of two seeds that a test may spoil."""
    return write_complete(tmp_path / "runs", seeds=2, rows=(ROWS[0], ROWS[7]))
