"""The time left is told once every kind of cohort that is left has shown its pace."""

from collections.abc import Iterable

import pytest

from experiments.launch.records import LaunchProgress
from experiments.launch.time_left import TimeLeft
from experiments.plan.plan import Plan
from experiments.runs.store import Progress


def at(seconds: float, running: dict[str, int | None], *, done: Iterable[str] = (), validated: bool = False):
    """Where a launch stands, and the steps reached: every run has 20."""
    values: dict[str, float | None] = {"val/AP": 0.5} if validated else {}
    progress = LaunchProgress(
        total=5,
        finished=frozenset(done),
        running={
            run_id: None if step is None else Progress(step=step, total_steps=20, epoch=0, values=values, time=0.0)
            for run_id, step in running.items()
        },
        elsewhere=frozenset(),
        failed={},
        blocked=frozenset(),
        seconds=seconds,
    )
    return progress, {**{run_id: step or 0 for run_id, step in running.items()}, **dict.fromkeys(done, 20)}


@pytest.fixture
def cohorts(plan: Plan) -> tuple[list[str], list[str], list[str]]:
    """The runs of the teacher, and of the first and second seed."""
    teacher, first, second = (list(cohort.run_ids) for cohort in plan.cohorts)
    return teacher, first, second


def test_nothing_is_told_while_a_kind_that_is_left_has_not_been_seen(plan: Plan, cohorts) -> None:
    (teacher,), first, _ = cohorts
    time = TimeLeft(plan, 1)
    assert time.look(*at(0, {teacher: None})) is None
    assert time.look(*at(8, {teacher: 1})) is None
    assert time.look(*at(27, {teacher: 19}, validated=True)) is None
    assert time.look(*at(30, dict.fromkeys(first), done=[teacher])) is None
    assert time.look(*at(38, dict.fromkeys(first, 1), done=[teacher])) is None
    assert time.look(*at(42, dict.fromkeys(first, 3), done=[teacher])) is None  # no validation yet


def test_a_start_up_the_steps_and_the_validations_of_the_like_are_added_up(plan: Plan, cohorts) -> None:
    (teacher,), first, second = cohorts
    time = TimeLeft(plan, 1)
    time.look(*at(0, {teacher: None}))
    time.look(*at(30, dict.fromkeys(first), done=[teacher]))
    time.look(*at(38, dict.fromkeys(first, 1), done=[teacher]))  # 8 s to start
    # 10 steps and a validation in 20 s: 9 steps more, and the other seed's start and 20 steps
    assert time.look(*at(58, dict.fromkeys(first, 11), done=[teacher], validated=True)) == pytest.approx(18 + 8 + 40)
    # the first seed took 21 s for 19 steps in the end
    left = time.look(*at(59, dict.fromkeys(second), done=[teacher, *first]))
    assert left == pytest.approx(8 + 20 * 21 / 19)
    assert time.look(*at(90, {}, done=plan.runs)) == 0.0


def test_slots_share_the_work(plan: Plan, cohorts) -> None:
    (teacher,), first, second = cohorts
    time = TimeLeft(plan, 2)
    both = [*first, *second]
    time.look(*at(0, dict.fromkeys(both), done=[teacher]))
    time.look(*at(5, dict.fromkeys(both, 1), done=[teacher]))
    assert time.look(*at(15, dict.fromkeys(both, 11), done=[teacher])) == pytest.approx(9)


def test_steps_of_an_earlier_launch_are_done_and_are_no_pace(plan: Plan, cohorts) -> None:
    (teacher,), first, second = cohorts
    time, done = TimeLeft(plan, 1), [teacher, *second]
    time.look(*at(0, dict.fromkeys(first, 8), done=done))
    time.look(*at(5, dict.fromkeys(first, 9), done=done))
    assert time.look(*at(9, dict.fromkeys(first, 13), done=done, validated=True)) == pytest.approx(7)


def test_a_process_that_is_started_again_starts_up_again(plan: Plan, cohorts) -> None:
    (teacher,), first, second = cohorts
    time, done = TimeLeft(plan, 1), [teacher, *second]
    time.look(*at(0, dict.fromkeys(first), done=done))
    time.look(*at(8, dict.fromkeys(first, 1), done=done))
    assert time.look(*at(18, dict.fromkeys(first, 11), done=done)) == pytest.approx(9)
    progress, reached = at(20, {}, done=done)
    assert time.look(progress, reached | dict.fromkeys(first, 11)) == pytest.approx(8 + 9)
