"""Searches over one weight, for tests of how they are carried out."""

import os
from pathlib import Path

from small_sweeps import SMALL, facts

from experiments.runs.store import Store
from experiments.search.searcher import Searcher
from experiments.sweep.sweep_file import Sweep, read_sweep

SEARCH = (
    SMALL.replace("sweep: small", "sweep: hunt").partition("seeds:")[0].replace("baseline: none", "baseline: ours")
    + """\
seeds: [0]
rows:
  - {row: ours}
  - {row: none, set: {losses: {KT: 0}}}
search:
  space:
    losses.KT: {low: 1e-6, high: 1, log: true}
  trials: 12
  cohort: 3
  sampler: {random: {}}
"""
)
PRUNED = SEARCH + "  pruner: {median: {startup: 2}}\n"
CONFIRMED = PRUNED + "  confirm: {best: 1, seeds: [1]}\n"


def small_search(folder: Path, text: str = SEARCH) -> Sweep:
    """The only profile of a sweep given as text."""
    file = folder / f"hunt-{os.getpid()}.yaml"  # launches may race in one folder
    file.write_text(text)
    return read_sweep(file, source="hunt.yaml").profile()


def small_searcher(folder: Path, text: str = SEARCH) -> Searcher:
    """What asks for its trials, in the store `runs` of the folder."""
    return Searcher(small_search(folder, text), Store(folder / "runs"), facts, lambda recipe, wanted: {})
