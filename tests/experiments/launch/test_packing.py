from pathlib import Path
from typing import Any

import fake_job
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.launch.inline import InlineLauncher
from experiments.launch.packing import GPU_CONTEXT, PREDICTION_MARGIN, RESERVE, Peaks, Room, fits
from experiments.launch.protocol import Slot
from experiments.launch.records import LaunchProgress, LaunchSettings
from experiments.launch.scheduler import launch_plan
from experiments.plan.model_costs import ModelCosts
from experiments.plan.plan import Plan
from experiments.runs.store import Store

GIB = 2**30
MEMORY = st.integers(1, 200)


def room(total: int = 80, free: int | None = None, guess: int | None = None) -> Room:
    return Room(
        total=total * GIB, free=(total if free is None else free) * GIB, guess=None if guess is None else guess * GIB
    )


def test_alone_on_a_device_any_cohort_may_try() -> None:
    assert fits(None, [], room())
    assert fits(500 * GIB, [], room())


def test_what_is_not_known_shares_no_device() -> None:
    assert not fits(None, [GIB], room())
    assert not fits(GIB, [None], room())
    assert fits(GIB, [GIB], room())


def test_on_a_cpu_what_is_not_known_is_guessed() -> None:
    assert fits(None, [None], room(total=8, guess=2))
    assert not fits(None, [None], room(total=4, guess=2))


def test_tenants_that_have_not_grown_yet_keep_their_room() -> None:
    assert not fits(30 * GIB, [50 * GIB], room(total=80, free=80))


def test_memory_that_others_use_is_not_given_away() -> None:
    assert not fits(10 * GIB, [10 * GIB], room(total=80, free=9))


@given(total=MEMORY, arrivals=st.lists(st.one_of(st.none(), MEMORY), max_size=12))
def test_a_device_that_several_share_is_never_oversubscribed(total: int, arrivals: list[int | None]) -> None:
    tenants: list[int | None] = []
    for need in arrivals:
        used = sum(tenant for tenant in tenants if tenant is not None)
        peak = None if need is None else need * GIB
        if fits(peak, tenants, Room(total=total * GIB, free=max(0, total * GIB - used))):
            tenants.append(peak)
    if len(tenants) > 1:
        assert None not in tenants
        assert sum(tenant or 0 for tenant in tenants) <= (1 - RESERVE) * total * GIB


def finish(store: Store, plan: Plan, cohort: int, memory: int, **changes: Any) -> None:
    """Let a planned cohort be finished, having taken so much."""
    run_ids = plan.cohorts[cohort].run_ids
    for run_id in run_ids:
        store.run(run_id).write_spec(plan.runs[run_id].spec)
        facts = {"cohort_size": len(run_ids), "memory_bytes": memory, "provenance": {"device": "cuda:0"}}
        store.run(run_id).write_result({"metrics": {"AP": 0.5}, **facts, **changes})


def test_a_cohort_is_expected_to_take_what_its_like_took(plan: Plan, store: Store) -> None:
    first, second = plan.cohorts[1].run_ids, plan.cohorts[2].run_ids
    peaks = Peaks(plan, store)
    assert peaks.measured(second, "cuda:1") is None
    finish(store, plan, 1, 5 * GIB)
    peaks.learn(plan.cohorts[1])
    assert len(first) == len(second) == 2
    assert peaks.expected(second, "cuda:1") == 5 * GIB + GPU_CONTEXT
    assert peaks.expected(second[:1], "cuda:1") == 5 * GIB + GPU_CONTEXT
    assert peaks.expected(second, "cpu") is None
    assert peaks.measured(plan.cohorts[0].run_ids, "cuda:1") is None  # a teacher is another model


def test_on_a_gpu_what_was_never_measured_is_predicted_with_a_margin(plan: Plan, store: Store) -> None:
    run_ids, peaks = plan.cohorts[1].run_ids, Peaks(plan, store)
    predicted = ModelCosts(store).of_process(plan, run_ids)
    assert predicted is not None
    assert peaks.expected(run_ids, "cuda:0") == int((1 + PREDICTION_MARGIN) * predicted) + GPU_CONTEXT
    assert peaks.expected(run_ids, "cpu") is None


@pytest.mark.parametrize("changes", [{"cohort_size": 1}, {"micro_batch": 2}])
def test_what_a_part_of_a_cohort_or_of_its_batches_took_says_nothing_of_the_whole(
    plan: Plan, store: Store, changes: dict[str, int]
) -> None:
    finish(store, plan, 1, 5 * GIB, **changes)
    assert Peaks(plan, store).measured(plan.cohorts[2].run_ids, "cuda:0") is None


def test_a_running_cohort_counts_by_what_it_said_after_a_validation(plan: Plan, store: Store) -> None:
    run_ids, peaks = plan.cohorts[1].run_ids, Peaks(plan, store)
    lease = store.run(run_ids[0]).claim()
    with store.run(run_ids[0]).journal(lease) as journal:
        journal.start(attempt=1, step=0)
        journal.checkpoint(step=1, epoch=None, path="x", memory_bytes=GIB)
        assert peaks.running(run_ids, "cuda:0") == peaks.expected(run_ids, "cuda:0")
        journal.metrics(2, {"val/AP": 0.1})
        journal.checkpoint(step=2, epoch=None, path="x", memory_bytes=3 * GIB)
        assert peaks.running(run_ids, "cuda:0") == 3 * GIB + GPU_CONTEXT
        journal.start(attempt=2, step=2)  # another process, with fewer people at once perhaps
        assert peaks.running(run_ids, "cuda:0") == peaks.expected(run_ids, "cuda:0")


class Together:
    """A launcher of two slots on one GPU whose processes end when they are looked at the third time."""

    def __init__(self) -> None:
        self.slots = (Slot(device="cuda:0"), Slot(device="cuda:0"))

    def start(self, job: Path, slot: Slot) -> "Later":
        return Later(job)


class Later:
    """Work that is done later."""

    def __init__(self, job: Path) -> None:
        self._job, self._looks = job, 0

    def poll(self) -> int | None:
        self._looks += 1
        return fake_job.main(self._job) if self._looks == 3 else None if self._looks < 3 else 0

    def stop(self) -> None:
        pass

    def kill(self) -> None:
        pass


@pytest.mark.parametrize(("measured", "most"), [(None, 2), (30, 4), (50, 2)])
def test_cohorts_share_a_gpu_where_their_need_is_known_and_if_they_fit(
    plan: Plan, store: Store, measured: int | None, most: int
) -> None:
    finish(store, plan, 0, GIB)
    told: list[LaunchProgress] = []
    settings = LaunchSettings(
        data_root=lambda data: Path("x"),
        poll_seconds=0.0,
        progress_seconds=0.0,
        rooms=lambda slot: room(total=80),
    )
    peaks = None if measured is None else measured * GIB
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Peaks, "expected", lambda *_: peaks)
        assert launch_plan(plan, store, Together(), settings, on_progress=told.append).complete
    assert max(len(progress.running) for progress in told) == most


@pytest.mark.parametrize(("gibibytes", "most"), [(80, 4), (1, 2)])
def test_cohorts_never_measured_share_a_gpu_if_they_are_predicted_to_fit(
    plan: Plan, store: Store, gibibytes: int, most: int
) -> None:
    finish(store, plan, 0, GIB)
    told: list[LaunchProgress] = []
    settings = LaunchSettings(
        data_root=lambda data: Path("x"),
        poll_seconds=0.0,
        progress_seconds=0.0,
        rooms=lambda slot: room(total=gibibytes),
    )
    assert launch_plan(plan, store, Together(), settings, on_progress=told.append).complete
    assert max(len(progress.running) for progress in told) == most


def test_slots_of_which_nothing_is_known_are_all_used(plan: Plan, store: Store) -> None:
    finish(store, plan, 0, GIB)
    told: list[LaunchProgress] = []
    settings = LaunchSettings(data_root=lambda data: Path("x"), poll_seconds=0.0, progress_seconds=0.0)
    assert launch_plan(plan, store, Together(), settings, on_progress=told.append).complete
    assert max(len(progress.running) for progress in told) == 4


def test_a_launcher_of_one_slot_needs_no_room(plan: Plan, store: Store) -> None:
    settings = LaunchSettings(data_root=lambda data: Path("x"), poll_seconds=0.01, rooms=lambda slot: room(total=0))
    assert launch_plan(plan, store, InlineLauncher(work=fake_job.main), settings).complete
