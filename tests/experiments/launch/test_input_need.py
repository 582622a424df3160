"""The cores that a launch asks of a cluster follow from how fast GPUs want people."""

from types import SimpleNamespace
from typing import Any

import pytest

from experiments.launch.input_need import InputNeed, input_need
from experiments.launch.slurm import SlurmLauncher
from experiments.launch.slurm_script import SlurmOptions
from experiments.plan.estimate import RunCost


def cost(seconds: float | None, *, on_gpu: bool = True) -> RunCost:
    return RunCost(steps=100, seconds=seconds, basis="made up", on_gpu=on_gpu)


def planned(costs: dict[str, RunCost], *cohorts: str) -> tuple[Any, Any]:
    """A plan of runs with one letter, each cohort a word of them, and its costs."""
    recipe = {"schedule": {"batch_size": 64}}
    plan = SimpleNamespace(
        cohorts=[SimpleNamespace(run_ids=list(cohort)) for cohort in cohorts],
        runs={run_id: SimpleNamespace(recipe=recipe) for run_id in costs},
    )
    return plan, SimpleNamespace(runs=costs)


def test_the_fastest_cohort_on_a_gpu_decides() -> None:
    # a step takes 0.02 s and 0.01 s; both together 0.03 s
    costs = {"a": cost(2.0), "b": cost(1.0), "c": cost(0.1, on_gpu=False), "d": cost(None)}
    assert input_need(*planned(costs, "ab", "a", "c", "d")) == InputNeed(people=pytest.approx(3200))
    assert input_need(*planned(costs, "ab", "bd")) == InputNeed(people=pytest.approx(64 / 0.03))


def test_nothing_is_said_where_nothing_trains_on_a_gpu_or_nobody_knows() -> None:
    assert input_need(*planned({"c": cost(0.1, on_gpu=False), "d": cost(None)}, "c", "d")) is None


@pytest.mark.parametrize(("people", "decoding", "cached"), [(300, 2, 2), (3_200, 8, 3), (40_000, 9, 9)])
def test_cores_are_one_that_trains_and_those_that_cut(people: float, decoding: int, cached: int) -> None:
    need = InputNeed(people=people)
    assert (need.cores(cached=False), need.cores(cached=True)) == (decoding, cached)


def test_slurm_gives_each_process_what_it_was_asked_for() -> None:
    launcher = SlurmLauncher(SlurmOptions(), jobs=2)
    assert [slot.threads for slot in launcher.slots] == [4, 4]
    launcher.ask_for_cores(7)
    assert [slot.threads for slot in launcher.slots] == [7, 7]
    assert [slot.workers for slot in launcher.slots] == [7, 7]
