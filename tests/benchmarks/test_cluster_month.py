"""A few days of a small cluster on which everything fails often."""

import random
from pathlib import Path

from benchmarks.cluster_month import COHORT, Month
from benchmarks.engine_growth import planned, sweep_file
from experiments.runs.store import Store


def test_no_run_is_lost_or_done_twice_where_nodes_and_processes_die(tmp_path: Path) -> None:
    plan = planned(sweep_file(tmp_path, 24), Store(tmp_path), max_cohort=COHORT)
    month = Month(tmp_path, plan, nodes=2, gpus_a_node=2, parts=30, factor=120.0, random=random.Random(0))
    month.live(days=20)
    assert month.happened["node failures"] >= 1
    assert month.happened["process deaths"] >= 1
    assert set(month.finished) == set(plan.runs)
    assert set(month.finished.values()) == {1}
    assert set(month.counted.values()) == {1}
    assert len(month.counted) == 30 * len(plan.runs)
    assert month.trained <= month.allocated
