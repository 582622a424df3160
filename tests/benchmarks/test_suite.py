"""Every benchmark runs, in its small sizes: its figures mean nothing then."""

import gc
import math
from pathlib import Path

import pytest

from benchmarks.measure import Settings
from benchmarks.suite import BENCHMARKS

ROOT = Path(__file__).parents[2]


# W&B leaves sockets and event loops of its own to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", BENCHMARKS)
def test_every_benchmark_finds_figures(name: str) -> None:
    figures = list(BENCHMARKS[name].figures(Settings(rounds=1, quick=True)))
    assert figures
    for figure in figures:
        assert math.isfinite(figure.ratio), figure
        assert figure.ratio > 0, figure
    gc.collect()  # so that what is left over is told of here


def test_every_module_that_has_figures_is_in_the_suite() -> None:
    files = {file.stem for file in (ROOT / "benchmarks").glob("*.py") if "\ndef figures(" in file.read_text()}
    assert {benchmark.module for benchmark in BENCHMARKS.values()} == files
